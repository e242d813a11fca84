/// Comparisons of raw bytes with ASCII texts, without a `String` in between.
extension UnsafeRawBufferPointer {
    /// Whether the bytes are exactly these.
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        let expected = text.utf8Start
        for index in 0..<count where self[index] != expected[index] { return false }
        return true
    }

    /// Whether the bytes are these in any case; `text` must be in lower case.
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && beginsIgnoringCase(text)
    }

    /// Whether the first bytes are these in any case; `text` must be in lower case.
    func beginsIgnoringCase(_ text: StaticString) -> Bool {
        matchesIgnoringCase(text, from: 0)
    }

    /// Whether the last bytes are these in any case; `text` must be in lower case.
    func endsIgnoringCase(_ text: StaticString) -> Bool {
        matchesIgnoringCase(text, from: count - text.utf8CodeUnitCount)
    }

    private func matchesIgnoringCase(_ text: StaticString, from start: Int) -> Bool {
        guard start >= 0, count - start >= text.utf8CodeUnitCount else { return false }
        let expected = text.utf8Start
        for index in 0..<text.utf8CodeUnitCount where self[start + index].lowercasedASCII != expected[index] {
            return false
        }
        return true
    }
}

extension UInt8 {
    /// The byte, in lower case where it is an ASCII letter.
    var lowercasedASCII: UInt8 { self &- UInt8(ascii: "A") < 26 ? self | 0x20 : self }
}
