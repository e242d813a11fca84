package import SessionModel

/// When the Drive API is asked about a session. The limits of waiting are the seed's; the others are not documented
/// upstream, so all can be configured.
package struct ReconciliationSettings: Sendable, Hashable {
    /// False: the Drive API is asked about no session.
    package var enabled = true
    /// CREATED, WAITING_TO_START, WAITING_TO_STOP and STOP_FAILED for so long.
    package var waitingSeconds: Int64 = 120
    /// From the first that is heard of a session, from its completion and from a request of our own to a question: what
    /// callbacks do not tell is wanted at once. 0: no such question is asked.
    package var soonSeconds: Int64 = 2
    /// STARTED for so long without news.
    package var startedSilenceSeconds: Int64 = 1800
    /// STOPPED for so long without COMPLETE.
    package var stoppedSeconds: Int64 = 300
    /// COMPLETE, and the price or the outcome of the payment is not known: whoever charged waits for it in front of the app.
    package var completeSeconds: Int64 = 5
    /// FAILED, and whatever else a session may come back from.
    package var failedSeconds: Int64 = 600
    /// The wait doubles with each answer that brings no change of status, up to this.
    package var backOffSecondsMax: Int64 = 21_600
    /// Answers without a change of status after which a session is left alone, until something new is heard of it.
    package var triesMax = 16
    /// Open sessions are asked about within so many seconds after a downtime.
    package var spreadSeconds: Int64 = 30
    /// Sessions watched at the same time; further ones are looked up again when there is room.
    package var sessionsMax = 100_000
    /// Sessions that were created longer ago are left alone.
    package var giveUpDays: Int64 = 14
    /// A settled session is asked about once more after so long: it may have been refunded. 0: never.
    package var refundCheckHours: Int64 = 168
    /// A start whose outcome is not known is looked for after so long; the wait doubles each time.
    package var startLookUpSeconds: Int64 = 5
    /// Answers without a session that could be it, after which it is taken to have had no effect.
    package var startLookUpsMax = 6
    /// Calls under way or waiting at the same time.
    package var callsMax = 8

    package init() {}

    var refundCheckSeconds: Int64 { refundCheckHours * 3600 }

    /// Seconds from the last news to the first question.
    package func patienceSeconds(_ status: SessionStatus) -> Int64 {
        switch status {
        case .created, .waitingToStart, .waitingToStop, .stopFailed: waitingSeconds
        case .started: startedSilenceSeconds
        case .stopped: stoppedSeconds
        case .complete: completeSeconds
        case .failed, .unknown, .other, .refunded: failedSeconds
        }
    }
}
