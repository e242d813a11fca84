/// How one call ended, for metrics.
package struct DriveAPICallReport: Sendable {
    package let call: DriveAPICall
    package let priority: DriveAPIPriority
    /// Of the last attempt; nil without an answer.
    package let status: Int?
    /// Nil: the call has its answer.
    package let error: DriveAPIError.Code?
    /// Requests sent (or tried to) for it; 0 where the call was turned away.
    package let attempts: Int
    /// From the call to its outcome.
    package let seconds: Double
    /// Of the request that it was made for (`X-Request-Id`); nil where there is none.
    package let requestId: String?
}

/// Hooks for metrics and logs. Called on the client's queues; must return quickly.
package protocol DriveAPIObserver: Sendable {
    func driveAPICallEnded(_ report: DriveAPICallReport)
    func driveAPIBreakerChanged(to state: CircuitBreaker.State)
}

/// What the client is doing now, and what it has done since it was made.
package struct DriveAPIStatistics: Sendable, Hashable {
    package var underWay = 0
    package var waiting = 0
    /// Requests sent or tried, by call: what is spent of the API's patience.
    package var attempts: [DriveAPICall: Int] = [:]
    package var breaker = CircuitBreaker.State.closed
}
