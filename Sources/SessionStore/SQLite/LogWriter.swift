internal import CSQLite
internal import Dispatch
internal import SQLite
internal import SessionModel

/// The one connection that writes `log.sqlite`. It belongs to the committer's queue.
final class LogWriter {
    let database: Database
    /// The highest position in the file.
    private(set) var lastPosition: Int64
    private(set) var quarantine: QuarantineCounts
    /// The highest quarantine id ever written.
    let lastQuarantineId: Int64
    let logId: String
    /// Frames in the write-ahead log after the last commit that added any.
    var frames: Int { Int(walCell.pointee.frames) }

    /// What the hook of the write-ahead log was told.
    private struct WALNote {
        var frames: Int32 = 0
        /// The last transaction has added frames.
        var hasGrown = false
    }

    /// Whether pages may hold what is left of quarantined bodies that were removed; not known at first.
    var mayHaveRemnants = true

    private let walCell: UnsafeMutablePointer<WALNote>
    private var commitsDurably = true
    /// Whether everything that was committed would survive a power cut. Of what an earlier connection committed, that is
    /// not known.
    private var isSynced = false
    private let begin: Statement
    private let commit: Statement
    private let insertDelivery: Statement
    private let insertQuarantined: Statement
    private let deleteQuarantined: Statement
    private let setProperty: Statement

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
                lastQuarantineId = try database.integer("SELECT max(seq) FROM sqlite_sequence") ?? 0
                quarantine = try LogWriter.counts(database)
                begin = try database.prepare("BEGIN IMMEDIATE")
                commit = try database.prepare("COMMIT")
                insertDelivery = try database.prepare("INSERT INTO deliveries VALUES(?1, ?2, ?3, ?4)")
                insertQuarantined = try database.prepare("INSERT INTO quarantine VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
                deleteQuarantined = try database.prepare(
                    "DELETE FROM quarantine WHERE id = ?1 RETURNING kind, length(body) + length(credentials)")
                setProperty = try database.prepare("UPDATE properties SET value = ?2 WHERE name = ?1")
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

    private static func counts(_ database: Database) throws(SQLiteError) -> QuarantineCounts {
        var counts = QuarantineCounts()
        counts.verifiedCount = try database.integer("SELECT value FROM properties WHERE name = 'verified_count'") ?? 0
        counts.verifiedBytes = try database.integer("SELECT value FROM properties WHERE name = 'verified_bytes'") ?? 0
        // Bounded, so counting is cheap.
        counts.unverifiedCount = try database.integer("SELECT count(*) FROM quarantine WHERE kind = 1") ?? 0
        counts.unverifiedBytes =
            try database.integer("SELECT sum(length(body) + length(credentials)) FROM quarantine WHERE kind = 1") ?? 0
        return counts
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

    /// Runs `body` in one transaction. On failure nothing of it is visible, and positions and counts are as before.
    /// - Parameter durably: whether it is to survive a power cut once this returns, with everything before it. If not,
    ///   a power cut may take it, and what came after it, but nothing else.
    func transaction<Value>(
        durably: Bool = true, _ body: (LogWriter) throws(SQLiteError) -> Value
    ) throws(Failure) -> Value {
        database.checkOwner()
        let positionBefore = lastPosition
        let quarantineBefore = quarantine
        var stage = Stage.writing
        do throws(SQLiteError) {
            if durably != commitsDurably {
                try database.execute("PRAGMA synchronous = \(durably ? "FULL" : "NORMAL")")
                commitsDurably = durably
            }
            try begin.run()
            let value = try body(self)
            if (quarantine.verifiedCount, quarantine.verifiedBytes)
                != (quarantineBefore.verifiedCount, quarantineBefore.verifiedBytes)
            {
                try set("verified_count", quarantine.verifiedCount)
                try set("verified_bytes", quarantine.verifiedBytes)
            }
            stage = .committing
            walCell.pointee.hasGrown = false
            try commit.run()
            try settle(durably)
            return value
        } catch {
            database.rollBack()
            lastPosition = positionBefore
            quarantine = quarantineBefore
            mayHaveRemnants = true
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
        if let id = delivery.quarantineId { _ = try removeQuarantined(id) }
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

    func add(_ entry: QuarantineEntry) throws(SQLiteError) {
        let content = entry.content
        insertQuarantined.bind(1, entry.id)
        insertQuarantined.bind(2, entry.kind.rawValue)
        insertQuarantined.bind(3, content.receivedAt.microsecondsSince1970)
        insertQuarantined.bind(4, text: content.reason)
        try content.credentials.withUnsafeBufferPointer { (credentials) throws(SQLiteError) in
            try content.body.withUnsafeBufferPointer { (body) throws(SQLiteError) in
                insertQuarantined.bindBorrowed(5, blob: UnsafeRawBufferPointer(credentials))
                insertQuarantined.bindBorrowed(6, blob: UnsafeRawBufferPointer(body))
                _ = try insertQuarantined.step()
            }
        }
        count(entry.kind, rows: 1, bytes: Int64(content.body.count + content.credentials.count))
    }

    /// - Returns: whether there was such an entry.
    func removeQuarantined(_ id: Int64) throws(SQLiteError) -> Bool {
        deleteQuarantined.bind(1, id)
        var found = false
        while try deleteQuarantined.step() {
            found = true
            mayHaveRemnants = true
            let kind = QuarantineKind(rawValue: deleteQuarantined.int64(0)) ?? .verified
            count(kind, rows: -1, bytes: -deleteQuarantined.int64(1))
        }
        return found
    }

    /// Removes the oldest unverified entries until the rest is within the bounds.
    func pruneUnverified(countMax: Int, bytesMax: Int) throws(SQLiteError) {
        guard quarantine.unverifiedCount > countMax || quarantine.unverifiedBytes > bytesMax else { return }
        let oldest = try database.prepare("SELECT id FROM quarantine WHERE kind = 1 ORDER BY id LIMIT 1")
        defer { oldest.finalize() }
        while quarantine.unverifiedCount > countMax || quarantine.unverifiedBytes > bytesMax {
            guard try oldest.step() else { return }
            let id = oldest.int64(0)
            oldest.reset()
            _ = try removeQuarantined(id)
            quarantine.unverifiedDropped += 1
        }
    }

    /// Writes something of no meaning, to see whether a transaction can succeed.
    func probe() throws(SQLiteError) {
        try database.execute("UPDATE properties SET value = value + 1 WHERE name = 'probe'")
    }

    func close() {
        for statement in [begin, commit, insertDelivery, insertQuarantined, deleteQuarantined, setProperty] {
            statement.finalize()
        }
        database.close()
    }

    /// Counts from nothing; `add` counts each entry.
    func resetQuarantineCounts(dropped: Int64) {
        quarantine = QuarantineCounts()
        quarantine.unverifiedDropped = dropped
    }

    private func count(_ kind: QuarantineKind, rows: Int64, bytes: Int64) {
        switch kind {
        case .verified:
            quarantine.verifiedCount += rows
            quarantine.verifiedBytes += bytes
        case .unverified:
            quarantine.unverifiedCount += rows
            quarantine.unverifiedBytes += bytes
        }
    }

    private func set(_ name: String, _ value: Int64) throws(SQLiteError) {
        setProperty.bind(1, text: name)
        setProperty.bind(2, value)
        try setProperty.run()
    }
}
