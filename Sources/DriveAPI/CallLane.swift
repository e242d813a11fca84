internal import Base
internal import Dispatch
internal import HTTPClient
internal import SessionModel

/// A connection and the queue that it blocks.
// @unchecked: the transport is touched on the serial queue only.
final class CallLane: @unchecked Sendable {
    private let queue: DispatchQueue
    private let transport: any DriveAPITransport

    init(number: Int, _ transport: sending any DriveAPITransport) {
        queue = DispatchQueue(label: "chargefold.drive-api.\(number)")
        self.transport = transport
    }

    func async(_ work: @escaping @Sendable (any DriveAPITransport) -> Void) {
        queue.async { work(self.transport) }
    }
}

/// What an exchange means.
enum CallOutcome {
    static func of(
        sentAt: Instant, attempts: Int, _ exchange: () throws(HTTPClientError) -> ClientResponse
    ) -> Result<RawAnswer, DriveAPIError> {
        let response: ClientResponse
        do {
            response = try exchange()
        } catch {
            return .failure(DriveAPIError(error))
        }
        if (200..<300).contains(response.status) {
            return .success(RawAnswer(response: response, sentAt: sentAt, attempts: attempts))
        }
        return .failure(DriveAPIError(response, now: sentAt))
    }
}

extension DriveAPIError {
    /// An exchange without an answer.
    init(_ error: HTTPClientError) {
        let code: Code =
            switch error.code {
            case .invalidURL, .invalidRequest: .invalidRequest
            case .unresolvable, .connectionFailed, .connectTimedOut: .unreachable
            case .certificateRejected, .tlsFailed: .untrusted
            case .timedOut: .timedOut
            case .closedBeforeResponse, .closedWithinResponse, .ioFailed: .connectionLost
            case .malformedResponse, .responseTooLarge: .malformedAnswer
            }
        self.init(code, error.detail)
        mayHaveBeenSent = error.mayHaveBeenSent
    }

    /// An answer that is no success.
    ///
    /// - Parameter now: for a `Retry-After` that names a time.
    init(_ response: ClientResponse, now: Instant) {
        let code: Code =
            switch response.status {
            case 401, 403: .unauthorized
            case 404: .notFound
            case 429: .rateLimited
            case 500...: .upstreamFailed
            default: .rejected
            }
        self.init(code, "the Drive API answers \(response.status)", status: response.status)
        retryAfterSeconds = response.field("retry-after").flatMap { RetryAfter.seconds($0, now: now) }
        body = Array(response.body.prefix(Self.bodyBytesMax))
        contentType = response.field("content-type")
        // 429 says that the call was not looked at; after a 5xx anything may have happened.
        mayHaveBeenSent = code == .upstreamFailed
    }
}

/// The field `Retry-After` (RFC 9110 section 10.2.3).
enum RetryAfter {
    /// Longest wait that is believed, in seconds.
    static let secondsMax = 86_400

    /// - Parameter text: seconds, or a date in the one form that may be sent, `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func seconds(_ text: String, now: Instant) -> Int? {
        if let seconds = Int(text) { return seconds < 0 ? nil : min(seconds, secondsMax) }
        let words = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: String(words[2])) else {
            return nil
        }
        let monthText = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        guard let time = Instant(rfc3339: "\(words[3])-\(monthText)-\(words[1])T\(words[4])Z") else { return nil }
        return min(max(0, Int(time.seconds - now.seconds)), secondsMax)
    }
}
