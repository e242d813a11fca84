package import SessionModel

/// One verified callback on its way into the store.
package struct Delivery: Sendable {
    /// The decoded body.
    package let event: SessionEvent
    /// The body as it came, after content decoding; this is what the log keeps.
    package let body: [UInt8]
    /// When it arrived. The store keeps microseconds.
    package let receivedAt: Instant

    package init(event: SessionEvent, body: [UInt8], receivedAt: Instant) {
        self.event = event
        self.body = body
        self.receivedAt = Instant(microsecondsSince1970: receivedAt.microsecondsSince1970)
    }
}

/// What became of a delivery that is durable now.
package struct IngestOutcome: Sendable, Equatable {
    /// The fact was known already (domain.md, "The fold", rule 5).
    package let duplicate: Bool
    package let sessionId: String
    /// The session's status after this delivery.
    package let status: SessionStatus
    /// The number of distinct facts known of the session.
    package let version: Int
    /// Where the delivery stands in the log.
    package let position: Int64

    package init(duplicate: Bool, sessionId: String, status: SessionStatus, version: Int, position: Int64) {
        self.duplicate = duplicate
        self.sessionId = sessionId
        self.status = status
        self.version = version
        self.position = position
    }
}

/// One row of the log, as it was received.
package struct LogEntry: Sendable, Equatable {
    /// Ascending, in the order of commit; starts at 1. Gaps are possible after an erasure.
    package let position: Int64
    package let receivedAt: Instant
    package let source: FactSource
    package let body: [UInt8]

    package init(position: Int64, receivedAt: Instant, source: FactSource, body: [UInt8]) {
        self.position = position
        self.receivedAt = receivedAt
        self.source = source
        self.body = body
    }
}
