package import Base

/// Something about a session that does not look as it should. The codes are part of the interface.
package enum Anomaly: String, Sendable, Hashable, CaseIterable {
    case startedMissing = "STARTED_MISSING"
    case stoppedMissing = "STOPPED_MISSING"
    case revivedAfterFailure = "REVIVED_AFTER_FAILURE"
    case userIdConflict = "USER_ID_CONFLICT"
    case startedTooLong = "STARTED_TOO_LONG"
    case timestampInFuture = "TIMESTAMP_IN_FUTURE"
    case stoppedBeforeStarted = "STOPPED_BEFORE_STARTED"
    case recordEndsBeforeStart = "RECORD_ENDS_BEFORE_START"
    case negativeEnergy = "NEGATIVE_ENERGY"
    case recordTimesDisagree = "RECORD_TIMES_DISAGREE"
    case recordEnergyDisagrees = "RECORD_ENERGY_DISAGREES"
    case recordPriceDisagrees = "RECORD_PRICE_DISAGREES"
    case startTimedOut = "START_TIMED_OUT"
    case stopFailingTooLong = "STOP_FAILING_TOO_LONG"

    /// A sentence for people.
    package var explanation: StaticString {
        switch self {
        case .startedMissing: "The session has ended, but nothing told of its start: an event may be lost."
        case .stoppedMissing: "The session is complete, but nothing told that it stopped: an event may be lost."
        case .revivedAfterFailure: "The start was reported as failed, and yet the session went on."
        case .userIdConflict: "The facts about the session name different users."
        case .startedTooLong: "The session started long ago, and nothing told of its end."
        case .timestampInFuture: "An event was dated later than the time at which it was received."
        case .stoppedBeforeStarted: "The session stopped before it started, as its facts have it."
        case .recordEndsBeforeStart: "A charge detail record ends before it starts."
        case .negativeEnergy: "A fact about the session tells of less than no energy."
        case .recordTimesDisagree: "The charge detail record starts or ends at another time than the session."
        case .recordEnergyDisagrees: "The charge detail record has another energy than the Drive API's session."
        case .recordPriceDisagrees: "The charge detail record has another price than the Drive API's session."
        case .startTimedOut: "The start was asked for some time ago, and nothing told what became of it."
        case .stopFailingTooLong: "The first failure to stop the session was some time ago, and it has not stopped."
        }
    }

    /// The anomalies of a session at an instant, in the order of the cases. Which depend on `now` says `dependsOnTime`.
    package static func all(
        of record: SessionRecord, now: Instant, settings: GuidanceSettings = GuidanceSettings()
    ) -> [Anomaly] {
        let summary = FactSummary(record, settings)
        var found: [Anomaly] = []
        if summary.wasSaidToEnd, record.state.startTime == nil { found.append(.startedMissing) }
        if summary.hasComplete, record.state.stopTime == nil { found.append(.stoppedMissing) }
        if summary.hasFailed, record.state.status.rank >= SessionStatus.started.rank {
            found.append(.revivedAfterFailure)
        }
        if record.state.userIdConflict { found.append(.userIdConflict) }
        if let limit = Anomaly.startedTooLong.begins(record, settings), now >= limit { found.append(.startedTooLong) }
        if summary.isAheadOfTime { found.append(.timestampInFuture) }
        found += record.contradictions
        for anomaly in [Anomaly.startTimedOut, .stopFailingTooLong] {
            if let limit = anomaly.begins(record, settings), now >= limit { found.append(anomaly) }
        }
        return found
    }

    /// When the anomalies will change by time alone, if they will.
    package static func changesAt(of record: SessionRecord, now: Instant, settings: GuidanceSettings) -> Instant? {
        allCases.compactMap { $0.begins(record, settings) }.filter { now < $0 }.min()
    }

    /// How long something lasts until it is the anomaly, in seconds; nil for those that do not depend on time.
    package func patienceSeconds(_ settings: GuidanceSettings) -> Int64? {
        switch self {
        case .startedTooLong: settings.startedHoursMax * 3600
        case .startTimedOut: settings.startTimeoutSeconds
        case .stopFailingTooLong: settings.stopFailedGraceSeconds
        default: nil
        }
    }

    /// Whether it comes and goes by time alone.
    package var dependsOnTime: Bool { patienceSeconds(GuidanceSettings()) != nil }

    /// From when on the session has the anomaly, as far as that is for time to tell.
    private func begins(_ record: SessionRecord, _ settings: GuidanceSettings) -> Instant? {
        guard let seconds = patienceSeconds(settings) else { return nil }
        let since: Instant? =
            switch self {
            case .startedTooLong: record.startedSince
            case .startTimedOut: record.startingSince
            case .stopFailingTooLong: record.stopFailingSince
            default: nil
            }
        return since?.adding(seconds: seconds)
    }

    /// Writes the member `anomalies` into the object that is open; nothing where there are none.
    package static func writeMember(_ anomalies: [Anomaly], to writer: inout JSONWriter) {
        guard !anomalies.isEmpty else { return }
        writer.key("anomalies")
        writer.beginArray()
        for anomaly in anomalies {
            writer.beginObject()
            writer.field("code", anomaly.rawValue)
            writer.field("explanation", anomaly.explanation)
            writer.endObject()
        }
        writer.endArray()
    }
}
