internal import Base
internal import SessionModel
internal import WebhookSecurity

/// Whether a key can be read out of a text: plainly, in hexadecimal digits or in base64 (either alphabet, padded or not,
/// broken into lines, with anything around the key), and all that again once percent-encoding, escapes and character
/// references are undone, as often as there are any.
struct KeySpellings: Sendable {
    /// Encodings within encodings that are undone.
    private static let roundsMax = 8

    /// The key, and what it is itself decoded to: a text is decoded as a whole, a key within it too.
    private let plain: [[UInt8]]
    /// In lower case.
    private let hexadecimal: [UInt8]
    /// What is the same in the base64 of every text that holds the key, by its place within the groups of three.
    private let base64: [[UInt8]]

    init(_ key: [UInt8]) {
        var decoded = key
        for _ in 0..<Self.roundsMax { decoded = Self.decodedOnce(decoded) ?? decoded }
        plain = decoded == key || decoded.count < KeyRedaction.keyBytesMin ? [key] : [key, decoded]
        hexadecimal = key.flatMap { [Self.hexDigit($0 >> 4), Self.hexDigit($0 & 15)] }
        base64 = (0..<3).map { before in
            let text = ([UInt8](repeating: 0, count: before) + key).withUnsafeBytes { Array(Base64.encode($0).utf8) }
            // Six bits a character: those that share none with what stands before or behind.
            return Array(text[(before * 8 + 5) / 6..<(before + key.count) * 8 / 6])
        }
    }

    func areIn(_ text: [UInt8]) -> Bool {
        var text = text
        for _ in 0..<Self.roundsMax {
            if isReadable(text) { return true }
            guard let decoded = Self.decodedOnce(text) else { return false }
            text = decoded
        }
        return isReadable(text)
    }

    private func isReadable(_ text: [UInt8]) -> Bool {
        if plain.contains(where: { Self.contains(text, $0) }) { return true }
        if Self.contains(text.map { ASCII.lowercased($0) }, hexadecimal) { return true }
        var packed: [UInt8] = []
        packed.reserveCapacity(text.count)
        for byte in text where byte > 0x20 {
            packed.append(
                byte == UInt8(ascii: "-") ? UInt8(ascii: "+") : byte == UInt8(ascii: "_") ? UInt8(ascii: "/") : byte)
        }
        return base64.contains { Self.contains(packed, $0) }
    }

    static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
        guard let first = part.first, text.count >= part.count else { return false }
        return text.withUnsafeBufferPointer { text in
            part.withUnsafeBufferPointer { part in
                for start in 0...(text.count - part.count) where text[start] == first {
                    var length = 1
                    while length < part.count, text[start + length] == part[length] { length += 1 }
                    if length == part.count { return true }
                }
                return false
            }
        }
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    // MARK: Encodings

    /// The text with one layer of percent-encoding, backslash escapes and HTML's character references undone; what is none
    /// of them stays.
    ///
    /// - Returns: nil where there is none.
    private static func decodedOnce(_ text: [UInt8]) -> [UInt8]? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(text.count)
        var rest = text[...]
        while let byte = rest.popFirst() {
            let found: (byte: UInt8, count: Int)? =
                switch byte {
                case UInt8(ascii: "%"): hexadecimal(rest, digits: 2)
                case UInt8(ascii: "\\"): escape(rest)
                case UInt8(ascii: "&"): reference(rest)
                default: nil
                }
            decoded.append(found?.byte ?? byte)
            rest = rest.dropFirst(found?.count ?? 0)
        }
        return decoded.count < text.count ? decoded : nil
    }

    /// So many digits exactly. Keys are ASCII: what else a number stands for is no part of one.
    private static func hexadecimal(_ text: ArraySlice<UInt8>, digits count: Int) -> (byte: UInt8, count: Int)? {
        let digits = text.prefix(count).compactMap { ASCII.hexValue($0) }
        guard digits.count == count else { return nil }
        let value = digits.reduce(0) { $0 << 4 | Int($1) }
        return (value < 0x100 ? UInt8(value) : UInt8(ascii: "?"), count)
    }

    /// What follows a backslash.
    private static func escape(_ text: ArraySlice<UInt8>) -> (byte: UInt8, count: Int)? {
        switch text.first {
        case UInt8(ascii: "u")?: hexadecimal(text.dropFirst(), digits: 4).map { ($0.byte, $0.count + 1) }
        case UInt8(ascii: "x")?: hexadecimal(text.dropFirst(), digits: 2).map { ($0.byte, $0.count + 1) }
        case UInt8(ascii: "n")?, UInt8(ascii: "r")?, UInt8(ascii: "t")?: (UInt8(ascii: "\n"), 1)
        case let byte? where byte > 0x20 && !ASCII.isAlphanumeric(byte): (byte, 1)
        default: nil
        }
    }

    private static let names: [String: UInt8] = [
        "amp": UInt8(ascii: "&"), "lt": UInt8(ascii: "<"), "gt": UInt8(ascii: ">"), "quot": UInt8(ascii: "\""),
        "apos": UInt8(ascii: "'"), "sol": UInt8(ascii: "/"), "plus": UInt8(ascii: "+"), "equals": UInt8(ascii: "="),
    ]

    /// What follows an ampersand.
    private static func reference(_ text: ArraySlice<UInt8>) -> (byte: UInt8, count: Int)? {
        guard let end = text.prefix(12).firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let name = String(decoding: text[..<end], as: UTF8.self)
        let count = text.startIndex.distance(to: end) + 1
        guard name.hasPrefix("#") else { return names[name].map { ($0, count) } }
        let number = name.dropFirst()
        let isHexadecimal = number.first == "x" || number.first == "X"
        guard let value = isHexadecimal ? Int(number.dropFirst(), radix: 16) : Int(number), value >= 0 else {
            return nil
        }
        return (value < 0x100 ? UInt8(value) : UInt8(ascii: "?"), count)
    }
}
