internal import Base
internal import Logging

/// What a receiver does once a second beside shipping and pulling: says that it is there, looks how the database is, and
/// heals what the shared log has lost.
final class Upkeep: Sendable {
    /// The lease of whoever leads.
    static let leadership = "leader"
    private static let leaseMilliseconds: Int64 = 5_000
    private static let cycleSeconds = 1
    /// Cycles between two looks at what changes slowly.
    private static let slowCycles = 10

    private let shared: SharedLogContext
    private let log: any ReplicatedLog
    private let coordinator: Coordinator
    private let heads: Heads
    private let leases: Leases
    private let receivers: Receivers
    private let claims: Claims
    private let acceptance: Acceptance
    private let backlog: OwnBacklog
    private let healer: Healer

    init(
        _ shared: SharedLogContext, log: any ReplicatedLog, coordinator: Coordinator, heads: Heads, leases: Leases,
        receivers: Receivers, claims: Claims, acceptance: Acceptance, backlog: OwnBacklog
    ) {
        self.shared = shared
        self.log = log
        self.coordinator = coordinator
        self.heads = heads
        self.leases = leases
        self.receivers = receivers
        self.claims = claims
        self.acceptance = acceptance
        self.backlog = backlog
        healer = Healer(shared, log: log)
    }

    /// Until the task is cancelled.
    func run() async {
        var cycle = 0
        while !Task.isCancelled {
            await heads.lookAgain()
            do {
                try await lead()
                try await look(slowly: cycle % Self.slowCycles == 0)
                cycle += 1
            } catch {
                shared.status.update { $0.isLeader = false }
            }
            try? await Task.sleep(for: .seconds(Self.cycleSeconds))
        }
    }

    /// Lets another one lead at once.
    func giveBack() async {
        guard shared.status.condition.isLeader else { return }
        shared.status.update { $0.isLeader = false }
        try? await coordinator.perform { [leases] (connection) throws(PostgresError) in
            try leases.giveBack(Self.leadership, connection)
        }
    }

    private func lead() async throws {
        let epoch = try await coordinator.perform { [leases] (connection) throws(PostgresError) in
            try leases.take(Self.leadership, milliseconds: Self.leaseMilliseconds, connection)
        }
        shared.status.update { $0.isLeader = epoch != nil }
        try await coordinator.perform { [healer] (connection) throws(PostgresError) in
            if epoch != nil { try healer.setBack(connection) }
            try healer.heal(connection)
        }
    }

    /// Says how things are here.
    func look(slowly: Bool) async throws {
        let (settings, fingerprints) = (shared.settings, shared.fingerprints.withLock { $0 })
        let (state, frontier, origin) = (shared.memory.current, log.frontier, log.origin)
        let unshipped = state.own.reduce(0) { sum, own in
            sum + max(0, log.last(of: own.identity) - shared.status.confirmed(own.identity))
        }
        let text = frontier.compactMap { origin, sequence in state.numbers[origin].map { ($0, sequence) } }
            .sorted { $0.0 < $1.0 }.map { "\($0.0):\($0.1)" }.joined(separator: " ")
        let oldest = unshipped > 0 ? backlog.oldestMicroseconds : nil
        let oldestAge = oldest.map { max(1, (SystemClock.now().microsecondsSince1970 - $0) / 1_000) } ?? 0
        try await coordinator.perform { [receivers, claims, acceptance] (connection) throws(PostgresError) in
            try receivers.note(
                settings, fingerprints: fingerprints, origin: origin, frontier: text, unshipped: unshipped,
                oldestUnshippedMilliseconds: oldestAge, isAccepting: acceptance.isAccepting, connection)
            try acceptance.tell(settings.name, connection)
            if slowly {
                try claims.expire(connection)
                try acceptance.expire(connection)
            }
        }
        guard slowly else { return }
        try await lookAtDatabase()
        try await compareSecrets()
        for own in state.own where own.confirmed < shared.status.confirmed(own.identity) {
            let confirmed = shared.status.confirmed(own.identity)
            try shared.remember(own.identity) { $0.confirmed = max($0.confirmed, confirmed) }
        }
    }

    /// How many standbys a commit waits for, and how long the oldest snapshot is open. A role without the right to see
    /// that sees none, and says so by null.
    private func lookAtDatabase() async throws {
        let (standbys, seconds) = try await coordinator.perform { (connection) throws(PostgresError) in
            let result = try connection.execute(
                """
                select (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')),
                    (select coalesce(max(extract(epoch from clock_timestamp() - xact_start)) * 1000, 0)::int8
                        from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid())
                """)
            return (Int(result.integer(0, 0)), Double(result.integer(0, 1)) / 1_000)
        }
        shared.status.update { condition in
            condition.synchronousStandbys = standbys
            condition.oldestSnapshotSeconds = seconds
        }
    }

    /// Secrets must agree: a callback that one receiver accepts and another does not is lost at the other.
    private func compareSecrets() async throws {
        let known = try await coordinator.perform { [receivers] (connection) throws(PostgresError) in
            try receivers.list(connection)
        }
        let own = shared.fingerprints.withLock { $0 }
        var mismatches: [String: [String]] = [:]
        for receiver in known where receiver.name != shared.name && receiver.secondsSinceSeen < 60 {
            // One that only one of them has is no better.
            let names = Set(own.keys).union(receiver.fingerprints.keys)
            let differing = names.filter { own[$0] != receiver.fingerprints[$0] }
            if !differing.isEmpty { mismatches[receiver.name] = differing.sorted() }
        }
        let before = shared.status.condition.mismatches
        shared.status.update { $0.mismatches = mismatches }
        guard mismatches != before else { return }
        for (name, secrets) in mismatches {
            shared.logger.error(
                "another receiver has other secrets: what one of them accepts the other refuses",
                metadata: ["receiver": "\(name)", "secrets": "\(secrets.joined(separator: ", "))"])
        }
    }
}
