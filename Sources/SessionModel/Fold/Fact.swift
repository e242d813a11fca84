package import Base

/// A distinct fact about a session, with the account of its deliveries.
package struct Fact: Sendable {
    private let event: SessionEvent
    /// The position, in this receiver's own log, of the delivery that made the fact known here. Local: never shown.
    package let position: Int64
    /// When the delivery at `position` was received. Local as that is.
    package let heardAt: Instant
    /// The least of the deliveries that are known.
    package internal(set) var first: Receipt
    /// All deliveries of the fact, at least one.
    package internal(set) var deliveries: Int

    /// What deliveries are ordered by, so that "first" means the same at every receiver, whoever came here first.
    package struct Receipt: Sendable, Hashable, Comparable {
        package let receivedAt: Instant
        package let place: Place

        package init(receivedAt: Instant, place: Place) {
            self.receivedAt = receivedAt
            self.place = place
        }

        package static func < (left: Receipt, right: Receipt) -> Bool {
            left.receivedAt == right.receivedAt ? left.place < right.place : left.receivedAt < right.receivedAt
        }
    }

    package var name: EventName { event.name }
    package var source: FactSource { event.source }
    package var timestamp: Instant { event.timestamp }
    package var status: SessionStatus? { event.status }
    package var userId: String? { event.userId }
    /// The payload without `sessionId` and `timestamp`.
    package var payload: CanonicalJSON { event.payload }
    /// Whose the session is, as far as the fact tells (`SessionEvent.ownerId`).
    var ownerId: String? { event.ownerId }

    init(_ event: SessionEvent, position: Int64, heardAt: Instant, first: Receipt, deliveries: Int = 1) {
        self.event = event
        self.position = position
        self.heardAt = heardAt
        self.first = first
        self.deliveries = deliveries
    }

    /// The place of the fact's status among those of the same instant; -1 where it has none.
    var rank: Int { status?.rank ?? -1 }

    /// What the order that decides goes by before fold order: a status that is final comes after all of a lower rank,
    /// whatever their timestamps (rule 3), and a fact without a status before all that have one.
    var tier: Int {
        guard let status else { return -1 }
        return status.isFinal ? status.rank : 0
    }

    /// When the fact was first received.
    package var receivedAt: Instant { first.receivedAt }

    /// The order of the fold: instant, rank, canonical payload, then whatever else tells facts apart. Total: zero means
    /// that the two are the same fact. Nothing in it depends on arrival.
    static func foldOrder(_ left: Fact, _ right: Fact) -> Int {
        if left.timestamp != right.timestamp { return left.timestamp < right.timestamp ? -1 : 1 }
        if left.rank != right.rank { return left.rank - right.rank }
        let payloads = left.payload.compare(right.payload)
        if payloads != 0 { return payloads }
        let names = compareUTF8(left.name.text, right.name.text)
        if names != 0 { return names }
        if left.source != right.source { return Int(left.source.rawValue) - Int(right.source.rawValue) }
        return compareUTF8(left.status?.name ?? "", right.status?.name ?? "")
    }
}

/// A notice that a fee will apply (`SESSION_FEE_INCURRING`).
package struct FeeNotice: Sendable {
    /// As it came, `BLOCKING` for example; nil where the notice names none.
    package let feeType: String?
    /// From when on the fee applies; nil where the notice does not say, or not as an RFC 3339 timestamp.
    package let feeWillApplyFrom: Instant?
    /// Of the notice.
    package let timestamp: Instant

    init(_ fact: Fact) {
        self.init(fact.payload, timestamp: fact.timestamp)
    }

    init(_ payload: CanonicalJSON, timestamp: Instant) {
        feeType = payload.string("feeType")
        feeWillApplyFrom = payload.instant("feeWillApplyFrom")
        self.timestamp = timestamp
    }

    /// By the instant of the notice, then by the fee's start, then by its type.
    package static func order(_ left: FeeNotice, _ right: FeeNotice) -> Int {
        if left.timestamp != right.timestamp { return left.timestamp < right.timestamp ? -1 : 1 }
        let leftStart = left.feeWillApplyFrom ?? .earliest
        let rightStart = right.feeWillApplyFrom ?? .earliest
        if leftStart != rightStart { return leftStart < rightStart ? -1 : 1 }
        if (left.feeWillApplyFrom == nil) != (right.feeWillApplyFrom == nil) {
            return left.feeWillApplyFrom == nil ? -1 : 1
        }
        if (left.feeType == nil) != (right.feeType == nil) { return left.feeType == nil ? -1 : 1 }
        return compareUTF8(left.feeType ?? "", right.feeType ?? "")
    }
}

extension FeeNotice: Equatable {
    package static func == (left: FeeNotice, right: FeeNotice) -> Bool { order(left, right) == 0 }
}
