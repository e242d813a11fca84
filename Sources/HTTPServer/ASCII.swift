import Glibc

/// Classes of bytes and comparisons, all on raw bytes.
enum ASCII {
    static let cr = UInt8(ascii: "\r")
    static let lf = UInt8(ascii: "\n")
    static let space = UInt8(ascii: " ")
    static let tab = UInt8(ascii: "\t")

    static let token: UInt8 = 1
    static let fieldValue: UInt8 = 2
    static let target: UInt8 = 4
    static let registeredName: UInt8 = 8

    /// The classes of every byte value.
    /// A plain pointer so that the inner loops of the parser index it without a bounds check or a lazy-global call.
    static func makeClasses() -> UnsafePointer<UInt8> {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        table.initialize(repeating: 0, count: 256)
        func add(_ bit: UInt8, _ bytes: some Sequence<UInt8>) {
            for byte in bytes { table[Int(byte)] |= bit }
        }
        let alphanumeric = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
        add(token, alphanumeric)
        add(token, "!#$%&'*+-.^_`|~".utf8)
        add(fieldValue, 0x20...0x7E)
        add(fieldValue, [tab])
        add(fieldValue, 0x80...0xFF)
        let unreserved = alphanumeric + Array("-._~".utf8)
        let delimiters = Array("!$&'()*+,;=".utf8)
        add(target, unreserved + delimiters)
        add(target, ":/?[]@%".utf8)
        add(registeredName, unreserved + delimiters)
        return UnsafePointer(table)
    }

    // The table is written once, before anybody can see it, and never freed.
    nonisolated(unsafe) static let classes = makeClasses()

    static func isToken(_ byte: UInt8) -> Bool { classes[Int(byte)] & token != 0 }

    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// The value of a hexadecimal digit, or nil.
    static func hexValue(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte) - 0x30
        case 0x41...0x46: Int(byte) - 0x37
        case 0x61...0x66: Int(byte) - 0x57
        default: nil
        }
    }

    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    static func equals(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount, let base = bytes.baseAddress else {
            return bytes.isEmpty && text.utf8CodeUnitCount == 0
        }
        return memcmp(base, text.utf8Start, bytes.count) == 0
    }

    /// `text` must be in lower case.
    static func equalsIgnoringCase(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        let expected = text.utf8Start
        for index in 0..<bytes.count where lowercased(bytes[index]) != expected[index] { return false }
        return true
    }

    static func isOptionalWhitespace(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var start = 0
        var end = bytes.count
        while start < end, isOptionalWhitespace(bytes[start]) { start += 1 }
        while end > start, isOptionalWhitespace(bytes[end - 1]) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }
}
