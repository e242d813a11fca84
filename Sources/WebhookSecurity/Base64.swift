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
    package static func decode(_ text: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        guard text.count == (output.count + 2) / 3 * 4 else { return false }
        var position = 0
        var index = 0
        while index < text.count {
            let left = output.count - position
            let expectedPadding = left >= 3 ? 0 : 3 - left
            var group: UInt32 = 0
            for offset in 0..<4 {
                let byte = text[index + offset]
                if offset >= 4 - expectedPadding {
                    guard byte == padding else { return false }
                    group <<= 6
                } else {
                    guard let value = value(byte) else { return false }
                    group = group << 6 | value
                }
            }
            output[position] = UInt8(truncatingIfNeeded: group >> 16)
            if left > 1 { output[position + 1] = UInt8(truncatingIfNeeded: group >> 8) }
            if left > 2 { output[position + 2] = UInt8(truncatingIfNeeded: group) }
            let unused: UInt32 = left == 1 ? 0xFFFF : left == 2 ? 0xFF : 0
            guard group & unused == 0 else { return false }
            position += min(left, 3)
            index += 4
        }
        return true
    }

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

    @inline(__always)
    private static func value(_ character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes without leading and trailing spaces and tabs (OWS of RFC 9110 section 5.6.3).
    var trimmingOptionalWhitespace: UnsafeRawBufferPointer {
        var start = 0
        var end = count
        while start < end, self[start] == 0x20 || self[start] == 0x09 { start += 1 }
        while end > start, self[end - 1] == 0x20 || self[end - 1] == 0x09 { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }
}
