internal import Base
import Glibc

extension RequestParser {
    /// The chunked coding (RFC 9112 section 7.1). Content is moved together behind the head.
    mutating func advanceChunks(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Step {
        while index < count {
            let code: HTTPError.Code?
            switch state {
            case .chunkData:
                let length = min(chunkRemaining, count - index)
                let destination = headEnd + bodyCount
                if destination != index { memmove(bytes + destination, bytes + index, length) }
                bodyCount += length
                index += length
                chunkRemaining -= length
                if chunkRemaining == 0 { state = .chunkDataReturn }
                code = nil
            case .chunkDataReturn:
                code = expect(ASCII.cr, bytes[index], then: .chunkDataLineFeed)
            case .chunkDataLineFeed:
                chunkDigits = 0
                code = expect(ASCII.lf, bytes[index], then: .chunkSize)
            case .chunkSize:
                code = advanceChunkSize(bytes[index])
            case .chunkSizeLineFeed:
                code = expect(ASCII.lf, bytes[index], then: chunkRemaining == 0 ? .trailerStart : .chunkData)
            case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed:
                code = advanceTrailer(UnsafePointer(bytes))
            case .trailersLineFeed:
                code = expect(ASCII.lf, bytes[index], then: .complete)
                if code == nil { return .complete }
            default:
                code = advanceExtension(bytes[index])
            }
            if let code { return fail(code) }
        }
        return .needMore
    }

    private mutating func expect(_ expected: UInt8, _ byte: UInt8, then next: State) -> HTTPError.Code? {
        guard byte == expected else { return .malformedChunk }
        index += 1
        state = next
        return nil
    }

    private mutating func advanceChunkSize(_ byte: UInt8) -> HTTPError.Code? {
        if let digit = ASCII.hexValue(byte) {
            // 15 digits cannot overflow; more serve nobody, leading zeros or not.
            guard chunkDigits < 15 else { return .malformedChunk }
            chunkRemaining = (chunkDigits == 0 ? 0 : chunkRemaining) << 4 | Int(digit)
            chunkDigits += 1
            index += 1
            return nil
        }
        guard chunkDigits > 0 else { return .malformedChunk }
        guard bodyCount + chunkRemaining <= bodyBytesMax else { return .bodyTooLarge }
        if byte == ASCII.cr {
            state = .chunkSizeLineFeed
            index += 1
            return nil
        }
        state = .extensionBefore
        return nil
    }

    /// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), one byte of it.
    private mutating func advanceExtension(_ byte: UInt8) -> HTTPError.Code? {
        extensionBytes += 1
        guard extensionBytes <= limits.chunkExtensionBytesMax else { return .malformedChunk }
        index += 1
        let isSpace = ASCII.isOptionalWhitespace(byte)
        switch state {
        case .extensionBefore:
            if isSpace { return nil }
            return next(byte == UInt8(ascii: ";") ? .extensionNameStart : nil)
        case .extensionNameStart:
            if isSpace { return nil }
            return next(ASCII.isToken(byte) ? .extensionName : nil)
        case .extensionName, .extensionAfterName:
            if state == .extensionName, ASCII.isToken(byte) { return nil }
            if isSpace { return next(.extensionAfterName) }
            if byte == UInt8(ascii: "=") { return next(.extensionValueStart) }
            return endOfExtension(byte)
        case .extensionValueStart:
            if isSpace { return nil }
            if byte == UInt8(ascii: "\"") { return next(.extensionQuoted) }
            return next(ASCII.isToken(byte) ? .extensionValue : nil)
        case .extensionValue:
            if ASCII.isToken(byte) { return nil }
            // Whitespace must lead to another extension: at the end of the line it is not in the grammar.
            if isSpace { return next(.extensionBefore) }
            return endOfExtension(byte)
        case .extensionQuoted:
            if byte == UInt8(ascii: "\"") { return next(.extensionAfterValue) }
            if byte == UInt8(ascii: "\\") { return next(.extensionEscape) }
            return ASCII.classes[Int(byte)] & ASCII.fieldValue != 0 ? nil : .malformedChunk
        case .extensionEscape:
            return next(ASCII.classes[Int(byte)] & ASCII.fieldValue != 0 ? .extensionQuoted : nil)
        default:
            if isSpace { return next(.extensionBefore) }
            return endOfExtension(byte)
        }
    }

    private mutating func next(_ state: State?) -> HTTPError.Code? {
        guard let state else { return .malformedChunk }
        self.state = state
        return nil
    }

    private mutating func endOfExtension(_ byte: UInt8) -> HTTPError.Code? {
        switch byte {
        case UInt8(ascii: ";"): next(.extensionNameStart)
        // Whitespace before the line end is not in the grammar.
        case ASCII.cr where state == .extensionName || state == .extensionValue || state == .extensionAfterValue:
            next(.chunkSizeLineFeed)
        default: .malformedChunk
        }
    }

    /// One byte of the trailer section, which is checked and dropped.
    private mutating func advanceTrailer(_ bytes: UnsafePointer<UInt8>) -> HTTPError.Code? {
        let byte = bytes[index]
        trailerBytes += 1
        guard trailerBytes <= limits.trailerBytesMax else { return .headerTooLarge }
        index += 1
        switch state {
        case .trailerStart:
            if byte == ASCII.cr { return next(.trailersLineFeed) }
            mark = index - 1
            return next(ASCII.isToken(byte) ? .trailerName : nil)
        case .trailerName:
            if ASCII.isToken(byte) { return nil }
            guard byte == UInt8(ascii: ":") else { return .malformedChunk }
            let name = UnsafeRawBufferPointer(start: bytes + mark, count: index - 1 - mark)
            return Self.mayBeTrailer(name) ? next(.trailerValue) : .forbiddenTrailer
        case .trailerValue:
            if byte == ASCII.cr { return next(.trailerLineFeed) }
            return ASCII.classes[Int(byte)] & ASCII.fieldValue != 0 ? nil : .malformedChunk
        default:
            return next(byte == ASCII.lf ? .trailerStart : nil)
        }
    }

    /// Whether a field may come behind the content: not what decides about framing, routing, authentication, or how the
    /// content is to be read (RFC 9110 section 6.5.1). A field that we ignore may be merged into the head by others.
    private static func mayBeTrailer(_ name: UnsafeRawBufferPointer) -> Bool {
        switch name.count {
        case 2: !name.equalsIgnoringCase("te")
        case 4: !name.equalsIgnoringCase("host")
        case 6: !name.equalsIgnoringCase("expect") && !name.equalsIgnoringCase("cookie")
        case 7: !name.equalsIgnoringCase("trailer") && !name.equalsIgnoringCase("upgrade")
        case 10: !name.equalsIgnoringCase("connection") && !name.equalsIgnoringCase("keep-alive")
        case 12: !name.equalsIgnoringCase("content-type")
        case 13: !name.equalsIgnoringCase("authorization") && !name.equalsIgnoringCase("content-range")
        case 14: !name.equalsIgnoringCase("content-length")
        case 16: !name.equalsIgnoringCase("content-encoding")
        case 17: !name.equalsIgnoringCase("transfer-encoding")
        case 19: !name.equalsIgnoringCase("proxy-authorization")
        default: true
        }
    }
}
