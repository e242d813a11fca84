internal import Dispatch
internal import Logging
internal import Synchronization

/// Tells the directory of the sessions on disk, behind the start and in small steps: until it is done, every session may be
/// stored, which is slower and just as right.
///
/// `@unchecked Sendable`: the connection belongs to `queue`; the rest is atomic or constant.
final class SessionFilterLoader: @unchecked Sendable {
    private static let rowsPerStep = 8_192

    private let queue = DispatchQueue(label: "chargefold.store.filter", qos: .utility)
    private let directory: SessionDirectory
    private let logger: Logger
    private let isCancelled = Atomic(false)
    private var database: Database?
    private var page: Statement?

    init(directory: SessionDirectory, logger: Logger) {
        self.directory = directory
        self.logger = logger
    }

    /// Opens a connection of its own and begins, with the newest part.
    func start(path: String, mode: Database.Mode, virtualFileSystem: String?) throws(SQLiteError) {
        let newest = directory.count - 1
        guard newest >= 0 else { return }
        let database = try Database(path: path, mode: mode, virtualFileSystem: virtualFileSystem)
        try database.execute(DerivedSchema.readerPragmas)
        let page = try database.prepare(
            """
            SELECT session_id FROM sessions INDEXED BY sessions_by_id
            WHERE part = ?1 AND session_id > ?2 ORDER BY session_id LIMIT \(Self.rowsPerStep)
            """)
        database.confine(to: queue)
        queue.sync {
            self.database = database
            self.page = page
        }
        queue.async { self.step(part: newest, after: "") }
    }

    private func step(part: Int, after previous: String) {
        guard !isCancelled.load(ordering: .relaxed), let page else { return }
        var hashes: [UInt64] = []
        hashes.reserveCapacity(Self.rowsPerStep)
        var last = previous
        do throws(SQLiteError) {
            page.bind(1, Int64(part))
            page.bind(2, text: previous)
            while try page.step() {
                hashes.append(SessionFilter.hash(page.bytes(0)))
                if hashes.count == Self.rowsPerStep { last = page.text(0) }
            }
        } catch {
            // Every part that is not complete is searched: slower, and just as right.
            return logger.warning("new sessions are looked up on disk", metadata: ["reason": "\(error)"])
        }
        let isDone = hashes.count < Self.rowsPerStep
        directory.learn(hashes, part: part, isDone: isDone)
        if isDone, part == 0 { return finish() }
        queue.async { [last] in self.step(part: isDone ? part - 1 : part, after: isDone ? "" : last) }
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
