package import Base
import HTTPServer
import SessionIndex
import SessionStore
import Synchronization

/// What the receiver counts. Monotonic since the start of the process; safe from any thread.
package final class ReceiverMetrics: Sendable {
    package let accepted = Counter()
    package let duplicates = Counter()
    /// Callbacks answered 503 because the event could not be made durable.
    package let unavailable = Counter()
    package let refusedCallbacks: [RefusedCallback: Counter]
    package let callbackDuration = DurationHistogram()
    /// Of queries that are answered at once; those that wait for a change are not in it.
    package let queryDuration = DurationHistogram()
    /// Microseconds since 1970; `Int64.min`: none is known.
    private let lastCallbackMicroseconds = Atomic<Int64>(.min)
    package let chargeDetailRecords = ChargeDetailRecordMetrics()
    package let queries = Counter()
    package let refusedQueries = Counter()
    package let shedQueries = Counter()
    package let refusedRequests = Counter()

    private let isReloadSuccessfulFlag = Atomic(true)

    /// Whether the configuration could be used when it was last read; where it could not, a restart fails.
    package var isReloadSuccessful: Bool { isReloadSuccessfulFlag.load(ordering: .relaxed) }

    func noteReload(isSuccessful: Bool) { isReloadSuccessfulFlag.store(isSuccessful, ordering: .relaxed) }

    /// The counters without labels, as the page of metrics names and explains them.
    var plain: [(name: String, help: String, counter: Counter)] {
        [
            ("chargefold_queries_total", "Queries that were allowed.", queries),
            ("chargefold_queries_refused_total", "Queries refused for want of a valid token.", refusedQueries),
            ("chargefold_queries_shed_total", "Queries refused because callbacks were waiting.", shedQueries),
            (
                "chargefold_requests_refused_total",
                "Requests that reached no resource: unknown path, wrong method, malformed HTTP.", refusedRequests
            ),
        ]
    }

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

    /// When the last authentic callback came; nil: none is known.
    package var lastCallback: Instant? {
        let microseconds = lastCallbackMicroseconds.load(ordering: .relaxed)
        return microseconds == .min ? nil : Instant(microsecondsSince1970: microseconds)
    }

    package func noteCallback(at instant: Instant) {
        lastCallbackMicroseconds.store(instant.microsecondsSince1970, ordering: .relaxed)
    }

    /// Notes how long an answer took that is made from now on.
    func timing(
        _ transform: (@Sendable (consuming Response) -> Response)?
    ) -> @Sendable (consuming Response) -> Response {
        let began = SystemClock.monotonicNanoseconds()
        return { [queryDuration] response in
            queryDuration.record(microseconds: (SystemClock.monotonicNanoseconds() - began) / 1000)
            guard let transform else { return response }
            return transform(response)
        }
    }

    package init() {
        refusedCallbacks = Dictionary(uniqueKeysWithValues: RefusedCallback.allCases.map { ($0, Counter()) })
    }
}
