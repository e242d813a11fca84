internal import Base

/// A strict JSON parser (RFC 8259) whose only product is the value's canonical text.
///
/// One pass over the bytes: strings and integers are copied as runs; an object is put in order when it ends, and only if
/// its members did not come in order. The cost is n log n in the worst case, whatever the names are: nothing is hashed.
struct JSONCanonicalizer: ~Copyable {
    private let input: UnsafeRawBufferPointer
    private let depthMax: Int
    private var position = 0
    /// The canonical text so far.
    private(set) var output: ByteBuffer
    /// The members of all objects that are still open.
    private var members = JSONMembers()

    init(_ input: UnsafeRawBufferPointer, depthMax: Int) {
        self.input = input
        self.depthMax = depthMax
        output = ByteBuffer(capacity: input.count + Self.surplusBytes)
    }

    /// - Parameter scratch: where the output goes as long as it fits; must outlive this value.
    init(_ input: UnsafeRawBufferPointer, depthMax: Int, scratch: UnsafeMutableRawBufferPointer) {
        self.input = input
        self.depthMax = depthMax
        output = ByteBuffer(scratch: scratch)
    }

    /// Room for what canonical text may have more than the input, in most cases.
    static let surplusBytes = 24

    /// Parses the whole input as one value.
    mutating func parseDocument() throws(JSONError) {
        position = UTF8ByteOrderMark.count(in: input)
        skipWhitespace()
        try parseValue(depth: 0)
        skipWhitespace()
        if position != input.count { throw failure(.syntax) }
    }

    private func failure(_ reason: JSONError.Reason) -> JSONError {
        JSONError(reason: reason, byteOffset: position)
    }

    /// The byte at the position, or 0, which no grammar rule accepts, at the end.
    private var current: UInt8 { position < input.count ? input[position] : 0 }

    @inline(__always)
    private mutating func skipWhitespace() {
        while position < input.count {
            let byte = input[position]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            position += 1
        }
    }

    private mutating func parseValue(depth: Int) throws(JSONError) {
        switch current {
        case UInt8(ascii: "\""): try parseString()
        case UInt8(ascii: "{"): try parseObject(depth: depth + 1)
        case UInt8(ascii: "["): try parseArray(depth: depth + 1)
        case UInt8(ascii: "-"), 0x30...0x39: try parseNumber()
        case UInt8(ascii: "t"): try parseLiteral("true")
        case UInt8(ascii: "f"): try parseLiteral("false")
        case UInt8(ascii: "n"): try parseLiteral("null")
        default: throw failure(.syntax)
        }
    }

    private mutating func parseLiteral(_ literal: StaticString) throws(JSONError) {
        for index in 0..<literal.utf8CodeUnitCount {
            guard current == literal.utf8Start[index] else { throw failure(.syntax) }
            position += 1
        }
        output.append(literal)
    }

    private mutating func parseArray(depth: Int) throws(JSONError) {
        guard depth <= depthMax else { throw failure(.tooDeep) }
        output.append(UInt8(ascii: "["))
        position += 1
        skipWhitespace()
        if current != UInt8(ascii: "]") {
            while true {
                try parseValue(depth: depth)
                skipWhitespace()
                guard current == UInt8(ascii: ",") else { break }
                output.append(UInt8(ascii: ","))
                position += 1
                skipWhitespace()
            }
            guard current == UInt8(ascii: "]") else { throw failure(.syntax) }
        }
        output.append(UInt8(ascii: "]"))
        position += 1
    }

    private mutating func parseObject(depth: Int) throws(JSONError) {
        guard depth <= depthMax else { throw failure(.tooDeep) }
        let start = output.count
        let inputStart = position
        let firstMember = members.count
        var isInOrder = true
        output.append(UInt8(ascii: "{"))
        position += 1
        skipWhitespace()
        if current != UInt8(ascii: "}") {
            while true {
                guard current == UInt8(ascii: "\"") else { throw failure(.syntax) }
                let memberStart = output.count
                try parseString()
                if isInOrder, members.count > firstMember {
                    let previous = members[members.count - 1]
                    let text = output.contents
                    isInOrder =
                        JSONText.compare(
                            .init(rebasing: text[previous.start + 1..<previous.keyEnd - 1]),
                            .init(rebasing: text[memberStart + 1..<text.count - 1])) < 0
                }
                members.append(JSONMember(start: memberStart, keyEnd: output.count, end: 0))
                skipWhitespace()
                guard current == UInt8(ascii: ":") else { throw failure(.syntax) }
                output.append(UInt8(ascii: ":"))
                position += 1
                skipWhitespace()
                try parseValue(depth: depth)
                members[members.count - 1].end = output.count
                skipWhitespace()
                guard current == UInt8(ascii: ",") else { break }
                output.append(UInt8(ascii: ","))
                position += 1
                skipWhitespace()
            }
            guard current == UInt8(ascii: "}") else { throw failure(.syntax) }
        }
        output.append(UInt8(ascii: "}"))
        if !isInOrder, let twice = sortMembers(from: firstMember, objectStart: start) {
            throw JSONError(reason: .duplicateKey, byteOffset: place(ofMember: twice, inObjectAt: inputStart, depth))
        }
        position += 1
        members.removeLast(members.count - firstMember)
    }

    /// Where a member's name stands in the input. For an object that has been read: reads it again, and leaves the rest as it
    /// comes.
    private mutating func place(ofMember number: Int, inObjectAt start: Int, _ depth: Int) -> Int {
        position = start + 1
        for _ in 0..<number {
            skipWhitespace()
            try? parseString()
            skipWhitespace()
            position += 1
            skipWhitespace()
            try? parseValue(depth: depth)
            skipWhitespace()
            position += 1
        }
        skipWhitespace()
        return position
    }

    /// Puts the members of the object that has just been written in order.
    /// - Returns: where two have the same name, which one of the members, in the order of the text, has it for the second time.
    private mutating func sortMembers(from firstMember: Int, objectStart: Int) -> Int? {
        let count = members.count - firstMember
        // Both copies are small for a callback, and then come from the stack.
        let twice = withUnsafeTemporaryAllocation(byteCount: output.count - objectStart, alignment: 1) { text in
            text.copyMemory(from: UnsafeRawBufferPointer(rebasing: output.contents[objectStart...]))
            return withUnsafeTemporaryAllocation(of: JSONMember.self, capacity: count) { sorted in
                for index in 0..<count {
                    sorted.initializeElement(at: index, to: members[firstMember + index].moved(by: -objectStart))
                }
                return writeSorted(sorted, of: UnsafeRawBufferPointer(text), at: objectStart)
            }
        }
        guard let twice else { return nil }
        var number = 0
        while members[firstMember + number].start - objectStart != twice { number += 1 }
        return number
    }

    /// Sorts the members, which stand in `text`, and writes them as the object that begins at `start`.
    ///
    /// - Returns: where two have the same name, the start of the one that comes later in `text`.
    private mutating func writeSorted(
        _ members: UnsafeMutableBufferPointer<JSONMember>, of text: UnsafeRawBufferPointer, at start: Int
    ) -> Int? {
        func compare(_ left: JSONMember, _ right: JSONMember) -> Int {
            JSONText.compare(left.name(in: text), right.name(in: text))
        }
        var members = members
        members.sort { compare($0, $1) < 0 }
        output.truncate(to: start)
        for index in members.indices {
            if index > 0, compare(members[index - 1], members[index]) == 0 {
                return max(members[index - 1].start, members[index].start)
            }
            output.append(index == 0 ? UInt8(ascii: "{") : UInt8(ascii: ","))
            output.append(text[members[index].start..<members[index].end])
        }
        output.append(UInt8(ascii: "}"))
        return nil
    }
}

extension JSONCanonicalizer {
    /// The position is at the opening quote.
    private mutating func parseString() throws(JSONError) {
        var runStart = position
        position += 1
        while position < input.count {
            let byte = input[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                copyRun(from: runStart)
                return
            case UInt8(ascii: "\\"):
                copyRun(from: runStart)
                try parseEscape()
                runStart = position
            case 0x20...0x7F:
                position += 1
            case 0x80...:
                let length = UTF8Validation.sequenceLength(input, at: position)
                guard length > 0 else { throw failure(.invalidUTF8) }
                position += length
            default:
                throw failure(.syntax)
            }
        }
        throw failure(.syntax)
    }

    private mutating func copyRun(from start: Int) {
        output.append(input[start..<position])
    }

    /// The position is at the backslash.
    private mutating func parseEscape() throws(JSONError) {
        position += 1
        switch current {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            output.append(UInt8(ascii: "\\"))
            output.append(current)
            position += 1
        case UInt8(ascii: "/"):
            output.append(UInt8(ascii: "/"))
            position += 1
        case UInt8(ascii: "u"):
            let escapeStart = position - 1
            var scalar = try parseCodeUnit()
            if scalar & 0xF800 == 0xD800 {
                guard scalar < 0xDC00, current == UInt8(ascii: "\\"), position + 1 < input.count,
                    input[position + 1] == UInt8(ascii: "u")
                else { throw JSONError(reason: .loneSurrogate, byteOffset: escapeStart) }
                position += 1
                let low = try parseCodeUnit()
                guard low & 0xFC00 == 0xDC00 else {
                    throw JSONError(reason: .loneSurrogate, byteOffset: escapeStart)
                }
                scalar = 0x10000 + (scalar & 0x3FF) << 10 + low & 0x3FF
            }
            appendCharacter(scalar)
        default:
            throw failure(.syntax)
        }
    }

    /// The position is at the `u`.
    private mutating func parseCodeUnit() throws(JSONError) -> UInt32 {
        let start = position + 1
        var unit: UInt32 = 0
        for index in start..<start + 4 {
            guard index < input.count, let digit = ASCII.hexValue(input[index]) else {
                position = min(index, input.count)
                throw failure(.syntax)
            }
            unit = unit << 4 | UInt32(digit)
        }
        position = start + 4
        return unit
    }

    private mutating func appendCharacter(_ scalar: UInt32) {
        switch scalar {
        case 0..<0x80:
            output.append(escaped: UInt8(scalar))
        case 0x80..<0x800:
            output.append(0xC0 | UInt8(scalar >> 6))
            output.append(0x80 | UInt8(scalar & 0x3F))
        case 0x800..<0x10000:
            output.append(0xE0 | UInt8(scalar >> 12))
            output.append(0x80 | UInt8(scalar >> 6 & 0x3F))
            output.append(0x80 | UInt8(scalar & 0x3F))
        default:
            output.append(0xF0 | UInt8(scalar >> 18))
            output.append(0x80 | UInt8(scalar >> 12 & 0x3F))
            output.append(0x80 | UInt8(scalar >> 6 & 0x3F))
            output.append(0x80 | UInt8(scalar & 0x3F))
        }
    }

    private mutating func parseNumber() throws(JSONError) {
        guard let number = JSONNumber(input, at: position) else { throw failure(.syntax) }
        guard number.appendCanonical(to: &output) else { throw failure(.numberOutOfRange) }
        position = number.end
    }
}
