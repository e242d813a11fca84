/// Why a call has no answer that can be used. Holds nothing secret: may be logged and shown.
package struct DriveAPIError: Error, Sendable, Equatable {
    /// Stable codes, part of the interface: shown in problems and metrics.
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// The URL, key or an id can't be sent.
        case invalidRequest = "invalid-request"
        /// No connection: refused, no route, no address.
        case unreachable = "unreachable"
        /// No TLS connection, or a certificate that is not valid for the host.
        case untrusted = "untrusted"
        /// The deadline has passed. Whether the call had an effect is not known.
        case timedOut = "timed-out"
        /// The connection broke off within the exchange.
        case connectionLost = "connection-lost"
        /// 401 or 403: the API key is not accepted.
        case unauthorized = "unauthorized"
        /// 404.
        case notFound = "not-found"
        /// 429.
        case rateLimited = "rate-limited"
        /// Any other 4xx (and 3xx, which no call answers).
        case rejected = "rejected"
        /// 5xx.
        case upstreamFailed = "upstream-failed"
        /// 2xx, with a body that is not what the call answers.
        case malformedAnswer = "malformed-answer"
        /// The circuit breaker keeps calls back, because the API has failed lately. Nothing was sent.
        case circuitOpen = "circuit-open"
        /// Too many calls wait already. Nothing was sent.
        case overloaded = "overloaded"
        /// The client has been closed. Nothing was sent.
        case closed = "closed"
    }

    package let code: Code
    /// The status of the API's answer, where there was one.
    package var status: Int?
    /// A sentence for people.
    package var detail: String
    /// When it makes sense to try again, in seconds from now, where the API or the breaker says so.
    package var retryAfterSeconds: Int?
    /// Whether the API may have acted on the call although there is no answer. False: certainly not.
    package var mayHaveBeenSent = false
    /// The body of the API's answer, at most ``bodyBytesMax`` bytes of it.
    package var body: [UInt8] = []
    /// The `Content-Type` of that body.
    package var contentType: String?

    package static let bodyBytesMax = 16_384

    package init(_ code: Code, _ detail: String, status: Int? = nil, retryAfterSeconds: Int? = nil) {
        self.code = code
        self.detail = detail
        self.status = status
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// Whether the API itself is in trouble, rather than this one call: what the circuit breaker counts.
    package var isOutage: Bool {
        switch code {
        case .unreachable, .untrusted, .timedOut, .connectionLost, .upstreamFailed: true
        default: false
        }
    }
}

extension DriveAPIError: CustomStringConvertible {
    package var description: String {
        "\(code.rawValue)\(status.map { " (\($0))" } ?? ""): \(detail)"
    }
}
