internal import Base
internal import Logging

/// How things are with the shared log, for metrics and people.
package struct SharedLogCondition: Sendable, Equatable {
    /// Whether it answered when it was asked last.
    package var isReachable = false
    /// Why not; nil while all is well.
    package var failure: String?
    /// Own deliveries that are durable here and not confirmed there.
    package var unshipped: Int64 = 0
    /// When the oldest of them was received, microseconds since 1970; nil where there is none, or nobody knows.
    package var oldestUnshippedMicroseconds: Int64?
    /// Standbys that each commit waits for (`pg_stat_replication`); nil: not known.
    package var synchronousStandbys: Int?
    /// How long the oldest snapshot of the database has been open, in seconds: dead rows behind it stay.
    package var oldestSnapshotSeconds: Double?
    /// Commits that came with a warning, so that nobody knows whether a standby has them.
    package var warnings: Int64 = 0
    /// Things that must not be: gaps, places with two contents.
    package var alarms: Int64 = 0
    package var isLeader = false
    /// Whether so much of others' is still to be pulled that queries would be answered wrongly.
    package var isFarBehind = false
    /// Deliveries of others that are in the shared log and not here, when it was asked last.
    package var behind: Int64 = 0
    /// Receivers whose secrets are not ours, by name.
    package var mismatches: [String: [String]] = [:]
}

/// Collects it, and tells what changed in the log.
final class SharedLogStatus: Sendable {
    private struct State {
        var condition = SharedLogCondition()
        var confirmed: [Identity: Int64] = [:]
        var lastFailure = ""
        var told: Set<String> = []
    }

    private let state = Locked(State())
    private let logger: Logger

    init(_ logger: Logger) {
        self.logger = logger
    }

    var condition: SharedLogCondition { state.withLock { $0.condition } }
    func isRegistered(_ origin: Identity) -> Bool { state.withLock { $0.confirmed[origin] != nil } }
    func confirmed(_ origin: Identity) -> Int64 { state.withLock { $0.confirmed[origin] ?? 0 } }

    func reached() {
        let isNews = state.withLock { state in
            defer {
                state.condition.isReachable = true
                state.condition.failure = nil
                state.lastFailure = ""
            }
            return !state.condition.isReachable
        }
        if isNews { logger.notice("the shared log is reachable") }
    }

    func failed(_ error: PostgresError) {
        let isNews = state.withLock { state in
            defer {
                state.condition.isReachable = false
                state.condition.failure = error.message
                state.lastFailure = error.message
            }
            return state.lastFailure != error.message
        }
        guard isNews else { return }
        let isOurs = error.kind == .settings || error.kind == .directory
        logger.log(
            level: isOurs ? .error : .warning, "the shared log cannot be used; callbacks are taken and kept here",
            metadata: ["reason": "\(error.message)"])
    }

    func registered(_ origin: Identity, through sequence: Int64) {
        state.withLock { $0.confirmed[origin] = sequence }
        logger.info(
            "registered with the shared log", metadata: ["origin": "\(origin)", "shipped": "\(sequence)"])
    }

    func shipped(_ origin: Identity, through sequence: Int64) { state.withLock { $0.confirmed[origin] = sequence } }

    func sawWarning(_ notices: [PostgresNotice]) {
        state.withLock { $0.condition.warnings += 1 }
        logger.warning(
            "a commit of the shared log came with a warning: it counts as not replicated",
            metadata: ["warning": "\(notices.first { $0.isWarning }?.message ?? "")"])
    }

    /// Something that must not be. Told once for each origin.
    func alarm(_ what: String, _ origin: Identity) {
        let isNews = state.withLock { state in
            state.condition.alarms += 1
            return state.told.insert("\(what) \(origin)").inserted
        }
        if isNews {
            logger.critical(
                "the shared log is not as it must be", metadata: ["what": "\(what)", "origin": "\(origin)"])
        }
    }

    func update(_ change: (inout SharedLogCondition) -> Void) { state.withLock { change(&$0.condition) } }
}
