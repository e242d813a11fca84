internal import Base
internal import CSQLite
internal import Dispatch
internal import Logging
internal import SQLite

/// Opens the files of a data directory, and decides whether the derived rows can be used.
struct StoreOpening {
    let directory: String
    let options: StoreOptions
    let logger: Logger

    struct Files {
        var logWriter: LogWriter?
        var journal: Journal?
        let unmoved: UnmovedDeliveries
        var derivedWriter: DerivedWriter?
        let foldReader: DerivedReader
        let queryReader: DerivedReader
        let indexDatabase: Database
        let foldLogReader: LogReader
        let logReader: LogReader
        let derivedPosition: Int64
        let lastPosition: Int64
        var readMode: (log: Database.Mode, derived: Database.Mode) = (.readOnly, .readOnly)
    }

    private var partition: SessionPart { SessionPart(positionsMin: options.positionsPerPart) }
    private var logPath: String { StoreParts.join(directory, LogSchema.fileName) }
    private var derivedPath: String { StoreParts.join(directory, DerivedSchema.fileName) }
    private var journalPath: String { StoreParts.join(directory, JournalLayout.fileName) }
    private var markerPath: String { StoreParts.join(directory, DerivedSchema.rebuildMarkerName) }

    func open() throws(StoreError) -> Files {
        let log: LogWriter
        do {
            log = try LogWriter(path: logPath, virtualFileSystem: options.virtualFileSystem, queue: nil)
        } catch {
            throw error.storeError(logPath)
        }
        let (journal, unmoved) = try openJournal(log: log)
        let last = max(log.lastPosition, unmoved.lastPosition ?? 0)
        let derived = try openDerived(log: log, last: last)
        do throws(SQLiteError) {
            return try Files(
                logWriter: log, journal: journal, unmoved: unmoved, derivedWriter: derived,
                foldReader: derivedReader(.readOnly), queryReader: derivedReader(.readOnly),
                indexDatabase: indexDatabase(.readOnly),
                foldLogReader: logReader(.readOnly, unmoved), logReader: logReader(.readOnly, unmoved),
                derivedPosition: derived.derivedPosition, lastPosition: last)
        } catch {
            throw StoreError(.unavailable, "the data directory \(directory) cannot be read: \(error)")
        }
    }

    /// Opens the journal, and moves to the log what a crash has left in it.
    private func openJournal(log: LogWriter) throws(StoreError) -> (Journal?, UnmovedDeliveries) {
        let walBytes = FileSystem.size(logPath + "-wal")
        var recovered = try recoverJournal(logId: log.logId)
        if !recovered.entries.isEmpty || walBytes > 0 {
            // Before the journal lets go of what the log has, too; and before anything is written behind what may not
            // have come to the disk.
            do throws(SQLiteError) {
                try log.secure()
            } catch {
                throw StoreError(.unavailable, "\(logPath): \(error)")
            }
            recovered.drop(through: log.lastPosition)
        }
        if let first = recovered.entries.first, let last = recovered.entries.last {
            logger.notice(
                "moving deliveries from the journal to the log",
                metadata: ["from": "\(first.firstPosition)", "to": "\(last.lastPosition)"])
            do throws(LogWriter.Failure) {
                try log.transaction { (log) throws(SQLiteError) in
                    for entry in recovered.entries { try log.add(entry) }
                }
                recovered.drop(through: log.lastPosition)
            } catch {
                guard error.error.isFull else { throw StoreError(.unavailable, "\(logPath): \(error.error)") }
                // They can be read where they are.
                logger.error("no room on disk for the log")
            }
        }
        let unmoved = UnmovedDeliveries(recovered.entries)
        var reason: JournalError?
        if options.journalBytes > 0 {
            do throws(JournalError) {
                let journal = try Journal(
                    path: journalPath, logId: log.logId, bytes: options.journalBytes, recovered: recovered,
                    hook: options.journalHook)
                return (journal, unmoved)
            } catch {
                reason = error
            }
        }
        // Nobody would erase anything from it.
        if recovered.entries.isEmpty { FileSystem.remove(journalPath) }
        if let reason {
            logger.warning("there is no journal: each commit goes to the log", metadata: ["reason": "\(reason)"])
        }
        return (nil, unmoved)
    }

    private func recoverJournal(logId: String) throws(StoreError) -> JournalRecovery {
        do throws(JournalError) {
            return try JournalRecovery(path: journalPath, logId: logId)
        } catch {
            throw StoreError(.unavailable, "the journal cannot be read: \(error)")
        }
    }

    private func openDerived(log: LogWriter, last: Int64) throws(StoreError) -> DerivedWriter {
        var reason: String
        do {
            if FileSystem.exists(markerPath) { throw DerivedWriter.Unusable(reason: "they were found damaged") }
            return try DerivedWriter.open(
                path: derivedPath, log: log, last: last, partition: partition,
                virtualFileSystem: options.virtualFileSystem)
        } catch let error as DerivedWriter.Unusable {
            reason = error.reason
        } catch {
            throw StoreError(.unavailable, "\(derivedPath): \(error)")
        }
        if last > 0 {
            logger.warning("the derived rows are made again from the whole log", metadata: ["reason": "\(reason)"])
        }
        do {
            let writer = try DerivedWriter.create(
                path: derivedPath, log: log, partition: partition, virtualFileSystem: options.virtualFileSystem)
            FileSystem.remove(markerPath)
            return writer
        } catch {
            throw error.storeError(derivedPath)
        }
    }

    /// For tools: nothing is written, so the rows must be there and fit; the tail is folded in memory.
    func openForReading() throws(StoreError) -> Files {
        guard FileSystem.exists(logPath) else { throw StoreError(.directory, "there is no log at \(logPath)") }
        do {
            let log = try openReadOnly(logPath, LogSchema.schema)
            let mode = log.mode
            let logId = try log.database.text("SELECT value FROM properties WHERE name = 'log_id'")
            let logLast = try log.database.integer("SELECT max(position) FROM deliveries") ?? 0
            var recovered = try recoverJournal(logId: logId ?? "")
            recovered.drop(through: logLast)
            let unmoved = UnmovedDeliveries(recovered.entries)
            let last = max(logLast, unmoved.lastPosition ?? 0)
            let derived = try openReadOnly(derivedPath, DerivedSchema.schema)
            let position =
                try derived.database.integer("SELECT value FROM properties WHERE name = 'derived_position'") ?? 0
            let derivedLogId = try derived.database.text("SELECT value FROM properties WHERE name = 'log_id'")
            let parted = try derived.database.integer("SELECT value FROM properties WHERE name = 'part_positions'")
            guard logId == derivedLogId, position <= last, parted == options.positionsPerPart else {
                throw StoreError(.damaged, "\(derivedPath) does not belong to the log; start the server once")
            }
            return try Files(
                unmoved: unmoved, foldReader: derivedReader(derived.mode), queryReader: derivedReader(derived.mode),
                indexDatabase: indexDatabase(derived.mode),
                foldLogReader: logReader(mode, unmoved), logReader: logReader(mode, unmoved),
                derivedPosition: position, lastPosition: last, readMode: (mode, derived.mode))
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.unavailable, "the data directory \(directory) cannot be read: \(error)")
        }
    }

    private func openReadOnly(
        _ path: String, _ schema: Schema
    ) throws(StoreError) -> (database: Database, mode: Database.Mode) {
        do {
            do throws(SchemaError) {
                return (try verified(path, schema, .readOnly), .readOnly)
            } catch {
                // Where no WAL index can be made, and no WAL is there that could hold anything, the file alone will do.
                guard case .sqlite(let failure) = error, [SQLITE_CANTOPEN, SQLITE_READONLY].contains(failure.code),
                    FileSystem.exists(path), FileSystem.size(path + "-wal") == 0
                else { throw error }
                return (try verified(path, schema, .immutable), .immutable)
            }
        } catch let error as SchemaError {
            throw error.storeError(path)
        } catch {
            throw StoreError(.unavailable, "\(path): \(error)")
        }
    }

    private func verified(_ path: String, _ schema: Schema, _ mode: Database.Mode) throws(SchemaError) -> Database {
        let database: Database
        do throws(SQLiteError) {
            database = try Database(path: path, mode: mode, virtualFileSystem: options.virtualFileSystem)
        } catch {
            throw .sqlite(error)
        }
        let found = try schema.verify(database)
        guard found == schema.version else {
            throw .sqlite(
                SQLiteError(
                    code: SQLITE_SCHEMA,
                    message: "schema \(found) is older than \(schema.version); start the server once",
                    action: "reading \(path)"))
        }
        return database
    }

    private func indexDatabase(_ mode: Database.Mode) throws(SQLiteError) -> Database {
        let database = try Database(path: derivedPath, mode: mode, virtualFileSystem: options.virtualFileSystem)
        try database.execute(DerivedSchema.readerPragmas)
        return database
    }

    private func derivedReader(_ mode: Database.Mode) throws(SQLiteError) -> DerivedReader {
        try DerivedReader(path: derivedPath, mode: mode, virtualFileSystem: options.virtualFileSystem)
    }

    private func logReader(_ mode: Database.Mode, _ unmoved: UnmovedDeliveries) throws(SQLiteError) -> LogReader {
        try LogReader(path: logPath, mode: mode, virtualFileSystem: options.virtualFileSystem, unmoved: unmoved)
    }
}
