internal import CSQLite
internal import Dispatch
internal import SQLite
internal import SessionModel

/// The one connection that writes `log.sqlite`. It belongs to the committer's queue.
final class LogWriter {
    let database: Database
    /// The highest position in the file.
    private(set) var lastPosition: Int64
    let logId: String
    /// Frames in the write-ahead log after the last commit that added any.
    var frames: Int { Int(walCell.pointee.frames) }

    /// What the hook of the write-ahead log was told.
    private struct WALNote {
        var frames: Int32 = 0
        /// The last transaction has added frames.
        var hasGrown = false
    }

    private let walCell: UnsafeMutablePointer<WALNote>
    private var commitsDurably = true
    /// Whether everything that was committed would survive a power cut. Of what an earlier connection committed, that is
    /// not known.
    private var isSynced = false
    private let begin: Statement
    private let commit: Statement
    private let insertDelivery: Statement

    /// Opens the file (and makes it, and brings its schema up to date) and reads where the log ends.
    init(path: String, virtualFileSystem: String?, queue: DispatchQueue?) throws(SchemaError) {
        do {
            let database = try Database(path: path, mode: .readWriteCreate, virtualFileSystem: virtualFileSystem)
            if let queue { database.confine(to: queue) }
            _ = try LogSchema.schema.verify(database)
            do {
                try database.execute(LogSchema.writerPragmas)
                try LogSchema.schema.migrate(database)
                lastPosition = try database.integer("SELECT max(position) FROM deliveries") ?? 0
                logId = try database.text("SELECT value FROM properties WHERE name = 'log_id'") ?? ""
                begin = try database.prepare("BEGIN IMMEDIATE")
                commit = try database.prepare("COMMIT")
                insertDelivery = try database.prepare("INSERT INTO deliveries VALUES(?1, ?2, ?3, ?4)")
            } catch let error as SQLiteError {
                throw SchemaError.sqlite(error)
            }
            self.database = database
        } catch let error as SchemaError {
            throw error
        } catch let error as SQLiteError {
            throw .sqlite(error)
        } catch {
            throw .sqlite(SQLiteError(code: SQLITE_ERROR, message: "\(error)", action: "opening \(path)"))
        }
        walCell = .allocate(capacity: 1)
        walCell.initialize(to: WALNote())
        // The hook runs inside COMMIT, on this connection's thread; the cell lives as long as the connection.
        sqlite3_wal_hook(
            database.handle,
            { cell, _, _, frames in
                cell?.assumingMemoryBound(to: WALNote.self).pointee = WALNote(frames: frames, hasGrown: true)
                return SQLITE_OK
            }, walCell)
    }

    deinit {
        if let handle = database.handle { sqlite3_wal_hook(handle, nil, nil) }
        walCell.deallocate()
    }

    // MARK: A transaction

    /// How far a transaction came before it failed: after `.committing` what is on disk is not known.
    enum Stage { case writing, committing }

    struct Failure: Error {
        let stage: Stage
        let error: SQLiteError

        /// Whether rows of the transaction may be on disk although it failed.
        var leavesDoubt: Bool { stage == .committing && !error.isFull || error.isInputOutput || error.isCorruption }
    }

    /// Runs `body` in one transaction. On failure nothing of it is visible, and positions are as before.
    /// - Parameter durably: whether it is to survive a power cut once this returns, with everything before it. If not,
    ///   a power cut may take it, and what came after it, but nothing else.
    func transaction<Value>(
        durably: Bool = true, _ body: (LogWriter) throws(SQLiteError) -> Value
    ) throws(Failure) -> Value {
        database.checkOwner()
        let positionBefore = lastPosition
        var stage = Stage.writing
        do throws(SQLiteError) {
            if durably != commitsDurably {
                try database.execute("PRAGMA synchronous = \(durably ? "FULL" : "NORMAL")")
                commitsDurably = durably
            }
            try begin.run()
            let value = try body(self)
            stage = .committing
            walCell.pointee.hasGrown = false
            try commit.run()
            try settle(durably)
            return value
        } catch {
            database.rollBack()
            lastPosition = positionBefore
            throw Failure(stage: stage, error: error)
        }
    }

    /// After a commit. SQLite syncs the write-ahead log, and with it whatever was committed before, only where the
    /// transaction has changed anything.
    private func settle(_ durably: Bool) throws(SQLiteError) {
        if durably {
            if !walCell.pointee.hasGrown, !isSynced { try database.syncWAL() }
            isSynced = true
        } else if walCell.pointee.hasGrown {
            isSynced = false
        }
    }

    /// Makes durable whatever earlier processes have committed: a crash may have come before their sync. It is also
    /// copied to the file, for that sync may have failed.
    func secure() throws(SQLiteError) {
        try database.syncWAL()
        do throws(SQLiteError) {
            _ = try database.checkpoint()
        } catch {
            // Without room for the copy, the log's own sync has to do.
            guard error.isFull else { throw error }
        }
        isSynced = true
    }

    /// Adds a delivery at the next position.
    func add(_ delivery: borrowing Delivery) throws(SQLiteError) {
        let position = lastPosition + 1
        insertDelivery.bind(1, position)
        insertDelivery.bind(2, delivery.receivedAt.microsecondsSince1970)
        insertDelivery.bind(3, Int64(delivery.event.source.rawValue))
        try delivery.body.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
            insertDelivery.bindBorrowed(4, blob: UnsafeRawBufferPointer(bytes))
            _ = try insertDelivery.step()
        }
        lastPosition = position
    }

    /// Adds what the journal has of one batch, where it is not there yet.
    func add(_ entry: JournalEntry) throws(SQLiteError) {
        try entry.forEach { (row) throws(SQLiteError) in
            guard row.position > lastPosition else { return }
            insertDelivery.bind(1, row.position)
            insertDelivery.bind(2, row.receivedAt.microsecondsSince1970)
            insertDelivery.bind(3, row.sourceCode)
            insertDelivery.bindBorrowed(4, blob: row.body)
            _ = try insertDelivery.step()
            lastPosition = row.position
        }
    }

    /// Writes something of no meaning, to see whether a transaction can succeed.
    func probe() throws(SQLiteError) {
        try database.execute("UPDATE properties SET value = value + 1 WHERE name = 'probe'")
    }

    func close() {
        for statement in [begin, commit, insertDelivery] { statement.finalize() }
        database.close()
    }
}
