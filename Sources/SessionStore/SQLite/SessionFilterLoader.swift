internal import Dispatch
internal import Logging
internal import Synchronization

/// Tells the filter of the sessions on disk, behind the start and in small steps: until it is done, every session may be
/// stored, which is slower and just as right.
///
/// `@unchecked Sendable`: the connection belongs to `queue`; the rest is atomic or constant.
final class SessionFilterLoader: @unchecked Sendable {
    private static let rowsPerStep = 8_192

    private let queue = DispatchQueue(label: "chargefold.store.filter", qos: .utility)
    private let folder: Folder
    private let logger: Logger
    private let isCancelled = Atomic(false)
    private var database: Database?
    private var page: Statement?

    init(folder: Folder, logger: Logger) {
        self.folder = folder
        self.logger = logger
    }

    /// Opens a connection of its own and begins.
    func start(path: String, mode: Database.Mode, virtualFileSystem: String?) throws(SQLiteError) {
        let database = try Database(path: path, mode: mode, virtualFileSystem: virtualFileSystem)
        try database.execute(DerivedSchema.readerPragmas)
        let page = try database.prepare(
            "SELECT session_id FROM sessions WHERE session_id > ?1 ORDER BY session_id LIMIT \(Self.rowsPerStep)")
        database.confine(to: queue)
        queue.sync {
            self.database = database
            self.page = page
        }
        queue.async { self.step(after: "") }
    }

    private func step(after previous: String) {
        guard !isCancelled.load(ordering: .relaxed), let page else { return }
        var hashes: [UInt64] = []
        hashes.reserveCapacity(Self.rowsPerStep)
        var last = previous
        do throws(SQLiteError) {
            page.bind(1, text: previous)
            while try page.step() {
                hashes.append(SessionFilter.hash(page.bytes(0)))
                if hashes.count == Self.rowsPerStep { last = page.text(0) }
            }
        } catch {
            // Lookups go on as without a filter.
            return logger.warning("new sessions are looked up on disk", metadata: ["reason": "\(error)"])
        }
        let isDone = hashes.count < Self.rowsPerStep
        if isDone { finish() }
        folder.queue.async { [folder, hashes, last] in
            folder.learn(hashes, isDone: isDone)
            guard !isDone else { return }
            self.queue.async { self.step(after: last) }
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
