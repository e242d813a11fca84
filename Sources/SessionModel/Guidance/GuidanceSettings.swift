internal import Base

/// The times that guidance and anomalies go by. The defaults are those of the Drive API's documentation (domain.md, "What
/// an integrator must be told"), where it names any.
package struct GuidanceSettings: Sendable, Hashable {
    /// A start that takes as long counts as failed ("allow up to two minutes").
    package var startTimeoutSeconds: Int64 = 120
    /// After a start, the CPO is asked for no other on the same connector for as long.
    package var connectorCooldownSeconds: Int64 = 60
    /// After a failed start, the user should wait as long.
    package var failedStartWaitSeconds: Int64 = 60
    /// A stop that has failed, or hangs, for as long must not keep the user from another session ("a few minutes").
    package var stopFailedGraceSeconds: Int64 = 180
    /// Failed stops after which the user may give the session up at once ("a few tries").
    package var stopTriesBeforeAbandon = 3
    /// A session that has been STARTED for as long, without an end, is suspicious. Not documented upstream.
    package var startedHoursMax: Int64 = 24
    /// How far ahead of our clock an event's may be. Not documented upstream.
    package var futureToleranceSeconds: Int64 = 60

    package init() {}
}

/// What guidance and anomalies need to know of a session's history: one pass over its facts.
struct FactSummary {
    /// When the start was asked for.
    var startRequestedAt: Instant?
    var firstStopFailedAt: Instant?
    /// From when on the session has been FAILED, tries to stop it aside.
    var failedSince: Instant?
    /// Tries to stop it that were said to have failed, or after which it was said to go on.
    var failedStops = 0
    /// When it started first.
    var startedAt: Instant?
    /// Some fact is only true of a session that was charging at some time.
    var hasCharged = false
    var hasFailed = false
    /// Some fact tells of an end, whatever the status is.
    var wasSaidToEnd = false
    var hasComplete = false
    /// Some fact is only true of a session that was started remotely (domain.md, "Statuses of a session").
    var isRemote = false
    /// A fact's timestamp lay ahead of the clock when it was received.
    var isAheadOfTime = false

    init(_ record: SessionRecord, _ settings: GuidanceSettings) {
        var isStopping = false
        for fact in record.facts {
            if fact.timestamp > fact.receivedAt.adding(seconds: settings.futureToleranceSeconds) {
                isAheadOfTime = true
            }
            let reference = Self.reference(fact)
            switch fact.status {
            case .waitingToStart, .waitingToStop, .stopFailed: isRemote = true
            default: break
            }
            switch fact.status {
            case .failed: failedSince = failedSince ?? reference
            case .waitingToStop, .stopFailed, nil: break
            default: failedSince = nil
            }
            switch fact.status {
            case .created, .waitingToStart:
                startRequestedAt = min(startRequestedAt ?? reference, reference)
            case .started:
                startedAt = startedAt ?? reference
                if isStopping { failedStops += 1 }
                hasCharged = true
            case .failed:
                hasFailed = true
            case .stopFailed:
                firstStopFailedAt = min(firstStopFailedAt ?? reference, reference)
                failedStops += 1
                hasCharged = true
            case .stopped:
                wasSaidToEnd = true
                hasCharged = true
            case .complete:
                wasSaidToEnd = true
                hasComplete = true
            default:
                break
            }
            if let status = fact.status { isStopping = status == .waitingToStop }
        }
    }

    /// The instant from which a wait counts: a clock that runs ahead at the other end must not make it any longer.
    static func reference(_ fact: Fact) -> Instant {
        min(fact.timestamp, fact.receivedAt)
    }
}
