internal import Base

extension RequestParser {
    mutating func advanceHead(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Step {
        let classes = ASCII.classes
        while index < count {
            let byte = bytes[index]
            switch state {
            case .start:
                if byte == ASCII.cr {
                    emptyLines += 1
                    guard emptyLines <= limits.leadingEmptyLinesMax else { return fail(.malformedRequestLine) }
                    state = .startLineFeed
                    index += 1
                } else {
                    mark = index
                    lines.methodStart = UInt32(truncatingIfNeeded: index)
                    state = .method
                }
            case .startLineFeed:
                guard byte == ASCII.lf else { return fail(.malformedRequestLine) }
                index += 1
                state = .start
            case .method:
                // What is longer than any target may be is no method either.
                let longest = max(limits.methodBytesMax, limits.targetBytesMax)
                let end = min(count, mark + longest + 1)
                while index < end, classes[Int(bytes[index])] & ASCII.token != 0 { index += 1 }
                guard index - mark <= longest else { return fail(.malformedRequestLine) }
                guard index < count else { return .needMore }
                guard bytes[index] == ASCII.space, index > mark else { return fail(.malformedRequestLine) }
                guard index - mark <= limits.methodBytesMax else { return fail(.methodTooLong) }
                lines.methodEnd = UInt32(truncatingIfNeeded: index)
                // Known from here on: whatever is wrong with the rest, its answer has no body.
                lines.isHead = UnsafeRawBufferPointer(start: bytes + mark, count: index - mark).equals("HEAD")
                index += 1
                mark = index
                lines.targetStart = UInt32(truncatingIfNeeded: index)
                state = .target
            case .target:
                let end = min(count, mark + limits.targetBytesMax + 1)
                while index < end, classes[Int(bytes[index])] & ASCII.target != 0 { index += 1 }
                guard index - mark <= limits.targetBytesMax else { return fail(.targetTooLong) }
                guard index < count else { return .needMore }
                guard bytes[index] == ASCII.space, index > mark else { return fail(.malformedRequestLine) }
                lines.targetEnd = UInt32(truncatingIfNeeded: index)
                index += 1
                mark = index
                state = .version
            case .version:
                if let code = advanceVersion(bytes, byte) { return fail(code) }
            default:
                if let step = advanceFields(bytes, count, classes) { return step }
            }
        }
        return .needMore
    }

    /// One byte of `HTTP/1.1` CR LF.
    private mutating func advanceVersion(_ bytes: UnsafePointer<UInt8>, _ byte: UInt8) -> HTTPError.Code? {
        let position = index - mark
        let expected: StaticString = "HTTP/0.0\r\n"
        switch position {
        case 5, 7: guard ASCII.isDigit(byte) else { return .malformedRequestLine }
        default: guard byte == expected.utf8Start[position] else { return .malformedRequestLine }
        }
        index += 1
        guard position == 9 else { return nil }
        guard bytes[mark + 5] == UInt8(ascii: "1") else { return .unsupportedVersion }
        lines.minorVersion = bytes[mark + 7] == UInt8(ascii: "0") ? 0 : 1
        fieldsStart = index
        state = .fieldStart
        return checkTarget(bytes)
    }

    private mutating func advanceFields(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, _ classes: UnsafePointer<UInt8>
    ) -> Step? {
        let bound = fieldsStart + limits.headerBytesMax
        let end = min(count, bound)
        while index < end {
            switch state {
            case .fieldStart:
                let byte = bytes[index]
                if byte == ASCII.cr {
                    index += 1
                    state = .headLineFeed
                } else {
                    if ASCII.isOptionalWhitespace(byte) { return fail(.foldedField) }
                    guard fields.count < limits.headerCountMax else { return fail(.headerTooLarge) }
                    mark = index
                    state = .fieldName
                }
            case .fieldName:
                while index < end, classes[Int(bytes[index])] & ASCII.token != 0 { index += 1 }
                guard index < end else { break }
                guard bytes[index] == UInt8(ascii: ":"), index > mark else { return fail(.malformedField) }
                nameEnd = index
                index += 1
                state = .fieldValueStart
                fallthrough
            case .fieldValueStart:
                while index < end, ASCII.isOptionalWhitespace(bytes[index]) { index += 1 }
                guard index < end else { break }
                facts.valueStart = index
                state = .fieldValue
                fallthrough
            case .fieldValue:
                while index < end, classes[Int(bytes[index])] & ASCII.fieldValue != 0 { index += 1 }
                guard index < end else { break }
                guard bytes[index] == ASCII.cr else { return fail(.malformedField) }
                index += 1
                state = .fieldLineFeed
            case .fieldLineFeed:
                guard bytes[index] == ASCII.lf else { return fail(.malformedField) }
                if let code = finishField(bytes) { return fail(code) }
                index += 1
                state = .fieldStart
            default:
                guard bytes[index] == ASCII.lf else { return fail(.malformedField) }
                index += 1
                headEnd = index
                state = .body
                if let code = checkFraming() { return fail(code) }
                return .head
            }
        }
        return index >= bound ? fail(.headerTooLarge) : nil
    }

    /// The field from `mark` to the CR before `index`.
    private mutating func finishField(_ bytes: UnsafePointer<UInt8>) -> HTTPError.Code? {
        var valueEnd = index - 1
        while valueEnd > facts.valueStart, ASCII.isOptionalWhitespace(bytes[valueEnd - 1]) { valueEnd -= 1 }
        fields.append(
            FieldRange(
                nameStart: UInt32(truncatingIfNeeded: mark),
                nameEnd: UInt32(truncatingIfNeeded: nameEnd),
                valueStart: UInt32(truncatingIfNeeded: facts.valueStart),
                valueEnd: UInt32(truncatingIfNeeded: valueEnd)
            )
        )
        return note(
            name: UnsafeRawBufferPointer(start: bytes + mark, count: nameEnd - mark),
            value: UnsafeRawBufferPointer(start: bytes + facts.valueStart, count: valueEnd - facts.valueStart)
        )
    }
}
