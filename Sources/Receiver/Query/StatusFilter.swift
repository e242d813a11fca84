internal import Base
import SessionModel

/// Statuses as lists are asked for them: as they are, and as drivers are shown them.
enum StatusFilter {
    /// Of a text such as `STARTED,STOP_FAILED`; nil where there is none, or `*`: all.
    static func names(_ text: String?) -> Set<String>? {
        guard let text, !text.isEmpty, text != "*" else { return nil }
        return Set(text.split(separator: ",").map { String($0.filter { $0 != " " }) })
    }

    /// Whether a session is shown with one of these statuses at an instant.
    static func condition(
        _ effective: Set<String>?, now: Instant, _ settings: GuidanceSettings
    ) -> @Sendable (SessionRecord) -> Bool {
        guard let effective else { return { _ in true } }
        return { effective.contains($0.effectiveStatus(at: now, settings: settings).status.name) }
    }
}
