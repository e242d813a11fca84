internal import Base
internal import Dispatch
internal import Logging
internal import SQLite
internal import Synchronization

/// Keeps the log's WAL bounded without making commits wait: the bulk of a checkpoint runs on a queue and a connection of
/// its own, and only its last few frames are copied between two commits, so that the next one starts the WAL over.
///
/// SQLite before 3.51.3 can corrupt a file when a checkpoint of a WAL that is already copied completely races with the
/// commit that starts the WAL over (<https://sqlite.org/wal.html#walresetbug>). Here that cannot happen: one checkpoint
/// runs at a time; the one beside the commits starts only while many frames are not copied yet, so no commit can start
/// the WAL over before it is done; and the last one runs on the committer's own queue.
///
/// `@unchecked Sendable`: the mutable state belongs to the committer's queue, the connection to `queue`.
final class LogCheckpointer: @unchecked Sendable {
    private let queue = DispatchQueue(label: "chargefold.store.checkpoint", qos: .utility)
    private unowned let committer: Committer
    private let database: Database
    private let logger: Logger
    private let framesStart: Int
    private let framesMax: Int

    // On the committer's queue.
    private var writer: LogWriter?
    private var isRunning = false
    private var passes = 0
    private var backfilled = 0
    private var framesBefore = 0
    private var hasFailed = false

    init(committer: Committer, writer: LogWriter, options: StoreOptions, logger: Logger) throws(SQLiteError) {
        self.committer = committer
        self.writer = writer
        self.logger = logger
        framesStart = options.checkpointFrames
        framesMax = options.checkpointFramesMax
        database = try Database(
            path: committer.path, mode: .readWriteCreate, virtualFileSystem: options.virtualFileSystem)
        try database.execute("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; PRAGMA cache_size = -64;")
        database.confine(to: queue)
    }

    /// After each commit, on the committer's queue.
    func committed() {
        guard let writer else { return }
        let frames = writer.frames
        if frames < framesBefore {
            // The WAL was started over.
            backfilled = 0
            passes = 0
        }
        framesBefore = frames
        guard !isRunning, frames - backfilled >= framesStart else { return }
        if frames >= framesMax {
            finish(writer)
        } else {
            start()
        }
    }

    private func start() {
        isRunning = true
        queue.async { [self] in
            let result = Result { () throws(SQLiteError) in try database.checkpoint() }
            committer.queue.async { self.ended(result) }
        }
    }

    private func ended(_ result: Result<Database.CheckpointResult, SQLiteError>) {
        isRunning = false
        guard let writer else { return }
        switch result {
        case .failure(let error): failed(error)
        case .success(let result):
            hasFailed = false
            committer.publishFigures { $0.checkpoints += 1 }
            backfilled = result.backfilled
            passes += 1
            // What was committed meanwhile: much of it goes in another pass beside the commits, a little is done here.
            if writer.frames - backfilled >= framesStart && passes < 3 {
                start()
            } else {
                finish(writer)
            }
        }
    }

    /// Makes everything that was committed before this call durable, beside the commits: in the WAL, or in the file where a
    /// checkpoint has copied it.
    /// - Parameter completion: called on the committer's queue.
    func syncLog(completion: @escaping @Sendable (SQLiteError?) -> Void) {
        queue.async { [self] in
            var failure: SQLiteError?
            do throws(SQLiteError) { try database.syncWAL() } catch { failure = error }
            committer.queue.async { [failure] in completion(failure) }
        }
    }

    /// Copies what is left, between two commits.
    private func finish(_ writer: LogWriter) {
        passes = 0
        do throws(SQLiteError) {
            backfilled = try committer.stall.during { () throws(SQLiteError) in
                try writer.database.checkpoint().backfilled
            }
        } catch {
            failed(error)
        }
    }

    /// Copies everything and empties the WAL file, so that no page of the past is left in it.
    /// - Returns: false when another checkpoint runs or a reader is in the way: try again soon.
    func emptyLog() throws(SQLiteError) -> Bool {
        guard let writer, !isRunning else { return false }
        _ = try writer.database.checkpoint(truncating: true)
        return FileSystem.size(committer.path + "-wal") == 0
    }

    private func failed(_ error: SQLiteError) {
        // It may have been the sync of the WAL, which is the only one for rows that came from the journal.
        if error.isInputOutput { committer.doubt(error) }
        // The WAL keeps everything, so nothing is lost; the next try comes when it has grown by as much again.
        backfilled = writer?.frames ?? 0
        if !hasFailed { logger.warning("the log's WAL cannot be checkpointed", metadata: ["reason": "\(error)"]) }
        hasFailed = true
    }

    /// The writer's connection is about to go.
    func pause() {
        writer = nil
    }

    func resume(with writer: LogWriter) {
        self.writer = writer
        backfilled = 0
        framesBefore = 0
    }

    /// Waits for what runs beside the commits; what it tells the committer may be under way then. Not on its queue.
    func settle() {
        queue.sync {}
    }

    /// Waits for a running checkpoint. Not on the committer's queue.
    func close() {
        queue.sync { database.close() }
    }
}
