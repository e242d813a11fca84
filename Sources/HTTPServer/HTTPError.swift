/// What was wrong with a request, as far as HTTP itself is concerned.
package struct HTTPError: Error, Sendable, Hashable {
    package enum Code: Int, Sendable, CaseIterable {
        case malformedRequestLine, malformedTarget, malformedField, foldedField, missingHost, invalidHost
        case invalidLength, ambiguousLength, invalidTransferCoding, malformedChunk, forbiddenTrailer, incompleteMessage
        case connectNotSupported, timeout, bodyTooLarge, targetTooLong, expectationFailed
        case headerTooLarge, methodTooLong, unsupportedTransferCoding, unsupportedVersion
        case handlerTimeout, tooManyConnections, tooManyBodies
    }

    package let code: Code

    package init(_ code: Code) {
        self.code = code
    }

    /// The status code of the answer.
    package var status: UInt16 { row.status }

    /// A stable name for logs, metrics and answers.
    package var name: StaticString { row.name }

    /// One sentence for a human; it never quotes the request.
    package var detail: StaticString { row.detail }

    private var row: (status: UInt16, name: StaticString, detail: StaticString) {
        switch code {
        case .malformedRequestLine:
            (400, "malformed_request_line", "The request line is not `method target HTTP/1.1`, ended by CR LF.")
        case .malformedTarget:
            (400, "malformed_target", "The request target is not valid for this method (RFC 9112 section 3.2).")
        case .malformedField:
            (400, "malformed_field", "A header field is not `name: value`, ended by CR LF, without control characters.")
        case .foldedField:
            (400, "folded_field", "A header field is folded over several lines, which is obsolete.")
        case .missingHost:
            (400, "missing_host", "The Host field is missing or given more than once.")
        case .invalidHost:
            (400, "invalid_host", "The host is not valid (RFC 3986 host and port).")
        case .invalidLength:
            (400, "invalid_length", "Content-Length is not one decimal number without leading zeros.")
        case .ambiguousLength:
            (400, "ambiguous_length", "Content-Length and Transfer-Encoding are given together.")
        case .invalidTransferCoding:
            (400, "invalid_transfer_coding", "Transfer-Encoding is not the one coding `chunked`, or not allowed here.")
        case .malformedChunk:
            (400, "malformed_chunk", "The chunked body is malformed.")
        case .forbiddenTrailer:
            (400, "forbidden_trailer", "A field stands in the trailer section that belongs into the head.")
        case .incompleteMessage:
            (400, "incomplete_message", "The connection ended within the request.")
        case .connectNotSupported:
            (405, "connect_not_supported", "This server is no proxy.")
        case .timeout:
            (408, "timeout", "The request did not arrive in time.")
        case .bodyTooLarge:
            (413, "body_too_large", "The body is larger than allowed.")
        case .targetTooLong:
            (414, "target_too_long", "The request target is longer than allowed.")
        case .expectationFailed:
            (417, "expectation_failed", "The only expectation that is understood is 100-continue.")
        case .headerTooLarge:
            (431, "header_too_large", "The header fields are larger or more than allowed.")
        case .methodTooLong:
            (501, "method_too_long", "The method is not known.")
        case .unsupportedTransferCoding:
            (501, "unsupported_transfer_coding", "The only transfer coding that is understood is chunked.")
        case .unsupportedVersion:
            (505, "unsupported_version", "The version of HTTP is not 1.0 or 1.1.")
        case .handlerTimeout:
            (503, "handler_timeout", "The request could not be answered in time.")
        case .tooManyConnections:
            (503, "too_many_connections", "Too many connections are open.")
        case .tooManyBodies:
            (503, "too_many_bodies", "Too many requests are being received at once.")
        }
    }
}
