extension CanonicalJSON {
    /// The members of an object, in canonical order; none where this is no object.
    package var members: [(name: String, value: CanonicalJSON)] {
        bytes.withUnsafeBytes { buffer in
            let reader = JSONReader(buffer)
            var members: [(name: String, value: CanonicalJSON)] = []
            reader.forEachMember(in: 0..<buffer.count) { key, value in
                members.append((reader.string(in: key) ?? "", CanonicalJSON(canonical: Array(buffer[value]))))
                return true
            }
            return members
        }
    }

    /// Whether this is an object.
    package var isObject: Bool { bytes.first == UInt8(ascii: "{") }

    /// The value where it is a whole number that fits.
    package var integer: Int? { Int(text) }

    /// The value where it is a number, rounded to the nearest double.
    package var double: Double? {
        guard let first = bytes.first, first == UInt8(ascii: "-") || first &- 0x30 <= 9 else { return nil }
        return Double(text)
    }

    /// The value where it is `true` or `false`.
    package var bool: Bool? { Bool(text) }

    /// Whether the value is `null`.
    package var isNull: Bool { bytes.first == UInt8(ascii: "n") }
}
