internal import Glibc

/// Why a request got no response.
package struct HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// Not a URL that this client knows.
        case invalidURL
        /// A method, target or field that can't be sent.
        case invalidRequest
        /// The host's name has no address.
        case unresolvable
        /// No connection: refused, unreachable.
        case connectionFailed
        /// The TLS handshake or a record failed.
        case tlsFailed
        /// The server's certificate is not valid for the host, or its issuer not trusted.
        case certificateRejected
        /// No connection in time: nothing was sent.
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
    /// For people: what was tried, and the system's words for what happened.
    package let detail: String

    package init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    static func system(_ code: Code, _ what: String, _ number: Int32 = errno) -> Self {
        Self(code, "\(what): \(String(cString: strerror(number)))")
    }

    package var description: String { detail }
}
