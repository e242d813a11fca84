package import Base

/// What of a session changes by time alone, and the instants that indexes go by. Pure, like everything here.
extension SessionRecord {
    /// The position of the session's first delivery in this receiver's own log: unique, never changes, ascending in the
    /// order of creation. Another receiver's differs: never shown.
    package var number: Int64 { tracking.number }

    /// Decides between sessions that are equal in whatever they are ordered by: made of the id alone, so the same at every
    /// receiver, and in all likelihood no other session's.
    package var tie: Int64 {
        var id = sessionId
        // Six bytes in an index, with room below and above.
        return Int64(id.withUTF8 { RecordChecksum.of(UnsafeRawBufferPointer($0)) } >> 18) + 1
    }

    /// From when on the session has waited for its start, where that is its status.
    var waitsForStartSince: Instant? {
        guard state.status == .created || state.status == .waitingToStart else { return nil }
        return tracking.startRequestedAt ?? state.sinceIndex.map { FactSummary.reference(facts[$0]) }
    }

    /// What a user's sessions are ordered by: the timestamp of the fact that was received first (`Fact.first`).
    ///
    /// It is known from the first moment on and hardly ever changes: only where a delivery comes in that was received
    /// before all that are known, by another receiver or by a clock that was set back. So no session moves while
    /// somebody turns pages. For most sessions it is their start, or a few seconds from it.
    package var orderedBy: Instant {
        facts.min { $0.first < $1.first }?.timestamp ?? .epoch
    }

    /// The session's start, for bounds: `startTime` where it is known, else `orderedBy`.
    package var startOrFirstHeard: Instant { state.startTime ?? orderedBy }

    /// When the status began, for lists: `statusSince` where a fact tells of one, else `orderedBy`.
    package var statusSinceOrFirstHeard: Instant { state.statusSince ?? orderedBy }

    /// Whether the session may be going on, as far as facts tell: it has not ended, failed or been given up.
    package var isOngoing: Bool {
        guard state.abandonedAt == nil else { return false }
        return switch state.status {
        case .created, .waitingToStart, .started, .waitingToStop, .stopFailed: true
        case .failed, .stopped, .complete, .refunded, .unknown, .other: false
        }
    }

    /// When the session started first, where STARTED is its status: hearing so again does not change it, nor does a stop
    /// that was asked for in vain.
    package var startedSince: Instant? {
        guard state.status == .started else { return nil }
        return facts.first { $0.status == .started }.map { FactSummary.reference($0) }
    }

    /// From when on the session has waited for its start, where that is what it does.
    package var startingSince: Instant? {
        switch state.status {
        case .created, .waitingToStart: tracking.startRequestedAt
        default: nil
        }
    }

    /// When the stop first failed of a session that has not stopped since; another try does not change it.
    package var stopFailingSince: Instant? {
        switch state.status {
        case .stopFailed, .waitingToStop:
            facts.lazy.filter { $0.status == .stopFailed }.map { FactSummary.reference($0) }.min()
        default: nil
        }
    }

    /// The latest instant from which on time alone may still change the session: the start of the wait for a start, or
    /// the start of a fee. nil where time changes nothing. Does not depend on settings: a wait may end later by
    /// `GuidanceSettings.startTimeoutSeconds`.
    package var waitsUntil: Instant? {
        guard !hasEnded else { return nil }
        var latest = state.fees.reduce(nil as Instant?) { Self.later($0, $1.feeWillApplyFrom) }
        switch state.status {
        case .created, .waitingToStart:
            latest = Self.later(latest, tracking.startRequestedAt)
        default: break
        }
        return latest
    }

    /// When one of our own clients last asked for the session's start, where one did.
    package var requestedAt: Instant? {
        facts.reduce(nil) { latest, fact in
            guard fact.source == .client, fact.name == .startRequested else { return latest }
            return Self.later(latest, FactSummary.reference(fact))
        }
    }

    /// Stopped or complete: a notice of a fee to come means nothing any more.
    package var hasEnded: Bool { state.status.hasEnded }

    /// The status to go by at an instant, and when it will change by time alone, if it will.
    package func effectiveStatus(
        at now: Instant, settings: GuidanceSettings = GuidanceSettings()
    ) -> (status: SessionStatus, changesAt: Instant?) {
        var rules = GuidanceRules(self, now: now, settings: settings)
        let status = rules.effectiveStatus()
        return (status, rules.changesAt)
    }

    /// The fees that start to apply later than `now`, earliest first; none once the session has ended.
    package func feesToCome(after now: Instant) -> [FeeNotice] {
        guard !hasEnded else { return [] }
        return state.fees.filter { $0.feeWillApplyFrom.map { $0 > now } ?? false }
            .sorted { ($0.feeWillApplyFrom ?? .latest) < ($1.feeWillApplyFrom ?? .latest) }
    }

    /// The record as it was when the log ended at `position`: facts that became known later are taken away.
    /// The deliveries of the others are counted as they are now.
    package func rewound(to position: Int64) -> SessionRecord {
        guard facts.contains(where: { $0.position > position }) else { return self }
        var earlier = self
        earlier.facts.removeAll { $0.position > position }
        earlier.lastPosition = min(lastPosition, position)
        earlier.foldAll()
        return earlier
    }

    private static func later(_ left: Instant?, _ right: Instant?) -> Instant? {
        guard let left, let right else { return left ?? right }
        return max(left, right)
    }
}

extension SessionStatus {
    /// Stopped or complete.
    var hasEnded: Bool {
        switch self {
        case .stopped, .complete, .refunded: true
        default: false
        }
    }
}

extension SessionState {
    /// Writes the members of the state into the object that is open.
    package func write(to writer: inout JSONWriter) { writeMembers(to: &writer) }
}

extension FeeNotice {
    /// Writes the notice as one object.
    package func writeObject(to writer: inout JSONWriter) { write(to: &writer) }
}

extension Anomaly {
    /// The anomaly's place in a set of bits that is stored. New cases go to the end.
    package var bit: Int64 { 1 << Int64(Self.allCases.firstIndex(of: self) ?? 0) }
}
