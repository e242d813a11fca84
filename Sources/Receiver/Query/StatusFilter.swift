internal import Base
import SessionModel

/// Statuses as lists are asked for them: as they are, and as drivers are shown them.
enum StatusFilter {
    /// Of a text such as `STARTED,STOP_FAILED`; nil where there is none, or `*`: all.
    /// - Parameter name: the parameter's, for `problem`.
    /// - Throws: `problem`, see ``check(_:_:_:)``.
    static func names(_ text: String?, _ name: String, _ problem: Problem) throws(Problem) -> Set<String>? {
        guard let text, !text.isEmpty, text != "*" else { return nil }
        let names = Set(text.split(separator: ",").map { String($0.filter { $0 != " " }) })
        try check(names, name, problem)
        return names
    }

    /// Refuses what is nearly the name of a status, case included: it would find nothing, and be taken for "there is none".
    /// Any other name is allowed, as the Drive API may have statuses that are new to us; those are found under `FAILED` as well.
    static func check(_ names: Set<String>, _ parameter: String, _ problem: Problem) throws(Problem) {
        let known = SessionStatus.known.map(\.name)
        for name in names.sorted() where !known.contains(name) {
            guard let meant = NearestName.nearest(to: name, among: known) else { continue }
            throw problem.with(detail: "\(parameter): there is no status \(name.prefix(64)). Did you mean \(meant)?")
        }
    }

    /// Whether a session is shown with one of these statuses at an instant.
    static func condition(
        _ effective: Set<String>?, now: Instant, _ settings: GuidanceSettings
    ) -> @Sendable (SessionRecord) -> Bool {
        guard let effective else { return { _ in true } }
        return { effective.contains($0.effectiveStatus(at: now, settings: settings).status.name) }
    }
}
