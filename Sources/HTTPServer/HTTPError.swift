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
    package var status: UInt16 {
        switch code {
        case .malformedRequestLine, .malformedTarget, .malformedField, .foldedField, .missingHost, .invalidHost,
            .invalidLength, .ambiguousLength, .invalidTransferCoding, .malformedChunk, .forbiddenTrailer,
            .incompleteMessage:
            400
        case .connectNotSupported: 405
        case .timeout: 408
        case .bodyTooLarge: 413
        case .targetTooLong: 414
        case .expectationFailed: 417
        case .headerTooLarge: 431
        case .methodTooLong, .unsupportedTransferCoding: 501
        case .handlerTimeout, .tooManyConnections, .tooManyBodies: 503
        case .unsupportedVersion: 505
        }
    }

    /// A stable name for logs, metrics and answers.
    package var name: StaticString {
        switch code {
        case .malformedRequestLine: "malformed_request_line"
        case .malformedTarget: "malformed_target"
        case .malformedField: "malformed_field"
        case .foldedField: "folded_field"
        case .missingHost: "missing_host"
        case .invalidHost: "invalid_host"
        case .invalidLength: "invalid_length"
        case .ambiguousLength: "ambiguous_length"
        case .invalidTransferCoding: "invalid_transfer_coding"
        case .malformedChunk: "malformed_chunk"
        case .forbiddenTrailer: "forbidden_trailer"
        case .incompleteMessage: "incomplete_message"
        case .connectNotSupported: "connect_not_supported"
        case .timeout: "timeout"
        case .bodyTooLarge: "body_too_large"
        case .targetTooLong: "target_too_long"
        case .expectationFailed: "expectation_failed"
        case .headerTooLarge: "header_too_large"
        case .methodTooLong: "method_too_long"
        case .unsupportedTransferCoding: "unsupported_transfer_coding"
        case .handlerTimeout: "handler_timeout"
        case .tooManyConnections: "too_many_connections"
        case .tooManyBodies: "too_many_bodies"
        case .unsupportedVersion: "unsupported_version"
        }
    }

    /// One sentence for a human; it never quotes the request.
    package var detail: StaticString {
        switch code {
        case .malformedRequestLine: "The request line is not `method target HTTP/1.1`, ended by CR LF."
        case .malformedTarget: "The request target is not valid for this method (RFC 9112 section 3.2)."
        case .malformedField: "A header field is not `name: value`, ended by CR LF, without control characters."
        case .foldedField: "A header field is folded over several lines, which is obsolete."
        case .missingHost: "The Host field is missing or given more than once."
        case .invalidHost: "The host is not valid (RFC 3986 host and port)."
        case .invalidLength: "Content-Length is not one decimal number without leading zeros."
        case .ambiguousLength: "Content-Length and Transfer-Encoding are given together."
        case .invalidTransferCoding: "Transfer-Encoding is not the one coding `chunked`, or not allowed here."
        case .malformedChunk: "The chunked body is malformed."
        case .forbiddenTrailer: "A field stands in the trailer section that belongs into the head."
        case .incompleteMessage: "The connection ended within the request."
        case .connectNotSupported: "This server is no proxy."
        case .timeout: "The request did not arrive in time."
        case .bodyTooLarge: "The body is larger than allowed."
        case .targetTooLong: "The request target is longer than allowed."
        case .expectationFailed: "The only expectation that is understood is 100-continue."
        case .headerTooLarge: "The header fields are larger or more than allowed."
        case .methodTooLong: "The method is not known."
        case .unsupportedTransferCoding: "The only transfer coding that is understood is chunked."
        case .handlerTimeout: "The request could not be answered in time."
        case .tooManyConnections: "Too many connections are open."
        case .tooManyBodies: "Too many requests are being received at once."
        case .unsupportedVersion: "The version of HTTP is not 1.0 or 1.1."
        }
    }
}
