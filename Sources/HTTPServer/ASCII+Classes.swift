internal import Base

/// The classes of bytes that HTTP knows.
extension ASCII {
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

}
