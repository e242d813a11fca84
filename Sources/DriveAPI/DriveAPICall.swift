/// The calls that this client makes; the raw value is the label in metrics and logs.
package enum DriveAPICall: String, Sendable, Hashable, CaseIterable {
    case start, stop, session, history, receipt, geosearch
    case retryPayment = "retry_payment"

    /// Whether sending it twice does no harm, so that it may be sent again whatever happened to the first. The others
    /// are sent again only when nothing of the first can have reached the API.
    package var isSafe: Bool {
        switch self {
        case .session, .history, .receipt, .geosearch: true
        case .start, .stop, .retryPayment: false
        }
    }
}

/// Who waits for an answer.
package enum DriveAPIPriority: Sendable, Hashable {
    /// A driver: goes first, and never waits for the rate limit (but counts for it).
    case interactive
    /// Reconciliation, back-fill: waits for the rate limit.
    case background
}
