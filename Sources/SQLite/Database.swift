internal import Base
internal import CSQLite
package import Dispatch

/// One connection to one SQLite file: the room `SQLite` is this class, its statements and errors, schemas that grow by
/// steps, and the scrubbing of pages. It knows nothing of what is kept; whoever owns a file (the session rows, the
/// ledger) opens it here.
///
/// The connection is opened without SQLite's own mutexes: whoever makes it owns it on one serial queue, and every door
/// here checks that. Before the owner hands it to a queue (`confine(to:)`) it belongs to the thread that opened it.
package final class Database {
    package enum Mode {
        case readWriteCreate
        case readOnly
        /// Read-only, and nobody else writes: works on a read-only file system, where no WAL index can be made.
        case immutable
    }

    package let path: String
    package private(set) var handle: OpaquePointer?
    private var queue: DispatchQueue?
    private var cancellation: Cancellation?

    /// Done once, before the first connection of the process; where something else has used SQLite before, it counts on.
    private static let hasNoMemoryStatus: Bool = csqlite_disable_memory_status() == SQLITE_OK

    /// - Parameter virtualFileSystem: the name of a registered SQLite VFS; nil for the system's. Tests inject faults with it.
    package init(path: String, mode: Mode, virtualFileSystem: String? = nil) throws(SQLiteError) {
        _ = Self.hasNoMemoryStatus
        self.path = path
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        var name = path
        switch mode {
        case .readWriteCreate: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        case .readOnly: flags |= SQLITE_OPEN_READONLY
        case .immutable:
            flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
            name = "file:" + PercentEncoding.encode(path) + "?immutable=1"
        }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(name, &opened, flags, virtualFileSystem)
        handle = opened
        guard code == SQLITE_OK else {
            let error = SQLiteError(handle: opened, code: code, action: "opening \(path)")
            sqlite3_close_v2(opened)
            handle = nil
            throw error
        }
        csqlite_defensive(opened)
        // Other connections of this process hold locks for moments only (a checkpoint at its end).
        sqlite3_busy_timeout(opened, 10_000)
    }

    deinit {
        sqlite3_close_v2(handle)
    }

    /// From here on only code that runs on `queue` may use the connection.
    package func confine(to queue: DispatchQueue) {
        self.queue = queue
    }

    @inline(__always)
    package func checkOwner() {
        if let queue { dispatchPrecondition(condition: .onQueue(queue)) }
    }

    /// Runs one or more statements that return no rows of interest.
    package func execute(_ sql: String) throws(SQLiteError) {
        checkOwner()
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw SQLiteError(handle: handle, code: code, action: "running \(sql)") }
    }

    /// A statement prepared once for many uses; it must not outlive `close()`.
    package func prepare(_ sql: String) throws(SQLiteError) -> Statement {
        checkOwner()
        return try Statement(database: self, sql: sql)
    }

    /// Runs one statement that has no rows, or none that are wanted: `bind` gives it its parameters.
    package func run(_ sql: String, bind: (Statement) -> Void) throws(SQLiteError) {
        try query(sql, bind: bind, row: { _ in })
    }

    /// Runs one statement: `bind` gives it its parameters, `row` sees each row. A closure behind the call is `row`, which
    /// therefore has no default.
    package func query(
        _ sql: String, bind: (Statement) -> Void = { _ in }, row: (Statement) -> Void
    ) throws(SQLiteError) {
        let statement = try prepare(sql)
        defer { statement.finalize() }
        bind(statement)
        while try statement.step() { row(statement) }
    }

    /// The first column of the first row, or nil without a row.
    package func integer(_ sql: String) throws(SQLiteError) -> Int64? {
        let statement = try prepare(sql)
        defer { statement.finalize() }
        return try statement.step() && !statement.isNull(0) ? statement.int64(0) : nil
    }

    /// The first column of the first row as text, or nil without a row.
    package func text(_ sql: String) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        defer { statement.finalize() }
        return try statement.step() ? statement.text(0) : nil
    }

    /// Lets long statements end early, as failed: `isCancelled` is asked now and then while they run.
    package func setCancellation(_ isCancelled: @escaping @Sendable () -> Bool) {
        checkOwner()
        let cancellation = Cancellation(isCancelled)
        self.cancellation = cancellation
        sqlite3_progress_handler(
            handle, 10_000,
            { context in
                guard let context else { return 0 }
                return Unmanaged<Cancellation>.fromOpaque(context).takeUnretainedValue().isCancelled() ? 1 : 0
            },
            Unmanaged.passUnretained(cancellation).toOpaque())
    }

    private final class Cancellation {
        let isCancelled: @Sendable () -> Bool
        init(_ isCancelled: @escaping @Sendable () -> Bool) { self.isCancelled = isCancelled }
    }

    /// Whether a transaction is open.
    package var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// Ends a transaction that failed. SQLite has rolled back by itself after some errors; both ways are fine.
    package func rollBack() {
        checkOwner()
        if isInTransaction { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
    }

    /// Runs `body` in a write transaction; on an error nothing of it stays.
    package func transaction<Value>(_ body: () throws(SQLiteError) -> Value) throws(SQLiteError) -> Value {
        try execute("BEGIN IMMEDIATE")
        do {
            let value = try body()
            try execute("COMMIT")
            return value
        } catch {
            rollBack()
            throw error
        }
    }

    /// What a checkpoint found: frames in the write-ahead log, and how many of them are in the database file now.
    package struct CheckpointResult {
        package let frames: Int
        package let backfilled: Int
    }

    /// Copies the write-ahead log into the file. `truncating` also empties the log file, if no reader is in the way.
    package func checkpoint(truncating: Bool = false) throws(SQLiteError) -> CheckpointResult {
        checkOwner()
        var frames: Int32 = -1
        var backfilled: Int32 = -1
        let mode = truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        let code = sqlite3_wal_checkpoint_v2(handle, "main", mode, &frames, &backfilled)
        // Busy: a reader or a writer was in the way of the last step; what could be copied is copied.
        guard code == SQLITE_OK || code & 0xFF == SQLITE_BUSY else {
            throw SQLiteError(handle: handle, code: code, action: "checkpointing \(path)")
        }
        return CheckpointResult(frames: Int(max(frames, 0)), backfilled: Int(max(backfilled, 0)))
    }

    /// Syncs the write-ahead log, and nothing else.
    package func syncWAL() throws(SQLiteError) {
        checkOwner()
        // A connection opens the write-ahead log when it first reads.
        _ = try integer("PRAGMA schema_version")
        var file: UnsafeMutablePointer<sqlite3_file>?
        let code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file)
        guard code == SQLITE_OK, let file, let sync = file.pointee.pMethods?.pointee.xSync else {
            throw SQLiteError(handle: handle, code: code, action: "finding the WAL of \(path)")
        }
        let result = sync(file, SQLITE_SYNC_NORMAL)
        guard result == SQLITE_OK else {
            throw SQLiteError(code: result, message: "the WAL cannot be synced", action: "syncing the WAL of \(path)")
        }
    }

    /// Closes the connection. Statements that are still alive are finalised with their owners.
    package func close() {
        checkOwner()
        sqlite3_close_v2(handle)
        handle = nil
    }
}
