/// Why a request got no response.
package struct HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// Not a URL that this client knows.
        case invalidURL
        /// A method, target, field or body that can't be sent.
        case invalidRequest
        /// The host's name has no address.
        case unresolvable
        /// No connection: refused, unreachable.
        case connectionFailed
        /// The TLS handshake failed, or what it needs can't be had.
        case tlsFailed
        /// The server's certificate is not valid for the host, or its issuer not trusted.
        case certificateRejected
        /// No connection in time, TLS included.
        case connectTimedOut
        /// A deadline has passed.
        case timedOut
        /// The server closed the connection without answering a byte.
        case closedBeforeResponse
        /// The server closed the connection within a response.
        case closedWithinResponse
        /// Not HTTP/1.1 as RFC 9112 has it.
        case malformedResponse
        /// Longer than the limits allow.
        case responseTooLarge
        /// Sending or receiving failed.
        case ioFailed
    }

    package let code: Code
    /// For people: what was tried, and libcurl's words for what happened. Nothing of the request is in it.
    package let detail: String

    package init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// Whether a byte of the request may have left. Where it may, the server may have done what it was asked for.
    package var mayHaveBeenSent: Bool {
        switch code {
        case .invalidURL, .invalidRequest, .unresolvable, .connectionFailed, .tlsFailed, .certificateRejected,
            .connectTimedOut:
            false
        case .timedOut, .closedBeforeResponse, .closedWithinResponse, .malformedResponse, .responseTooLarge, .ioFailed:
            true
        }
    }

    package var description: String { detail }
}
