internal import Base

/// The rules of guidance. A time limit is over at the very instant it names.
struct GuidanceRules {
    // Of the state no more than the rules need: it has many references, and each copy counts them all.
    private let status: SessionStatus
    private let isAbandoned: Bool
    private let enrichment: Enrichment
    private let summary: FactSummary
    private let settings: GuidanceSettings
    private let now: Instant
    /// From when on the session has its status, for waits.
    private let since: Instant?
    /// The nearest time limit, of those asked for, that is still to come.
    private(set) var changesAt: Instant?

    init(_ record: SessionRecord, now: Instant, settings: GuidanceSettings) {
        status = record.state.status
        isAbandoned = record.state.abandonedAt != nil
        enrichment = record.state.enrichment
        summary = FactSummary(record, settings)
        self.settings = settings
        self.now = now
        // When the status began: hearing of it again must not make anybody wait longer.
        since = record.state.sinceIndex.map { FactSummary.reference(record.facts[$0]) }
    }

    private mutating func isOver(_ limit: Instant) -> Bool {
        if now >= limit { return true }
        changesAt = min(changesAt ?? limit, limit)
        return false
    }

    private var startLimit: Instant? {
        (summary.startRequestedAt ?? since)?.adding(seconds: settings.startTimeoutSeconds)
    }

    private mutating func hasStartTimedOut() -> Bool {
        startLimit.map { isOver($0) } ?? false
    }

    mutating func effectiveStatus() -> SessionStatus {
        switch status {
        case .unknown, .other: .failed
        case .created, .waitingToStart: hasStartTimedOut() ? .failed : status
        default: status
        }
    }

    /// Whether the session was started remotely, and so can be stopped remotely: the Drive API tells, callbacks do not.
    /// What only happens to remote sessions tells as well. nil: not known.
    private var isRemote: Bool? {
        if let type = enrichment.string(.chargingKeyType) { return type.lowercased() == "virtual" }
        return summary.isRemote ? true : nil
    }

    func stop() -> Guidance.Action {
        switch status {
        case .stopped, .complete, .refunded: return .init(false, .alreadyStopped)
        default: break
        }
        if isRemote == false { return .init(false, .localSession) }
        let action = stopByStatus()
        return action.isAllowed && isRemote == nil ? .init(false, .keyTypeUnknown) : action
    }

    private func stopByStatus() -> Guidance.Action {
        switch status {
        case .created, .waitingToStart: return .init(false, .notStarted)
        case .started: return .init(true, .sessionOngoing)
        // Sending it again does no harm, and not being able to may cost money.
        case .waitingToStop: return .init(true, .stopInProgress)
        case .stopFailed: return .init(true, .stopCanBeRetried)
        case .failed: return summary.hasCharged ? .init(true, .mayStillCharge) : .init(false, .notStarted)
        // Something happens at the charger of which no status is known.
        default: return .init(true, .mayStillCharge)
        }
    }

    mutating func startAnother(connectorStartedAt: Instant?) -> Guidance.Action {
        var action = startAnotherByStatus()
        var start = summary.startRequestedAt
        if let other = connectorStartedAt { start = max(start ?? other, other) }
        if let limit = start?.adding(seconds: settings.connectorCooldownSeconds), !isOver(limit),
            limit > action.notBefore ?? .earliest
        {
            action = .init(false, .cooldown, notBefore: limit)
        }
        return action
    }

    private mutating func startAnotherByStatus() -> Guidance.Action {
        if isAbandoned { return .init(true, .sessionAbandoned) }
        switch status {
        case .created, .waitingToStart:
            guard let limit = startLimit, !isOver(limit) else { return .init(true, .startTimedOut) }
            return .init(false, .startInProgress, notBefore: limit)
        case .failed:
            // Asking for a stop, just in case, must not make the user wait longer.
            guard let limit = summary.failedSince?.adding(seconds: settings.failedStartWaitSeconds), !isOver(limit)
            else { return .init(true, .startFailed) }
            return .init(false, .cooldownAfterFailedStart, notBefore: limit)
        case .stopFailed:
            // From the first failure on: trying again must not make the user wait longer.
            guard let limit = summary.firstStopFailedAt?.adding(seconds: settings.stopFailedGraceSeconds),
                !isOver(limit)
            else { return .init(true, .stopFailedTooLong) }
            return .init(false, .stopFailedRecently, notBefore: limit)
        case .stopped, .complete, .refunded: return .init(true, .sessionEnded)
        case .unknown, .other: return .init(true, .statusUnknown)
        case .started, .waitingToStop: return .init(true, .severalSessionsAllowed)
        }
    }

    mutating func abandon() -> Guidance.Action {
        switch status {
        case .stopped, .complete, .refunded: return .init(false, .sessionEnded)
        default: break
        }
        if isAbandoned { return .init(false, .alreadyAbandoned) }
        switch status {
        case .created, .waitingToStart:
            return hasStartTimedOut()
                ? .init(true, .startTimedOut) : .init(false, .startInProgress, notBefore: startLimit)
        case .started:
            if hasFailedToStop { return .init(true, .stopFailedRepeatedly) }
            guard let limit = summary.startedAt?.adding(seconds: settings.startedHoursMax * 3600), !isOver(limit) else {
                return .init(true, .startedTooLong)
            }
            return .init(false, .notStuck)
        case .waitingToStop:
            return stuck(from: since, reason: .stopTimedOut, before: .stopInProgress)
        case .stopFailed:
            if hasFailedToStop { return .init(true, .stopFailedRepeatedly) }
            return stuck(from: summary.firstStopFailedAt, reason: .stopFailedTooLong, before: .stopCanBeRetried)
        default:
            return .init(false, .notStuck)
        }
    }

    /// "If a session doesn't stop correctly after a few tries": failed ones, and ignored ones.
    private var hasFailedToStop: Bool { summary.failedStops >= settings.stopTriesBeforeAbandon }

    private mutating func stuck(
        from start: Instant?, reason: Guidance.Reason, before: Guidance.Reason
    ) -> Guidance.Action {
        guard let limit = start?.adding(seconds: settings.stopFailedGraceSeconds), !isOver(limit) else {
            return .init(true, reason)
        }
        return .init(false, before, notBefore: limit)
    }

    func retryPayment() -> Guidance.Action {
        switch status {
        case .refunded: return .init(false, .paymentRefunded)
        case .complete: break
        default: return .init(false, .notComplete)
        }
        return switch enrichment.string(.balanceStatus) {
        case "DEBT": .init(true, .paymentInDebt)
        case "PAID": .init(false, .paymentSettled)
        case "PROCESSING": .init(false, .paymentProcessing)
        case "REFUND": .init(false, .paymentRefunded)
        default: .init(false, .paymentUnknown)
        }
    }
}
