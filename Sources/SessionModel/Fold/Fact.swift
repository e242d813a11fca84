/// A distinct fact about a session, with the account of its deliveries.
package struct Fact: Sendable {
    package let name: EventName
    package let source: FactSource
    package let timestamp: Instant
    package let status: SessionStatus?
    package let userId: String?
    /// The payload without `sessionId` and `timestamp`.
    package let payload: CanonicalJSON
    /// Log position of the first delivery.
    package let position: Int64
    /// Of the first delivery.
    package let receivedAt: Instant
    /// All deliveries of the fact, at least one.
    package internal(set) var deliveries: Int

    init(_ event: SessionEvent, position: Int64, receivedAt: Instant, deliveries: Int = 1) {
        name = event.name
        source = event.source
        timestamp = event.timestamp
        status = event.status
        userId = event.userId
        payload = event.payload
        self.position = position
        self.receivedAt = receivedAt
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
        feeType = fact.payload.string("feeType")
        feeWillApplyFrom = fact.payload.instant("feeWillApplyFrom")
        timestamp = fact.timestamp
    }

    /// By the instant of the notice, then by the fee's start, then by its type.
    static func order(_ left: FeeNotice, _ right: FeeNotice) -> Int {
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
