internal import CSQLite
internal import Dispatch
internal import Logging

extension SchemaError {
    func storeError(_ path: String) -> StoreError {
        switch self {
        case .newer(let found, let known):
            StoreError(
                .newerSchema,
                "\(path) was written by a newer release (schema \(found); this one knows up to \(known)): use that release"
            )
        case .foreign: StoreError(.damaged, "\(path) is another application's database")
        case .sqlite(let error): StoreError(error.isCorruption ? .damaged : .unavailable, "\(path): \(error)")
        }
    }
}

/// Opens the files of a data directory, and decides whether the derived rows can be used.
struct StoreOpening {
    let directory: String
    let options: StoreOptions
    let logger: Logger

    struct Files {
        var logWriter: LogWriter?
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
    private var markerPath: String { StoreParts.join(directory, DerivedSchema.rebuildMarkerName) }

    func open() throws(StoreError) -> Files {
        let log: LogWriter
        do {
            log = try LogWriter(path: logPath, virtualFileSystem: options.virtualFileSystem, queue: nil)
        } catch {
            throw error.storeError(logPath)
        }
        let derived = try openDerived(log: log)
        do throws(SQLiteError) {
            return try Files(
                logWriter: log, derivedWriter: derived,
                foldReader: derivedReader(.readOnly), queryReader: derivedReader(.readOnly),
                indexDatabase: indexDatabase(.readOnly),
                foldLogReader: logReader(.readOnly), logReader: logReader(.readOnly),
                derivedPosition: derived.derivedPosition, lastPosition: log.lastPosition)
        } catch {
            throw StoreError(.unavailable, "the data directory \(directory) cannot be read: \(error)")
        }
    }

    private func openDerived(log: LogWriter) throws(StoreError) -> DerivedWriter {
        var reason: String
        do {
            if FileSystem.exists(markerPath) { throw DerivedWriter.Unusable(reason: "they were found damaged") }
            return try DerivedWriter.open(
                path: derivedPath, log: log, partition: partition, virtualFileSystem: options.virtualFileSystem)
        } catch let error as DerivedWriter.Unusable {
            reason = error.reason
        } catch {
            throw StoreError(.unavailable, "\(derivedPath): \(error)")
        }
        if log.lastPosition > 0 {
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
            let last = try log.database.integer("SELECT max(position) FROM deliveries") ?? 0
            let logId = try log.database.text("SELECT value FROM properties WHERE name = 'log_id'")
            let derived = try openReadOnly(derivedPath, DerivedSchema.schema)
            let position =
                try derived.database.integer("SELECT value FROM properties WHERE name = 'derived_position'") ?? 0
            let derivedLogId = try derived.database.text("SELECT value FROM properties WHERE name = 'log_id'")
            let parted = try derived.database.integer("SELECT value FROM properties WHERE name = 'part_positions'")
            guard logId == derivedLogId, position <= last, parted == options.positionsPerPart else {
                throw StoreError(.damaged, "\(derivedPath) does not belong to the log; start the server once")
            }
            return try Files(
                foldReader: derivedReader(derived.mode), queryReader: derivedReader(derived.mode),
                indexDatabase: indexDatabase(derived.mode),
                foldLogReader: logReader(mode), logReader: logReader(mode),
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

    private func logReader(_ mode: Database.Mode) throws(SQLiteError) -> LogReader {
        try LogReader(path: logPath, mode: mode, virtualFileSystem: options.virtualFileSystem)
    }
}
