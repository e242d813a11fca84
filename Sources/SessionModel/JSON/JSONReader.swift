internal import Base

/// Reads out of canonical JSON text without building anything. Lives only as long as the buffer it reads.
///
/// On text that is not canonical it finds nothing or nonsense, but never reads out of bounds and never traps.
struct JSONReader {
    let text: UnsafeRawBufferPointer

    init(_ text: UnsafeRawBufferPointer) {
        self.text = text
    }

    var isObject: Bool { text.first == UInt8(ascii: "{") }

    /// Where the value of a member of the outermost object stands.
    func member(_ name: StaticString) -> Range<Int>? {
        var found: Range<Int>?
        forEachMember(in: 0..<text.count) { key, value in
            guard matches(key, name) else { return true }
            found = value
            return false
        }
        return found
    }

    /// Calls `body` with the range of each name (with its quotes) and of each value, until it returns false.
    func forEachMember(in range: Range<Int>, _ body: (_ key: Range<Int>, _ value: Range<Int>) -> Bool) {
        guard range.count >= 2, text[range.lowerBound] == UInt8(ascii: "{") else { return }
        var position = range.lowerBound + 1
        while position < range.upperBound, text[position] == UInt8(ascii: "\"") {
            let keyEnd = endOfString(from: position, limit: range.upperBound)
            guard keyEnd < range.upperBound, text[keyEnd] == UInt8(ascii: ":") else { return }
            let valueEnd = endOfValue(from: keyEnd + 1, limit: range.upperBound)
            guard body(position..<keyEnd, keyEnd + 1..<valueEnd) else { return }
            guard valueEnd < range.upperBound, text[valueEnd] == UInt8(ascii: ",") else { return }
            position = valueEnd + 1
        }
    }

    /// Calls `body` with the range of each element of an array.
    func forEachElement(in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        guard range.count >= 2, text[range.lowerBound] == UInt8(ascii: "[") else { return }
        var position = range.lowerBound + 1
        while position < range.upperBound, text[position] != UInt8(ascii: "]") {
            let end = endOfValue(from: position, limit: range.upperBound)
            body(position..<end)
            guard end < range.upperBound, text[end] == UInt8(ascii: ",") else { return }
            position = end + 1
        }
    }

    /// Whether a string (range with quotes, no escapes) is this ASCII text.
    func matches(_ range: Range<Int>, _ name: StaticString) -> Bool {
        guard range.count == name.utf8CodeUnitCount + 2 else { return false }
        let start = name.utf8Start
        for index in 0..<name.utf8CodeUnitCount where text[range.lowerBound + 1 + index] != start[index] {
            return false
        }
        return true
    }

    func isString(_ range: Range<Int>) -> Bool {
        range.count >= 2 && text[range.lowerBound] == UInt8(ascii: "\"")
            && text[range.upperBound - 1] == UInt8(ascii: "\"")
    }

    /// The value of a string, with the escapes undone; nil where it is no string.
    func string(in range: Range<Int>) -> String? {
        guard isString(range) else { return nil }
        let content = UnsafeRawBufferPointer(rebasing: text[range.lowerBound + 1..<range.upperBound - 1])
        guard content.contains(UInt8(ascii: "\\")) else { return String(decoding: content, as: UTF8.self) }
        return String(decoding: JSONText.unescaped(content), as: UTF8.self)
    }

    /// The value of a string that is an RFC 3339 timestamp.
    func instant(in range: Range<Int>) -> Instant? {
        guard isString(range) else { return nil }
        // An escape can't stand in a valid timestamp's canonical text.
        return Instant(rfc3339: UnsafeRawBufferPointer(rebasing: text[range.lowerBound + 1..<range.upperBound - 1]))
    }

    private func endOfString(from start: Int, limit: Int) -> Int {
        var position = start + 1
        while position < limit {
            switch text[position] {
            case UInt8(ascii: "\""): return position + 1
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        return limit
    }

    private func endOfValue(from start: Int, limit: Int) -> Int {
        var position = start
        var depth = 0
        while position < limit {
            switch text[position] {
            case UInt8(ascii: "\""):
                position = endOfString(from: position, limit: limit)
                if depth == 0 { return position }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return position }
                depth -= 1
                if depth == 0 { return position + 1 }
            case UInt8(ascii: ","):
                if depth == 0 { return position }
            default:
                break
            }
            position += 1
        }
        return limit
    }
}

/// The escapes of canonical strings.
enum JSONText {
    /// The bytes that a string's canonical content (without the quotes) stands for.
    static func unescaped(_ content: UnsafeRawBufferPointer) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.count)
        var position = 0
        while position < content.count {
            bytes.append(next(content, &position))
        }
        return bytes
    }

    /// Whether a string of these bytes needs escapes: a control character, a quotation mark or a backslash is in it.
    static func needsEscapes(_ content: UnsafeRawBufferPointer) -> Bool {
        guard content.count >= 8 else {
            return content.contains { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
        }
        // Eight bytes at a time, the last eight overlapping with those before.
        var position = 0
        while position < content.count - 8 {
            if needsEscapes(content.loadUnaligned(fromByteOffset: position, as: UInt64.self)) { return true }
            position += 8
        }
        return needsEscapes(content.loadUnaligned(fromByteOffset: content.count - 8, as: UInt64.self))
    }

    /// Whether one of eight bytes needs an escape.
    ///
    /// A byte less than n (at most 128) sets its highest bit in `(word - n…n) & ~word`; one equal to n does so with n
    /// exclusive-ored away and 1 for n. The borrow of a lower byte can set a bit wrongly only where that lower byte has
    /// set its own.
    @inline(__always)
    private static func needsEscapes(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslashes = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        let found =
            ((word &- ones &* 0x20) & ~word) | ((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes)
        return found & (ones &* 0x80) != 0
    }

    /// Orders two strings' canonical contents by the bytes they stand for: negative, zero or positive.
    static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        guard left.contains(UInt8(ascii: "\\")) || right.contains(UInt8(ascii: "\\")) else {
            return compareBytes(left, right)
        }
        var leftPosition = 0
        var rightPosition = 0
        while leftPosition < left.count, rightPosition < right.count {
            let leftByte = next(left, &leftPosition)
            let rightByte = next(right, &rightPosition)
            if leftByte != rightByte { return Int(leftByte) - Int(rightByte) }
        }
        return (left.count - leftPosition) - (right.count - rightPosition)
    }

    private static func next(_ content: UnsafeRawBufferPointer, _ position: inout Int) -> UInt8 {
        let byte = content[position]
        position += 1
        guard byte == UInt8(ascii: "\\"), position < content.count else { return byte }
        let escape = content[position]
        position += 1
        switch escape {
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "u"):
            guard position + 4 <= content.count else { return escape }
            // Canonical text has \u only for control characters: 00 and two digits.
            guard let high = ASCII.hexValue(content[position + 2]), let low = ASCII.hexValue(content[position + 3])
            else {
                return escape
            }
            position += 4
            return high << 4 | low
        default: return escape
        }
    }
}
