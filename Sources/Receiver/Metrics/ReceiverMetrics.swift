package import Base
import SessionIndex
import SessionStore

/// What the receiver counts. Monotonic since the start of the process; safe from any thread.
package final class ReceiverMetrics: Sendable {
    package let accepted = Counter()
    package let duplicates = Counter()
    /// Callbacks answered 503 because the event could not be made durable.
    package let unavailable = Counter()
    package let refusedCallbacks: [RefusedCallback: Counter]
    package let callbackDuration = DurationHistogram()
    package let chargeDetailRecords = ChargeDetailRecordMetrics()
    package let queries = Counter()
    package let refusedQueries = Counter()
    /// Queries refused because callbacks were waiting.
    package let shedQueries = Counter()
    /// Requests that reached no resource: unknown paths, wrong methods, malformed HTTP.
    package let refusedRequests = Counter()

    /// Why a callback was refused, coarsely; the exact code is in the log and in the answer.
    package enum RefusedCallback: String, CaseIterable, Sendable {
        case missingCredentials = "missing_credentials"
        case wrongCredentials = "wrong_credentials"
        case unsupportedMediaType = "unsupported_media_type"
        case malformedContentCoding = "malformed_content_coding"
        case bodyTooLarge = "body_too_large"
        case invalidEvent = "invalid_event"
        /// Authentic, at an address that is no webhook's.
        case stray = "stray"
    }

    package init() {
        refusedCallbacks = Dictionary(uniqueKeysWithValues: RefusedCallback.allCases.map { ($0, Counter()) })
    }
}
