package import Base
package import EventLog
package import SessionModel

/// One verified callback on its way into the log.
package struct Delivery: Sendable {
    /// The decoded body.
    package let event: SessionEvent
    /// The body as it came, after content decoding; this is what the log keeps.
    package let body: [UInt8]
    /// When it arrived. The log keeps microseconds.
    package let receivedAt: Instant

    package init(event: SessionEvent, body: [UInt8], receivedAt: Instant) {
        self.event = event
        self.body = body
        self.receivedAt = Instant(microsecondsSince1970: receivedAt.microsecondsSince1970)
    }
}

/// What became of a delivery that is durable now.
package struct IngestOutcome: Sendable, Equatable {
    /// The fact was known already (docs/domain.md, "The fold", rule 5).
    package let duplicate: Bool
    package let sessionId: String
    /// The session's status after this delivery.
    package let status: SessionStatus
    /// The number of distinct facts known of the session.
    package let version: Int
    /// Where the delivery stands in the log.
    package let position: Int64
    /// Its name everywhere.
    package let place: Place

    package init(
        duplicate: Bool, sessionId: String, status: SessionStatus, version: Int, position: Int64, place: Place
    ) {
        self.duplicate = duplicate
        self.sessionId = sessionId
        self.status = status
        self.version = version
        self.position = position
        self.place = place
    }

    /// Of a delivery that is durable and will be folded later: what it makes of its session is not known yet.
    static func unfolded(_ sessionId: String, position: Int64, place: Place) -> IngestOutcome {
        IngestOutcome(
            duplicate: false, sessionId: sessionId, status: .unknown, version: 0, position: position, place: place)
    }
}

/// Called once, on the log's queue: return soon, and do not call blocking functions of the store from it.
package typealias IngestCompletion = @Sendable (Result<IngestOutcome, StoreError>) -> Void

/// A delivery on its way into the log, and whom to tell what became of it.
package final class PendingDelivery: LogItem {
    /// nil: this release cannot read it, or nothing is left of it but its place.
    let event: SessionEvent?
    package let body: [UInt8]
    package let receivedMicroseconds: Int64
    package let source: UInt8
    /// nil: nobody, for others have received it.
    let completion: IngestCompletion?

    package init(_ delivery: consuming Delivery, _ completion: @escaping IngestCompletion) {
        event = delivery.event
        body = delivery.body
        receivedMicroseconds = delivery.receivedAt.microsecondsSince1970
        source = delivery.event.source.rawValue
        self.completion = completion
    }

    /// What another receiver has received, or this one in an earlier life. It is decoded here, beside the log's queue.
    package init(
        source: UInt8, body: [UInt8], receivedMicroseconds: Int64, _ completion: IngestCompletion? = nil
    ) {
        event = body.withUnsafeBytes { LogRow.event(UnsafeRawBufferPointer($0), source: source) }
        self.body = body
        self.receivedMicroseconds = receivedMicroseconds
        self.source = source
        self.completion = completion
    }

    /// Whether there is something that this release cannot read.
    package var isUndecodable: Bool { event == nil && !LogRow.isGone(source: source) }

    package func failed(_ error: StoreError) { completion?(.failure(error)) }

    var receivedAt: Instant { Instant(microsecondsSince1970: receivedMicroseconds) }
}

extension LogRow {
    package var receivedAt: Instant { Instant(microsecondsSince1970: receivedMicroseconds) }
    package var place: Place { Place(origin: origin, sequence: sequence) }
    package var factSource: FactSource? { FactSource(rawValue: source) }

    /// The event, unless this release cannot read it (a source or a body of another one).
    package func event() -> SessionEvent? { Self.event(body, source: source) }

    static func event(_ body: UnsafeRawBufferPointer, source: UInt8) -> SessionEvent? {
        guard let source = FactSource(rawValue: source) else { return nil }
        return try? SessionEvent.decode(body, source: source, limits: LogRow.limits)
    }

    /// What was accepted once is read again whatever the configured limit is now.
    private static let limits: EventLimits = {
        var limits = EventLimits()
        limits.bodyBytesMax = .max
        return limits
    }()
}
