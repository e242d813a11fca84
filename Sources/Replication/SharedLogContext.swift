internal import Base
internal import Logging

/// What all who work on the shared log need.
final class SharedLogContext: Sendable {
    let settings: SharedLogSettings
    let schema: SharedLogSchema
    let memory: DirectoryMemory
    let status: SharedLogStatus
    let logger: Logger
    /// Keyed digests of secrets, by what they are for; they change while the receiver runs.
    let fingerprints: Locked<[String: String]>
    /// Raised when everything is to end.
    let interruption = Interruption()
    /// Of the host that answered last, which is asked first the next time: another one may be frozen.
    private let lastPlace = Locked(0)

    init(
        _ settings: SharedLogSettings, memory: DirectoryMemory, logger: Logger
    ) throws(PostgresError) {
        self.settings = settings
        self.memory = memory
        self.logger = logger
        fingerprints = Locked(settings.fingerprints)
        schema = try SharedLogSchema(settings.schema)
        status = SharedLogStatus(logger)
    }

    var name: String { settings.name }

    /// Opens a connection. Blocks.
    /// - Parameters:
    ///   - purpose: for `pg_stat_activity`.
    ///   - prepares: whether the tables are to be made or grown where they are not as they should be.
    ///   - isDurable: false where nothing that is written over the connection matters to anybody later.
    func connect(
        _ purpose: String, prepares: Bool = false, isDurable: Bool = true
    ) throws(PostgresError) -> PostgresConnection {
        let connection = try PostgresConnection(
            settings.postgres, name: "chargefold \(name) \(purpose)", first: lastPlace.withLock { $0 },
            interruption: interruption)
        lastPlace.withLock { $0 = connection.place }
        try connection.claimSession()
        // What is committed is committed on disk, and where there are synchronous standbys on theirs, whatever the
        // database's default is; `remote_apply` says more than that and stays.
        _ = try connection.execute(
            isDurable
                ? """
                select set_config('synchronous_commit', case current_setting('synchronous_commit')
                    when 'remote_apply' then 'remote_apply' else 'on' end, false)
                """ : "select set_config('synchronous_commit', 'off', false)")
        if prepares {
            let identity = try schema.prepare(connection, remembered: memory.current)
            try remember { $0.sharedLog = identity }
        }
        return connection
    }

    /// For commits: never given up while the database that answers still works on them. A commit may wait for a standby
    /// for as long as that is away, and to give up each second would leave a backend that waits each second.
    func patience(for backend: Int32) -> PostgresConnection.Patience {
        .unbounded(askMilliseconds: 2_000) {
            do throws(PostgresError) {
                let probe = try self.connect("probe", isDurable: false)
                let found = try probe.execute(
                    "select 1 from pg_stat_activity where pid = $1::int4 and application_name like 'chargefold %'",
                    [.int4(backend)], patience: .milliseconds(2_000))
                return found.rowCount > 0
            } catch {
                // Nothing answers, so nothing is gained by asking anew.
                return true
            }
        }
    }

    /// Changes what the directory remembers of the shared log.
    func remember(_ change: (inout DirectoryState) -> Void) throws(PostgresError) {
        try local { () throws(StoreError) in try memory.update(change) }
    }

    func remember(_ origin: Identity, _ change: (inout OwnOrigin) -> Void) throws(PostgresError) {
        try local { () throws(StoreError) in try memory.update(origin, change) }
    }

    /// Work of the data directory, whose errors end what is going on here in the same way.
    func local<Value>(_ work: () throws(StoreError) -> Value) throws(PostgresError) -> Value {
        do throws(StoreError) { return try work() } catch { throw PostgresError(.directory, error.message) }
    }

    /// An own origin is another's. What is received from now on gets a new one, and what is here of the old one is kept to
    /// be compared with what the shared log has.
    /// - Parameter through: what the shared log has of it.
    func giveUp(_ origin: Identity, log: any ReplicatedLog, shared through: Int64) throws(PostgresError) {
        let isCurrent = log.origin == origin
        if isCurrent { _ = try local { () throws(StoreError) in try log.beginOrigin() } }
        // Afterwards: nothing more comes under it.
        let last = log.last(of: origin)
        let current = log.origin
        try remember { state in
            let known = state.own.first { $0.identity == origin }?.confirmed ?? 0
            state.own.removeAll { $0.identity == origin }
            let shared = min(through, last)
            if last > known {
                state.contested.append(
                    ContestedOrigin(identity: origin, compared: known, shared: shared, moved: shared, last: last))
            }
            state.add(own: current)
        }
        logger.error(
            "this data directory is not the newest of its origin: it was restored from a copy, or is one. It goes on under a new origin",
            metadata: [
                "origin": "\(origin)", "last": "\(last)", "shared": "\(through)",
                "new": "\(isCurrent ? current.description : "")",
            ])
    }
}
