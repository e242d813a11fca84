/// What the gateway goes by.
package struct GatewaySettings: Sendable, Hashable {
    /// For how long an idempotency key stands for its first request.
    package var idempotencyHours: Int64 = 24
    /// Requests that are under way at the same time, over all users.
    package var requestsMax = 1_000
    /// Durable writes that one user may cause in a minute: starts, stops that are noted, abandonments.
    package var userWritesPerMinute = 120
    /// The same of one user about one session.
    package var sessionWritesPerMinute = 20

    package init() {}

    var idempotencySeconds: Int64 { idempotencyHours * 3600 }
}
