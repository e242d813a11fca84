internal import Dispatch
internal import Logging
internal import SQLite
internal import Synchronization

/// Tells the filters of the sessions on disk, behind the start and in small steps. Until a partition is filled every session may
/// have a row in it, which is slower and just as right.
///
/// `@unchecked Sendable`: the connection belongs to `queue`; the rest is atomic or constant.
final class PartitionFilterLoader: @unchecked Sendable {
    private static let rowsPerStep = 8_192

    private let queue = DispatchQueue(label: "chargefold.index.filters", qos: .utility)
    private let filters: PartitionFilters
    private let logger: Logger
    private let isCancelled = Atomic(false)
    private var database: Database?
    private var page: Statement?

    init(filters: PartitionFilters, logger: Logger) {
        self.filters = filters
        self.logger = logger
    }

    /// Opens a connection of its own and begins, with the newest partition, which is filled when this returns: the tail of the
    /// log, which is folded next, is full of sessions that are new or have their row there.
    func start(path: String, mode: Database.Mode, virtualFileSystem: String?) throws(SQLiteError) {
        var partitions = filters.incomplete
        guard let newest = partitions.popLast() else { return }
        let database = try Database(path: path, mode: mode, virtualFileSystem: virtualFileSystem)
        try database.execute(RowSchema.readerPragmas)
        let page = try database.prepare(
            """
            SELECT session_id FROM sessions INDEXED BY sessions_by_id
            WHERE partition = ?1 AND session_id > ?2 ORDER BY session_id LIMIT \(Self.rowsPerStep)
            """)
        database.confine(to: queue)
        queue.sync {
            self.database = database
            self.page = page
            var after: String? = ""
            while let last = after { after = fill(newest, after: last) }
        }
        queue.async { [partitions] in self.goOn(partitions) }
    }

    /// Fills a partition a step further.
    /// - Returns: the session to go on after; nil when the partition is filled, or cannot be.
    private func fill(_ partition: Int, after previous: String) -> String? {
        guard !isCancelled.load(ordering: .relaxed), let page else { return nil }
        var hashes: [UInt64] = []
        hashes.reserveCapacity(Self.rowsPerStep)
        var last = ""
        do throws(SQLiteError) {
            page.bind(1, Int64(partition))
            page.bind(2, text: previous)
            while try page.step() {
                hashes.append(SessionFilter.hash(page.bytes(0)))
                if hashes.count == Self.rowsPerStep { last = page.text(0) }
            }
        } catch {
            // A partition that is not complete is searched: slower, and just as right.
            logger.warning("new sessions are looked up on disk", metadata: ["reason": "\(error)"])
            return nil
        }
        let isDone = hashes.count < Self.rowsPerStep
        filters.learn(hashes, partition: partition, isDone: isDone)
        return isDone ? nil : last
    }

    /// - Parameter rest: the partitions that are still to be filled, the next one last.
    private func goOn(_ rest: [Int], after previous: String = "") {
        guard let partition = rest.last, !isCancelled.load(ordering: .relaxed) else { return finish() }
        let last = fill(partition, after: previous)
        queue.async { [self] in
            if let last { goOn(rest, after: last) } else { goOn(rest.dropLast()) }
        }
    }

    func close() {
        isCancelled.store(true, ordering: .relaxed)
        queue.sync { finish() }
    }

    private func finish() {
        page?.finalize()
        page = nil
        database?.close()
        database = nil
    }
}
