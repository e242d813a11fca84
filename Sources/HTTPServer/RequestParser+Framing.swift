internal import Base

/// What the header fields said about framing, gathered while they come in.
struct FramingFacts: Sendable, Hashable {
    /// Where the value of the current field starts.
    var valueStart = 0
    var hosts = 0
    var length: Int?
    var hasTransferCoding = false
    var chunkedCount = 0
    var endsWithChunked = false
    var hasOtherCoding = false
    var saysClose = false
    var saysKeepAlive = false
    var hasOtherExpectation = false
}

extension RequestParser {
    /// Takes note of a field that decides about framing or the connection.
    mutating func note(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> HTTPError.Code? {
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"):
            facts.hosts += 1
            guard facts.hosts == 1 else { return .missingHost }
            guard HostSyntax.isValid(value) else { return .invalidHost }
        case 6 where name.equalsIgnoringCase("expect"):
            // A list, in one line or in several (RFC 9110 section 10.1.1); an empty one expects who knows what.
            var isEmpty = true
            Self.forEachElement(value) { element in
                if element.isEmpty { return true }
                isEmpty = false
                if element.equalsIgnoringCase("100-continue") {
                    lines.expectsContinue = true
                } else {
                    facts.hasOtherExpectation = true
                }
                return true
            }
            if isEmpty { facts.hasOtherExpectation = true }
        case 10 where name.equalsIgnoringCase("connection"):
            Self.forEachElement(value) { element in
                if element.equalsIgnoringCase("close") { facts.saysClose = true }
                if element.equalsIgnoringCase("keep-alive") { facts.saysKeepAlive = true }
                return true
            }
        case 14 where name.equalsIgnoringCase("content-length"):
            // Leading zeros are within the grammar and sent by nobody; some recipients read them as octal.
            guard facts.length == nil, value.count == 1 || value.first != UInt8(ascii: "0"),
                let length = Self.decimal(value)
            else { return .invalidLength }
            facts.length = length
        case 14 where name.equalsIgnoringCase("content_length"):
            // CGI, WSGI and the like take an underscore for the hyphen, so that somebody on the way may have used it.
            return .malformedField
        case 17 where name.equalsIgnoringCase("transfer_encoding"):
            return .malformedField
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            facts.hasTransferCoding = true
            guard noteCodings(value) else { return .invalidTransferCoding }
        default:
            break
        }
        return nil
    }

    private mutating func noteCodings(_ value: UnsafeRawBufferPointer) -> Bool {
        var facts = facts
        defer { self.facts = facts }
        return Self.forEachElement(value) { element in
            // An empty element is allowed by RFC 9110 section 5.6.1 and used by nobody but smugglers.
            // No coding that is understood has parameters, so that an element is a token or malformed.
            guard !element.isEmpty, element.allSatisfy(ASCII.isToken) else { return false }
            if element.equalsIgnoringCase("chunked") {
                facts.chunkedCount += 1
                facts.endsWithChunked = true
            } else {
                facts.hasOtherCoding = true
                facts.endsWithChunked = false
            }
            return true
        }
    }

    /// Calls `body` for each element of a comma-separated list, until it returns false; whether it never did.
    @discardableResult
    private static func forEachElement(
        _ value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool
    ) -> Bool {
        var start = 0
        for position in 0...value.count where position == value.count || value[position] == UInt8(ascii: ",") {
            guard body(UnsafeRawBufferPointer(rebasing: value[start..<position]).trimmingOptionalWhitespace) else {
                return false
            }
            start = position + 1
        }
        return true
    }

    /// 1*DIGIT and nothing else, below 2^63 (RFC 9110 section 8.6).
    static func decimal(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard !bytes.isEmpty else { return nil }
        var value = 0
        for byte in bytes {
            guard ASCII.isDigit(byte) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowOfSum) = product.addingReportingOverflow(Int(byte &- 0x30))
            guard !overflow, !overflowOfSum else { return nil }
            value = sum
        }
        // Positions in the message are sums with this; keep them far from the end of Int.
        return value < Int.max / 2 ? value : nil
    }

    /// Decides how the body ends, once all fields are known (RFC 9112 section 6).
    mutating func checkFraming() -> HTTPError.Code? {
        guard facts.hosts == 1 || lines.minorVersion == 0 else { return .missingHost }
        if facts.hasTransferCoding {
            guard facts.length == nil else { return .ambiguousLength }
            guard lines.minorVersion == 1, facts.endsWithChunked, facts.chunkedCount == 1 else {
                return .invalidTransferCoding
            }
            guard !facts.hasOtherCoding else { return .unsupportedTransferCoding }
            lines.framing = .chunked
        } else if let length = facts.length {
            lines.framing = .length(length)
        }
        lines.keepsAlive = !facts.saysClose && (lines.minorVersion == 1 || facts.saysKeepAlive)
        if lines.minorVersion == 0 {
            // RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is ignored.
            lines.expectsContinue = false
        } else if facts.hasOtherExpectation {
            return .expectationFailed
        }
        return nil
    }

    /// Checks the request-target against the method (RFC 9112 section 3.2) and finds path and query.
    mutating func checkTarget(_ bytes: UnsafePointer<UInt8>) -> HTTPError.Code? {
        let method = UnsafeRawBufferPointer(
            start: bytes + Int(lines.methodStart), count: Int(lines.methodEnd - lines.methodStart))
        let target = UnsafeRawBufferPointer(
            start: bytes + Int(lines.targetStart), count: Int(lines.targetEnd - lines.targetStart))
        if method.equals("CONNECT") {
            return HostSyntax.isAuthority(target) ? .connectNotSupported : .malformedTarget
        }
        let isOptions = method.equals("OPTIONS")
        var pathStart = 0
        if target[0] != UInt8(ascii: "/") {
            if target.equals("*") {
                lines.pathStart = lines.targetStart
                lines.pathEnd = lines.targetEnd
                return isOptions ? nil : .malformedTarget
            }
            guard let start = HostSyntax.endOfAuthority(target) else { return .malformedTarget }
            lines.isAbsolute = true
            pathStart = start
        }
        var pathEnd = target.count
        var position = pathStart
        while position < target.count {
            switch target[position] {
            case UInt8(ascii: "%"):
                guard position + 2 < target.count, ASCII.hexValue(target[position + 1]) != nil,
                    ASCII.hexValue(target[position + 2]) != nil
                else { return .malformedTarget }
            case UInt8(ascii: "["), UInt8(ascii: "]"):
                return .malformedTarget
            case UInt8(ascii: "?") where !lines.hasQuery:
                lines.hasQuery = true
                pathEnd = position
                lines.queryStart = lines.targetStart + UInt32(truncatingIfNeeded: position + 1)
            default:
                break
            }
            position += 1
        }
        lines.pathStart = lines.targetStart + UInt32(truncatingIfNeeded: pathStart)
        lines.pathEnd = lines.targetStart + UInt32(truncatingIfNeeded: pathEnd)
        return nil
    }
}
