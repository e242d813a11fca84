/// What a receiver is told of its shared log.
package struct SharedLogSettings: Sendable {
    /// When a callback is answered.
    package enum Acknowledge: String, Sendable, CaseIterable {
        /// Synced here and committed there, unless the database takes too long.
        case replicated
        /// Synced here.
        case local
    }

    /// What a query sees.
    package enum Reads: String, Sendable, CaseIterable {
        /// All that any receiver has acknowledged as replicated.
        case strict
        /// What is here.
        case local
    }

    package var postgres: PostgresSettings
    /// This receiver's name, one of its own among the receivers.
    package var name: String
    package var schema = "chargefold"
    package var acknowledge = Acknowledge.replicated
    package var localAfterMilliseconds = 500
    package var reads = Reads.strict
    /// This release, for people.
    package var version = ""
    /// Keyed digests of secrets that all receivers must have in common, by what they are for, at the start. Not the secrets.
    package var fingerprints: [String: String] = [:]

    package init(postgres: PostgresSettings, name: String) {
        self.postgres = postgres
        self.name = name
    }
}
