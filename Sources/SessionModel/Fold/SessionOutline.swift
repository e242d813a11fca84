package import Base

/// What of a session is shown with each of its changes, and what time goes by: of bounded size, whatever the session has
/// been told, so that it can be handed on and kept where a record can't.
package struct SessionOutline: Sendable {
    /// Notices and users that an outline lists, each.
    package static let listedMax = 32
    /// Bytes of text that the listed notices have together; one is listed in any case.
    package static let listedBytesMax = 16_384

    /// The state with the latest of its notices and the first of its users.
    package let state: SessionState
    /// See `SessionRecord.tie`.
    package let tie: Int64
    /// Notices of fees, those that are not listed included.
    package let feesTotal: Int
    /// Users that facts name, those that are not listed included.
    package let userIdsTotal: Int
    /// From when on the session has waited for its start, where it does.
    private let waitsSince: Instant?

    package init(_ record: SessionRecord) {
        var state = record.state
        feesTotal = state.fees.count
        userIdsTotal = state.userIds.count
        let listed = Self.listed(state.fees)
        // Where everything is listed the array is the record's own.
        if listed < feesTotal { state.fees = Array(state.fees.suffix(listed)) }
        if userIdsTotal > Self.listedMax { state.userIds = Array(state.userIds.prefix(Self.listedMax)) }
        waitsSince = record.waitsForStartSince
        tie = record.tie
        self.state = state
    }

    private static func listed(_ fees: [FeeNotice]) -> Int {
        var count = 0
        var bytes = 0
        for fee in fees.reversed() where count < listedMax {
            bytes += fee.feeType?.utf8.count ?? 0
            if count > 0, bytes > listedBytesMax { break }
            count += 1
        }
        return count
    }

    package var sessionId: String { state.sessionId }

    /// Stopped or complete: a notice of a fee to come means nothing any more.
    package var hasEnded: Bool { state.status.hasEnded }

    /// Nothing makes a session that is complete go on.
    package var isFinal: Bool { state.status.isFinal }

    /// When the wait for the start is over, where the session waits for one.
    package func startLimit(_ settings: GuidanceSettings) -> Instant? {
        waitsSince?.adding(seconds: settings.startTimeoutSeconds)
    }

    /// The status to go by at an instant; the same as the record's.
    package func effectiveStatus(at now: Instant, settings: GuidanceSettings) -> SessionStatus {
        switch state.status {
        case .unknown, .other: .failed
        case .created, .waitingToStart: startLimit(settings).map { now >= $0 } ?? false ? .failed : state.status
        default: state.status
        }
    }

    /// An estimate of what it takes in memory.
    package var bytes: Int {
        var bytes = MemoryLayout<SessionOutline>.stride + sessionId.utf8.count + (state.userId?.utf8.count ?? 0)
        for fee in state.fees { bytes += fee.bytes }
        for userId in state.userIds { bytes += 16 + userId.utf8.count }
        for entry in state.enrichment.entries { bytes += 64 + entry.value.bytes.count }
        return bytes
    }
}

/// What a fact that was new did to its session.
package struct SessionChange: Sendable {
    /// The session with the fact.
    package let outline: SessionOutline
    /// The status without the fact; nil where it is the first one heard.
    package let statusBefore: SessionStatus?
    /// The name of the fact.
    package let name: EventName
    /// The notice that the fact is, where it is one that came in a callback.
    package let fee: FeeNotice?
    /// Where the fact made a session go on that had ended: the fees that are to come again.
    package let feesToCome: [FeeNotice]

    /// - Parameters:
    ///   - record: the session with the fact.
    ///   - before: what it was without.
    ///   - instant: when the fact was received.
    package init(
        _ record: SessionRecord, since before: SessionRecord.Before, _ event: SessionEvent, at instant: Instant
    ) {
        self.init(record, before, event.name, FeeNotice(event), at: instant)
    }

    package init(_ record: SessionRecord, since before: SessionRecord.Before, _ fact: Fact) {
        self.init(record, before, fact.name, FeeNotice(noticed: fact), at: fact.heardAt)
    }

    private init(
        _ record: SessionRecord, _ before: SessionRecord.Before, _ name: EventName, _ fee: FeeNotice?,
        at instant: Instant
    ) {
        outline = SessionOutline(record)
        statusBefore = before.status
        self.name = name
        self.fee = fee
        let goesOn = before.status?.hasEnded ?? false && !outline.hasEnded
        feesToCome = goesOn ? record.feesToCome(after: instant) : []
    }

    /// An estimate of what it takes in memory.
    package var bytes: Int {
        outline.bytes + MemoryLayout<SessionChange>.stride + (fee?.bytes ?? 0) + feesToCome.reduce(0) { $0 + $1.bytes }
    }
}

extension SessionRecord {
    /// What of a record is remembered while a fact is applied to it.
    package struct Before: Sendable {
        /// nil: no fact is known.
        package let status: SessionStatus?
    }

    package var before: Before { Before(status: facts.isEmpty ? nil : state.status) }

    /// Adds a fact of the same session that was known to another record of it, as `rewound` took it away. Facts must be
    /// added by rising positions.
    package mutating func restore(_ fact: Fact) {
        guard fact.position > lastPosition || facts.isEmpty else { return }
        lastPosition = fact.position
        add(fact)
    }
}

extension FeeNotice {
    /// The notice that an event is, where it is one.
    init?(_ event: SessionEvent) {
        guard event.source == .webhook, event.name == .sessionFeeIncurring else { return nil }
        self.init(event.payload, timestamp: event.timestamp)
    }

    /// The notice that a fact is, where it is one.
    init?(noticed fact: Fact) {
        guard fact.source == .webhook, fact.name == .sessionFeeIncurring else { return nil }
        self.init(fact)
    }

    package var bytes: Int { MemoryLayout<FeeNotice>.stride + (feeType?.utf8.count ?? 0) }
}
