/// Base64 with the standard alphabet and padding (RFC 4648 section 4), by hand because the hot path must neither
/// allocate nor be lenient.
package enum Base64 {
    /// The encoded form of `bytes`, padded, without line breaks.
    package static func encode(_ bytes: UnsafeRawBufferPointer) -> String {
        let count = (bytes.count + 2) / 3 * 4
        return String(unsafeUninitializedCapacity: count) { output in
            var position = 0
            var index = 0
            while index < bytes.count {
                let left = bytes.count - index
                let group =
                    UInt32(bytes[index]) << 16
                    | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
                    | (left > 2 ? UInt32(bytes[index + 2]) : 0)
                output[position] = character(group >> 18)
                output[position + 1] = character(group >> 12)
                output[position + 2] = left > 1 ? character(group >> 6) : padding
                output[position + 3] = left > 2 ? character(group) : padding
                position += 4
                index += 3
            }
            return position
        }
    }

    /// Decodes exactly one value of `output.count` bytes.
    ///
    /// - Returns: whether `text` is the canonical encoding of that many bytes: right length, right padding, no
    ///   foreign characters, no bits left over. `output` is partly written when it is not.
    package static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count % 4 == 0 else { return nil }
        let padding = characters.suffix(2).count { $0 == UInt8(ascii: "=") }
        var bytes = [UInt8](repeating: 0, count: characters.count / 4 * 3 - padding)
        let isValid = characters.withUnsafeBytes { text in bytes.withUnsafeMutableBytes { decode(text, into: $0) } }
        return isValid ? bytes : nil
    }

    package static func decode(_ text: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        guard text.count == (output.count + 2) / 3 * 4 else { return false }
        return values.withUnsafeBufferPointer { values in
            let groups = output.count / 3
            // Whether any character was foreign is asked once: a branch a character, on text that nobody can predict,
            // costs more than all the rest. What is decoded came from outside, so the time it takes tells no secret.
            var seen: UInt8 = 0
            for group in 0..<groups {
                let first = values[Int(text[group * 4])]
                let second = values[Int(text[group * 4 + 1])]
                let third = values[Int(text[group * 4 + 2])]
                let fourth = values[Int(text[group * 4 + 3])]
                seen |= first | second | third | fourth
                output[group * 3] = first << 2 | second >> 4
                output[group * 3 + 1] = second << 4 | third >> 2
                output[group * 3 + 2] = third << 6 | fourth
            }
            guard seen & foreign == 0 else { return false }
            return decodeRest(text, from: groups * 4, into: output, from: groups * 3, values)
        }
    }

    /// The last group, where it stands for one or two bytes.
    private static func decodeRest(
        _ text: UnsafeRawBufferPointer, from index: Int, into output: UnsafeMutableRawBufferPointer,
        from position: Int, _ values: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let left = output.count - position
        guard left > 0 else { return true }
        let first = values[Int(text[index])]
        let second = values[Int(text[index + 1])]
        let third = left == 2 ? values[Int(text[index + 2])] : 0
        guard (first | second | third) & foreign == 0, text[index + 3] == padding,
            left == 2 || text[index + 2] == padding
        else { return false }
        output[position] = first << 2 | second >> 4
        guard left == 2 else { return second & 0x0F == 0 }
        output[position + 1] = second << 4 | third >> 2
        return third & 0x03 == 0
    }

    /// Set in the value of every character that is none of the alphabet.
    private static let foreign: UInt8 = 0xC0

    /// The value of every character, 0 to 63; `foreign` for those outside the alphabet, the padding among them.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: foreign, count: 256)
        for value in 0..<64 { values[Int(character(UInt32(value)))] = UInt8(value) }
        return values
    }()

    private static let padding = UInt8(ascii: "=")

    @inline(__always)
    private static func character(_ bits: UInt32) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: bits & 63)
        return switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + (value - 26)
        case 52..<62: UInt8(ascii: "0") + (value - 52)
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }
}
