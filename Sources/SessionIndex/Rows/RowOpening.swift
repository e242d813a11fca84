internal import Base
internal import CSQLite
internal import EventLog
internal import Logging
internal import SQLite
internal import SessionModel

/// Opens the file of rows, and decides whether it can be used.
struct RowOpening {
    let path: String
    let log: EventLog
    let options: IndexOptions
    let logger: Logger

    struct Opened {
        var writer: RowWriter?
        let foldReader: RowReader
        let queryReader: RowReader
        let selectionDatabase: Database
        let covered: Int64
        let mode: Database.Mode
    }

    private var partitioning: Partitioning { Partitioning(positionsMin: options.positionsPerPartition) }

    /// - Parameter afresh: move aside what is there.
    func open(afresh: Bool) throws(StoreError) -> Opened {
        do {
            let writer =
                try afresh ? makeAnew(RowWriter.Unusable(reason: "the log was found again without them")) : openOrMake()
            return try opened(writer, covered: writer.covered, mode: .readOnly)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.unavailable, "\(path): \(error)")
        }
    }

    private func openOrMake() throws -> RowWriter {
        do {
            return try RowWriter.open(path: path, log: log, partitioning: partitioning, options: options)
        } catch let error as RowWriter.Unusable {
            return try makeAnew(error)
        }
    }

    private func makeAnew(_ why: RowWriter.Unusable) throws -> RowWriter {
        if log.lastPosition > 0 {
            logger.warning("session rows are made again from the whole log", metadata: ["reason": "\(why.reason)"])
        }
        if why.isDamage, FileSystem.size(path) > 0 { moveAside() }
        return try RowWriter.create(
            path: path, log: log.identity, partitioning: partitioning, virtualFileSystem: options.virtualFileSystem)
    }

    static let asideReason = "unusable"

    /// Nothing that cannot be used is written over: who knows what it is still good for.
    private func moveAside() {
        guard let aside = FileSystem.moveAside(path, as: Self.asideReason) else { return }
        for suffix in ["-wal", "-shm"] { FileSystem.rename(path + suffix, to: aside + suffix) }
        logger.warning("the session rows that cannot be used were moved aside", metadata: ["file": "\(aside)"])
    }

    private func opened(_ writer: RowWriter?, covered: Int64, mode: Database.Mode) throws(SQLiteError) -> Opened {
        let selections = try Database(path: path, mode: mode, virtualFileSystem: options.virtualFileSystem)
        try selections.execute(RowSchema.readerPragmas)
        func reader() throws(SQLiteError) -> RowReader {
            try RowReader(
                path: path, home: log.identity, mode: mode, virtualFileSystem: options.virtualFileSystem)
        }
        return Opened(
            writer: writer, foldReader: try reader(), queryReader: try reader(),
            selectionDatabase: selections, covered: covered, mode: mode)
    }

    /// For tools: nothing is written, so the rows must be there and fit.
    func openForReading() throws(StoreError) -> Opened {
        do {
            let (database, mode) = try openReadOnly()
            let known = try RowWriter.knownLog(database)
            let partitioning = Partitioning(positionsMin: options.positionsPerPartition)
            guard let known, known.identity == log.identity, known.end <= log.lastPosition,
                try RowWriter.areOurs(database, partitioning)
            else {
                throw StoreError(
                    .damaged, "\(path) does not belong to the log, or is another release's; start the server once")
            }
            return try opened(nil, covered: known.end, mode: mode)
        } catch let error as StoreError {
            throw error
        } catch let error as SchemaError {
            throw error.storeError(path)
        } catch {
            throw StoreError(.unavailable, "\(path) cannot be read: \(error)")
        }
    }

    private func openReadOnly() throws(SchemaError) -> (Database, Database.Mode) {
        do throws(SchemaError) {
            return (try verified(.readOnly), .readOnly)
        } catch {
            // Where no WAL index can be made, and no WAL is there that could hold anything, the file alone will do.
            guard case .sqlite(let failure) = error, [SQLITE_CANTOPEN, SQLITE_READONLY].contains(failure.code),
                FileSystem.exists(path), FileSystem.size(path + "-wal") == 0
            else { throw error }
            return (try verified(.immutable), .immutable)
        }
    }

    private func verified(_ mode: Database.Mode) throws(SchemaError) -> Database {
        let database: Database
        do throws(SQLiteError) {
            database = try Database(path: path, mode: mode, virtualFileSystem: options.virtualFileSystem)
        } catch {
            throw .sqlite(error)
        }
        let found = try RowSchema.schema.verify(database)
        guard found == RowSchema.schema.version else {
            throw .sqlite(
                SQLiteError(
                    code: SQLITE_SCHEMA,
                    message: "schema \(found) is not \(RowSchema.schema.version); start the server once",
                    action: "reading \(path)"))
        }
        return database
    }
}
