package import Base

/// What an app should let its user do with a session now. Worked out for an instant, never stored.
package struct Guidance: Sendable, Equatable {
    /// Stable codes, part of the interface.
    package enum Reason: String, Sendable, Hashable, CaseIterable {
        case notStarted = "NOT_STARTED"
        case startInProgress = "START_IN_PROGRESS"
        case startTimedOut = "START_TIMED_OUT"
        case startFailed = "START_FAILED"
        case cooldown = "COOLDOWN"
        case cooldownAfterFailedStart = "COOLDOWN_AFTER_FAILED_START"
        case sessionOngoing = "SESSION_ONGOING"
        case mayStillCharge = "MAY_STILL_CHARGE"
        case localSession = "LOCAL_SESSION"
        case keyTypeUnknown = "KEY_TYPE_UNKNOWN"
        case stopInProgress = "STOP_IN_PROGRESS"
        case stopCanBeRetried = "STOP_CAN_BE_RETRIED"
        case stopTimedOut = "STOP_TIMED_OUT"
        case stopFailedRecently = "STOP_FAILED_RECENTLY"
        case stopFailedTooLong = "STOP_FAILED_TOO_LONG"
        case stopFailedRepeatedly = "STOP_FAILED_REPEATEDLY"
        case alreadyStopped = "ALREADY_STOPPED"
        case sessionEnded = "SESSION_ENDED"
        case nothingInTheWay = "NOTHING_IN_THE_WAY"
        case severalSessionsAllowed = "SEVERAL_SESSIONS_ALLOWED"
        case statusUnknown = "STATUS_UNKNOWN"
        case sessionAbandoned = "SESSION_ABANDONED"
        case alreadyAbandoned = "ALREADY_ABANDONED"
        case startedTooLong = "STARTED_TOO_LONG"
        case notStuck = "NOT_STUCK"
        case paymentInDebt = "PAYMENT_IN_DEBT"
        case paymentProcessing = "PAYMENT_PROCESSING"
        case paymentSettled = "PAYMENT_SETTLED"
        case paymentRefunded = "PAYMENT_REFUNDED"
        case paymentUnknown = "PAYMENT_UNKNOWN"
        case notComplete = "NOT_COMPLETE"
    }

    package struct Action: Sendable, Equatable {
        package var isAllowed: Bool
        package var reason: Reason
        /// Where the action is not allowed yet: when it will be.
        package var notBefore: Instant?

        init(_ isAllowed: Bool, _ reason: Reason, notBefore: Instant? = nil) {
            self.isAllowed = isAllowed
            self.reason = reason
            self.notBefore = notBefore
        }

        /// Whether another start that is not allowed here is allowed on every other connector: a start must not keep its
        /// user from charging somewhere else.
        package var isElsewhereAllowed: Bool {
            !isAllowed && (reason == .cooldown || reason == .startInProgress)
        }
    }

    /// The status to go by: a start that takes too long, and every status that is not known, read as `FAILED`.
    package let effectiveStatus: SessionStatus
    package let stop: Action
    /// Another start. `COOLDOWN` and `START_IN_PROGRESS` concern the session's connector only: elsewhere it may be started.
    package let startAnother: Action
    package let abandon: Action
    package let retryPayment: Action
    /// Where the session was started, as far as known.
    package let connectorId: String?
    /// When this guidance will change by time alone, if it will.
    package let changesAt: Instant?

    /// - Parameters:
    ///   - connectorStartedAt: when a session was last started on the same connector, where somebody knows of a later
    ///     start than this session's.
    package init(
        _ record: SessionRecord, now: Instant, settings: GuidanceSettings = GuidanceSettings(),
        connectorStartedAt: Instant? = nil
    ) {
        var rules = GuidanceRules(record, now: now, settings: settings)
        effectiveStatus = rules.effectiveStatus()
        stop = rules.stop()
        startAnother = rules.startAnother(connectorStartedAt: connectorStartedAt)
        abandon = rules.abandon()
        retryPayment = rules.retryPayment()
        connectorId = record.state.enrichment.string(.connectorId)
        changesAt = rules.changesAt
    }

    /// Writes the members `effectiveStatus` and `actions` into the object that is open.
    package func writeMembers(to writer: inout JSONWriter) {
        writer.key("effectiveStatus")
        writer.status(effectiveStatus)
        writer.key("actions")
        writer.beginObject()
        writer.action("stop", stop)
        writer.action(
            "startAnother", startAnother, connectorId: startAnother.isElsewhereAllowed ? connectorId : nil,
            isElsewhereAllowed: startAnother.isElsewhereAllowed)
        writer.action("abandon", abandon)
        writer.action("retryPayment", retryPayment)
        writer.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func action(
        _ name: StaticString, _ action: Guidance.Action, connectorId: String? = nil, isElsewhereAllowed: Bool = false
    ) {
        key(name)
        beginObject()
        field("allowed", action.isAllowed)
        field("notBefore", action.notBefore)
        field("reason", action.reason.rawValue)
        if let connectorId { field("connectorId", connectorId) }
        if isElsewhereAllowed { field("elsewhere", true) }
        endObject()
    }
}
