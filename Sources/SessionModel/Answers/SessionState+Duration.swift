package import Base

extension SessionState {
    /// How long the session has run, as the Drive API writes it: from its start to its stop, or to `now` while it runs, in
    /// whole seconds. nil where either is not known.
    func duration(at now: Instant?) -> String? {
        guard let start = startTime else { return nil }
        let end = isRunning ? now : stopTime
        guard let microseconds = end?.microseconds(since: start), microseconds >= 0 else { return nil }
        return ISODuration.text(microseconds: isRunning ? microseconds / 1_000_000 * 1_000_000 : microseconds)
    }

    /// When the duration that is shown at an instant will be another by time alone; nil where it will not.
    package func durationChangesAt(_ now: Instant) -> Instant? {
        guard isRunning, enrichment[.duration] == nil, let start = startTime else { return nil }
        // There is none before the start, as a clock that is behind has it.
        guard now >= start else { return start }
        return start.adding(seconds: now.microseconds(since: start) / 1_000_000 + 1)
    }

    private var isRunning: Bool {
        switch status {
        case .started, .waitingToStop, .stopFailed: true
        default: false
        }
    }
}

/// A duration as the Drive API writes it (ISO 8601): `PT12.333S`, `PT15M`, `PT1H2M3S`. To the millisecond.
package enum ISODuration {
    package static func text(microseconds: Int64) -> String {
        let milliseconds = max(microseconds, 0) / 1000
        let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60)
        let (seconds, fraction) = (milliseconds / 1000 % 60, milliseconds % 1000)
        var text = "PT"
        if hours > 0 { text += "\(hours)H" }
        if minutes > 0 { text += "\(minutes)M" }
        if fraction > 0 {
            let digits = String(fraction + 1000).dropFirst()
            text += "\(seconds).\(digits[...(digits.lastIndex { $0 != "0" } ?? digits.startIndex)])S"
        } else if seconds > 0 || text == "PT" {
            text += "\(seconds)S"
        }
        return text
    }
}
