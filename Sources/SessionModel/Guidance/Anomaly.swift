/// Something about a session that does not look as it should. The codes are part of the interface.
package enum Anomaly: String, Sendable, Hashable, CaseIterable {
    case startedMissing = "STARTED_MISSING"
    case stoppedMissing = "STOPPED_MISSING"
    case revivedAfterFailure = "REVIVED_AFTER_FAILURE"
    case userIdConflict = "USER_ID_CONFLICT"
    case startedTooLong = "STARTED_TOO_LONG"
    case timestampInFuture = "TIMESTAMP_IN_FUTURE"

    /// A sentence for people.
    package var explanation: StaticString {
        switch self {
        case .startedMissing: "The session has ended, but nothing told of its start: an event may be lost."
        case .stoppedMissing: "The session is complete, but nothing told that it stopped: an event may be lost."
        case .revivedAfterFailure: "The start was reported as failed, and yet the session went on."
        case .userIdConflict: "The facts about the session name different users."
        case .startedTooLong: "The session started long ago, and nothing told of its end."
        case .timestampInFuture: "An event was dated later than the time at which it was received."
        }
    }

    /// The anomalies of a session at an instant, in the order of the cases. Only `startedTooLong` depends on `now`.
    package static func all(
        of record: SessionRecord, now: Instant, settings: GuidanceSettings = GuidanceSettings()
    ) -> [Anomaly] {
        let summary = FactSummary(record, settings)
        var found: [Anomaly] = []
        if summary.hasEnded, record.state.startTime == nil { found.append(.startedMissing) }
        if summary.hasComplete, record.state.stopTime == nil { found.append(.stoppedMissing) }
        if summary.hasFailed, record.state.status.rank >= SessionStatus.started.rank {
            found.append(.revivedAfterFailure)
        }
        if record.state.userIdConflict { found.append(.userIdConflict) }
        if let limit = startedTooLongFrom(record, settings), now >= limit { found.append(.startedTooLong) }
        if summary.isAheadOfTime { found.append(.timestampInFuture) }
        return found
    }

    /// When the anomalies will change by time alone, if they will.
    package static func changesAt(of record: SessionRecord, now: Instant, settings: GuidanceSettings) -> Instant? {
        startedTooLongFrom(record, settings).flatMap { now < $0 ? $0 : nil }
    }

    private static func startedTooLongFrom(_ record: SessionRecord, _ settings: GuidanceSettings) -> Instant? {
        record.startedSince?.adding(seconds: settings.startedTooLongHours * 3600)
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
