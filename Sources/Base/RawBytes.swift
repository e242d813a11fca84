/// Raw bytes, compared with ASCII texts without a `String` in between, cut, and read as the files of this house have
/// integers: in little-endian order, wherever they lie.
extension UnsafeRawBufferPointer {
    /// Whether the bytes are exactly these.
    @inlinable
    package func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        let expected = text.utf8Start
        for index in 0..<count where self[index] != expected[index] { return false }
        return true
    }

    /// Whether the bytes are these in any case; `text` must be in lower case.
    @inlinable
    package func equalsIgnoringCase(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && beginsIgnoringCase(text)
    }

    /// Whether the first bytes are these in any case; `text` must be in lower case.
    @inlinable
    package func beginsIgnoringCase(_ text: StaticString) -> Bool {
        matchesIgnoringCase(text, from: 0)
    }

    /// Whether the last bytes are these in any case; `text` must be in lower case.
    @inlinable
    package func endsIgnoringCase(_ text: StaticString) -> Bool {
        matchesIgnoringCase(text, from: count - text.utf8CodeUnitCount)
    }

    @inlinable
    func matchesIgnoringCase(_ text: StaticString, from start: Int) -> Bool {
        guard start >= 0, count - start >= text.utf8CodeUnitCount else { return false }
        let expected = text.utf8Start
        for index in 0..<text.utf8CodeUnitCount where ASCII.lowercased(self[start + index]) != expected[index] {
            return false
        }
        return true
    }

    /// The bytes without spaces and tabs before and behind them.
    @inlinable
    package var trimmingOptionalWhitespace: UnsafeRawBufferPointer {
        var start = 0
        var end = count
        while start < end, ASCII.isOptionalWhitespace(self[start]) { start += 1 }
        while end > start, ASCII.isOptionalWhitespace(self[end - 1]) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }

    @inlinable
    package func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[offset..<offset + count])
    }

    @inlinable
    package func integer<Value: FixedWidthInteger>(_ offset: Int, as: Value.Type = Value.self) -> Value {
        Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
}

extension UnsafeMutableRawBufferPointer {
    @inlinable
    package func slice(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: self[offset..<offset + count])
    }

    @inlinable
    package func store<Value: FixedWidthInteger>(_ value: Value, _ offset: Int) {
        storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
    }
}
