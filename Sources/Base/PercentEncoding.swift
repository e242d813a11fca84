/// Percent-encoding of URI components (RFC 3986 section 2.1).
package enum PercentEncoding {
    /// The decoded text, or nil where an encoding is invalid or the bytes are not UTF-8.
    package static func decode(_ bytes: some Collection<UInt8>, plusIsSpace: Bool = false) -> String? {
        // Most identifiers are ASCII and need no decoding: neither a copy nor a validation.
        let isPlain = bytes.allSatisfy { byte in
            byte < 0x80 && byte != UInt8(ascii: "%") && !(byte == UInt8(ascii: "+") && plusIsSpace)
        }
        if isPlain { return String(decoding: bytes, as: UTF8.self) }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            bytes.formIndex(after: &index)
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = nextHexDigit(bytes, &index), let low = nextHexDigit(bytes, &index) else { return nil }
                decoded.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: decoded.append(UInt8(ascii: " "))
            default: decoded.append(byte)
            }
        }
        return String(validating: decoded, as: UTF8.self)
    }

    /// The next byte, decoded where it is the encoding of an unreserved character: those mean the same either way
    /// (RFC 3986 section 6.2.2.2).
    package static func nextUnreserved(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> UInt8 {
        defer { index += 1 }
        guard bytes[index] == UInt8(ascii: "%") else { return bytes[index] }
        var next = index + 1
        guard let high = nextHexDigit(bytes, &next), let low = nextHexDigit(bytes, &next),
            ASCII.isUnreserved(high << 4 | low)
        else { return bytes[index] }
        index = next - 1
        return high << 4 | low
    }

    /// Whether bytes are this text, which is made of unreserved characters, some of them encoded or none.
    package static func isSame(_ bytes: UnsafeRawBufferPointer, asUnreserved text: UnsafeRawBufferPointer) -> Bool {
        // Encodings are longer than what they stand for.
        guard bytes.count > text.count else { return bytes.elementsEqual(text) }
        var index = 0
        for byte in text {
            guard index < bytes.count, nextUnreserved(bytes, &index) == byte else { return false }
        }
        return index == bytes.count
    }

    package static func isSame(_ bytes: UnsafeRawBufferPointer, asUnreserved text: StaticString) -> Bool {
        isSame(bytes, asUnreserved: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The text with everything but unreserved characters encoded.
    package static func encode(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            if ASCII.isUnreserved(byte) {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return encoded
    }

    private static func nextHexDigit<Bytes: Collection<UInt8>>(_ bytes: Bytes, _ index: inout Bytes.Index) -> UInt8? {
        guard index < bytes.endIndex else { return nil }
        defer { bytes.formIndex(after: &index) }
        return ASCII.hexValue(bytes[index])
    }
}
