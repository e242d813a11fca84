internal import Base
internal import CSQLite
internal import Dispatch
internal import SQLite
internal import SessionModel

/// The one connection that writes `sessions.sqlite`. It belongs to the write-behind queue.
final class DerivedWriter {
    let database: Database
    let partition: SessionPart
    /// Every log position up to this one is covered by the rows.
    private(set) var derivedPosition: Int64
    private let upsert: Statement
    private let updateOrder: Statement
    private let updateSettlement: Statement
    private let setPosition: Statement

    /// SQLite writes the entries of an index anew whenever an update names one of its columns. These seldom change, so
    /// they have a statement of their own that touches only the rows where they do.
    private static let columnsUpdatedApart: Set<String> = ["order_key", "skewed", "settlement"]

    init(database: Database, partition: SessionPart) throws(SQLiteError) {
        self.database = database
        self.partition = partition
        derivedPosition =
            try database.integer("SELECT value FROM properties WHERE name = 'derived_position'") ?? 0
        let columns = DerivedRow.integerColumns
        let updated = columns.filter { !Self.columnsUpdatedApart.contains($0) }
        upsert = try database.prepare(
            """
            INSERT INTO sessions(number, session_id, user_id, status, record, part, \(columns.joined(separator: ", ")))
            VALUES(?1, ?2, ?3, ?4, ?5, ?6, \(columns.indices.map { "?\($0 + 7)" }.joined(separator: ", ")))
            ON CONFLICT(number) DO UPDATE SET status = excluded.status, record = excluded.record,
                \(updated.map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
            """)
        updateOrder = try database.prepare(
            """
            UPDATE sessions SET user_id = ?2, skewed = ?3, order_key = ?4
            WHERE number = ?1 AND (user_id IS NOT ?2 OR skewed IS NOT ?3 OR order_key IS NOT ?4)
            """)
        updateSettlement = try database.prepare(
            "UPDATE sessions SET settlement = ?2 WHERE number = ?1 AND settlement IS NOT ?2")
        setPosition = try database.prepare("UPDATE properties SET value = ?1 WHERE name = 'derived_position'")
    }

    /// A session whose rows go, and the parts that may have one.
    struct Replaced {
        let sessionId: String
        let parts: [Int]
    }

    /// Writes rows and the position that they cover in one transaction.
    /// - Parameter replaced: sessions whose rows go first.
    func write(
        _ rows: [DerivedRow], buffer: [UInt8], position: Int64, replacing replaced: [Replaced] = []
    ) throws(SQLiteError) {
        try database.transaction { () throws(SQLiteError) in
            try remove(replaced)
            if !replaced.isEmpty { try forgetFilters(of: rows) }
            try buffer.withUnsafeBufferPointer { (buffer) throws(SQLiteError) in
                let bytes = UnsafeRawBufferPointer(buffer)
                for row in rows {
                    upsert.bind(1, row.number)
                    upsert.bind(2, text: row.sessionId)
                    upsert.bind(3, text: row.userId)
                    upsert.bind(4, text: row.status)
                    upsert.bindBorrowed(5, blob: UnsafeRawBufferPointer(rebasing: bytes[row.record]))
                    upsert.bind(6, Int64(partition.part(of: row.number)))
                    for (index, value) in row.integers.enumerated() { upsert.bind(Int32(index) + 7, value) }
                    _ = try upsert.step()
                    if row.isNew { continue }
                    updateOrder.bind(1, row.number)
                    updateOrder.bind(2, text: row.userId)
                    updateOrder.bind(3, row.integers[2])
                    updateOrder.bind(4, row.integers[1])
                    _ = try updateOrder.step()
                    updateSettlement.bind(1, row.number)
                    updateSettlement.bind(2, row.integers.last ?? nil)
                    _ = try updateSettlement.step()
                }
            }
            setPosition.bind(1, position)
            try setPosition.run()
        }
        derivedPosition = position
    }

    /// Keeps the filter of a part, in place of any it had.
    func save(filter: [UInt8], part: Int) throws(SQLiteError) {
        let replace = try database.prepare("INSERT OR REPLACE INTO filters VALUES(?1, ?2)")
        defer { replace.finalize() }
        replace.bind(1, Int64(part))
        try filter.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
            replace.bindBorrowed(2, blob: UnsafeRawBufferPointer(bytes))
            try replace.run()
        }
    }

    /// Rows that take the place of others may be in parts whose kept filters do not know them.
    private func forgetFilters(of rows: [DerivedRow]) throws(SQLiteError) {
        for part in Set(rows.map { partition.part(of: $0.number) }) {
            try database.execute("DELETE FROM filters WHERE part = \(part)")
        }
    }

    /// Visits the filters that are kept; what is damaged counts as not kept.
    func forEachFilter(_ body: (_ part: Int, _ filter: SessionFilter) -> Void) throws(SQLiteError) {
        let all = try database.prepare("SELECT part, filter FROM filters")
        defer { all.finalize() }
        while try all.step() {
            if let filter = SessionFilter(decoding: all.bytes(1)) { body(Int(all.int64(0)), filter) }
        }
    }

    private func remove(_ sessions: [Replaced]) throws(SQLiteError) {
        guard !sessions.isEmpty else { return }
        let delete = try database.prepare("DELETE FROM sessions WHERE part = ?1 AND session_id = ?2")
        defer { delete.finalize() }
        for session in sessions {
            for part in session.parts {
                delete.bind(1, Int64(part))
                delete.bind(2, text: session.sessionId)
                try delete.run()
            }
        }
    }

    func close() {
        upsert.finalize()
        updateOrder.finalize()
        updateSettlement.finalize()
        setPosition.finalize()
        database.close()
    }
}

// MARK: Opening

extension DerivedWriter {
    /// Why the rows have to be made again.
    struct Unusable: Error {
        let reason: String
    }

    /// Opens the rows that belong to a log.
    /// - Parameter last: the position of the last delivery.
    /// - Throws: `Unusable` when they are missing, damaged, of another log or ahead of it; a SQLite error otherwise.
    static func open(
        path: String, log: LogWriter, last: Int64, partition: SessionPart, virtualFileSystem: String?
    ) throws -> DerivedWriter {
        let database: Database
        do {
            database = try Database(path: path, mode: .readWriteCreate, virtualFileSystem: virtualFileSystem)
            let found = try DerivedSchema.schema.verify(database)
            guard found > 0 else { throw Unusable(reason: "there are none") }
            guard found >= DerivedSchema.oldestVersionKept else {
                throw Unusable(reason: "they were written by an older release (schema \(found))")
            }
            try database.execute(DerivedSchema.writerPragmas)
            try DerivedSchema.schema.migrate(database)
            guard try database.text("SELECT value FROM properties WHERE name = 'log_id'") == log.logId else {
                throw Unusable(reason: "they belong to another log")
            }
            let version = try database.integer("SELECT value FROM properties WHERE name = 'record_version'")
            guard version == Int64(SessionRecord.codingVersion) else {
                throw Unusable(reason: "their records are of another version")
            }
            guard
                try database.integer("SELECT value FROM properties WHERE name = 'part_positions'")
                    == partition.positionsMin
            else { throw Unusable(reason: "they are parted in another way") }
            let writer = try DerivedWriter(database: database, partition: partition)
            guard writer.derivedPosition <= last else {
                throw Unusable(reason: "they cover position \(writer.derivedPosition), but the log ends at \(last)")
            }
            return writer
        } catch let error as SchemaError {
            switch error {
            case .newer(let found, let known):
                throw Unusable(reason: "they are of schema \(found), this release knows up to \(known)")
            case .foreign: throw Unusable(reason: "the file is another application's")
            case .sqlite(let error): throw error.isCorruption ? Unusable(reason: "\(error)") : error
            }
        } catch let error as SQLiteError {
            throw error.isCorruption || error.code == SQLITE_ERROR ? Unusable(reason: "\(error)") : error
        }
    }

    /// Makes the file anew, empty.
    static func create(
        path: String, log: LogWriter, partition: SessionPart, virtualFileSystem: String?
    ) throws(SchemaError) -> DerivedWriter {
        for suffix in ["", "-wal", "-shm", "-journal"] { FileSystem.remove(path + suffix) }
        do {
            let database = try Database(path: path, mode: .readWriteCreate, virtualFileSystem: virtualFileSystem)
            try database.execute(DerivedSchema.writerPragmas)
            try DerivedSchema.schema.migrate(database)
            // The log's id is hexadecimal text of our own making.
            try database.execute("UPDATE properties SET value = '\(log.logId)' WHERE name = 'log_id'")
            try database.execute(
                "UPDATE properties SET value = \(SessionRecord.codingVersion) WHERE name = 'record_version'")
            try database.execute(
                "UPDATE properties SET value = \(partition.positionsMin) WHERE name = 'part_positions'")
            return try DerivedWriter(database: database, partition: partition)
        } catch let error as SchemaError {
            throw error
        } catch let error as SQLiteError {
            throw .sqlite(error)
        } catch {
            throw .sqlite(SQLiteError(code: SQLITE_ERROR, message: "\(error)", action: "making \(path)"))
        }
    }
}
