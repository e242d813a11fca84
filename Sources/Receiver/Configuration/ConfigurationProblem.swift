/// Where a value stood.
package enum ConfigurationOrigin: Sendable, Equatable, CustomStringConvertible {
    case option(name: String)
    case environment(name: String)
    case file(path: String, line: Int?)
    case builtIn

    package var description: String {
        switch self {
        case .option(let name): "option \(name)"
        case .environment(let name): "environment \(name)"
        case .file(let path, let line): line.map { "\(path):\($0)" } ?? path
        case .builtIn: "default"
        }
    }
}

/// One thing that is wrong, or unwise, in the configuration. Never holds a secret.
package struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
    /// The key, or as much of one as there is; `nil` when it is about a whole file.
    package let key: String?
    /// `nil`: about what is missing.
    package let origin: ConfigurationOrigin?
    /// What is wrong and what is allowed.
    package let message: String

    init(_ key: String?, _ origin: ConfigurationOrigin? = nil, _ message: String) {
        self.key = key
        self.origin = origin
        self.message = message
    }

    package var description: String {
        let place = origin.map { key == nil ? "\($0)" : " (\($0))" } ?? ""
        return "\(key ?? "")\(place): \(message)"
    }
}

/// Everything that is wrong with a configuration, so that it can be put right in one go.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// Never empty.
    package let problems: [ConfigurationProblem]

    package init(problems: [ConfigurationProblem]) {
        self.problems = problems
    }

    package var description: String {
        "the configuration has \(problems.count == 1 ? "a problem" : "\(problems.count) problems"):\n"
            + lines
    }

    /// A line a problem.
    package var lines: String { problems.map { "  - \($0)" }.joined(separator: "\n") }
}

/// Finds what somebody may have meant.
enum NearMiss {
    /// The candidate that `text` is most likely a misspelling of: the nearest one if it is near, or the only one that
    /// begins so, or the first of a few, or the shortest of a few with the same last part.
    /// - Parameter candidates: in the order of the table, in which what most need stands first.
    static func suggestion(for text: String, among candidates: [String], separator: Character) -> String? {
        let wanted = text.lowercased()
        let changesMax = max(2, wanted.utf8.count / 6)
        if let nearest = NearestName.nearest(to: wanted, among: candidates, changesMax: changesMax) { return nearest }
        // A name cut short, as CHARGEFOLD_DATA_DIR; or one of a few that lacks its last word, as CHARGEFOLD_WEBHOOK_SECRET.
        let longer = candidates.filter { $0.lowercased().hasPrefix(wanted) }
        if (1...4).contains(longer.count), wanted.utf8.count > 12 { return longer.first }
        let lastPart = wanted.split(separator: separator).last
        let alike = candidates.filter { $0.lowercased().split(separator: separator).last == lastPart }
        // Of several, the plainest: CHARGEFOLD_TOKEN means CHARGEFOLD_API_TOKEN, not the one of operators.
        return alike.count <= 3 ? alike.min { $0.utf8.count < $1.utf8.count } : nil
    }
}
