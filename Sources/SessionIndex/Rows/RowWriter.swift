internal import Base
internal import CSQLite
internal import Dispatch
internal import EventLog
internal import SQLite
internal import SessionModel

/// The one connection that writes `sessions.sqlite`. It belongs to the write-behind queue.
final class RowWriter {
    let database: Database
    let partitioning: Partitioning
    /// Every log position up to this one is covered by the rows.
    private(set) var covered: Int64
    private let upsert: Statement
    private let updateOrder: Statement
    private let updateExpectation: Statement
    private let updateStatus: Statement
    private let countStatuses: Statement
    /// How many rows there are of each status; statuses without a name of their own count as FAILED.
    private(set) var statusCounts: [SessionStatus: Int] = [:]
    private let setProperty: Statement
    private let log: Identity

    /// SQLite writes the entries of an index anew whenever an update names one of its columns. These seldom change, so
    /// they have a statement of their own that touches only the rows where they do.
    private static let columnsUpdatedApart: Set<String> = [
        "order_key", "skewed", "expectation", "status", "status_since", "tie",
    ]

    init(database: Database, partitioning: Partitioning, known: KnownLog) throws(SQLiteError) {
        self.database = database
        self.partitioning = partitioning
        log = known.identity
        covered = known.end
        let columns = SessionRow.integerColumns
        let updated = columns.filter { !Self.columnsUpdatedApart.contains($0) }
        upsert = try database.prepare(
            """
            INSERT INTO sessions(number, session_id, user_id, record, partition, \(columns.joined(separator: ", ")))
            VALUES(?1, ?2, ?3, ?4, ?5, \(columns.indices.map { "?\($0 + 6)" }.joined(separator: ", ")))
            ON CONFLICT(number) DO UPDATE SET record = excluded.record,
                \(updated.map { "\($0) = excluded.\($0)" }.joined(separator: ", "))
            """)
        updateOrder = try database.prepare(
            """
            UPDATE sessions SET user_id = ?2, skewed = ?3, order_key = ?4
            WHERE number = ?1 AND (user_id IS NOT ?2 OR skewed IS NOT ?3 OR order_key IS NOT ?4)
            """)
        updateExpectation = try database.prepare(
            "UPDATE sessions SET expectation = ?2 WHERE number = ?1 AND expectation IS NOT ?2")
        updateStatus = try database.prepare(
            """
            UPDATE sessions SET status = ?2, status_since = ?3
            WHERE number = ?1 AND (status IS NOT ?2 OR status_since IS NOT ?3)
            """)
        countStatuses = try database.prepare("SELECT status, sessions FROM status_counts")
        setProperty = try database.prepare("UPDATE properties SET value = ?2 WHERE name = ?1")
        try readStatusCounts()
    }

    /// A session whose rows go: those with its id in the partitions that may have one, and the one with a number.
    struct Replaced {
        let sessionId: String
        let partitions: [Int]
        let number: Int64?
    }

    /// Writes rows and the position that they cover in one transaction.
    /// - Parameters:
    ///   - seal: of the log at that position; 0 where nobody can say.
    ///   - replaced: sessions whose rows go first.
    func write(
        _ rows: [SessionRow], buffer: [UInt8], covering position: Int64, seal: UInt64,
        replacing replaced: [Replaced] = []
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
                    upsert.bindBorrowed(4, blob: UnsafeRawBufferPointer(rebasing: bytes[row.record]))
                    upsert.bind(5, Int64(partitioning.partition(of: row.number)))
                    for (index, value) in row.integers.enumerated() { upsert.bind(Int32(index) + 6, value) }
                    _ = try upsert.step()
                    if row.isNew { continue }
                    updateOrder.bind(1, row.number)
                    updateOrder.bind(2, text: row.userId)
                    updateOrder.bind(3, row.integers[2])
                    updateOrder.bind(4, row.integers[1])
                    _ = try updateOrder.step()
                    updateExpectation.bind(1, row.number)
                    updateExpectation.bind(2, row.integers.last ?? nil)
                    _ = try updateExpectation.step()
                    updateStatus.bind(1, row.number)
                    updateStatus.bind(2, row.integers[10])
                    updateStatus.bind(3, row.integers[11])
                    _ = try updateStatus.step()
                }
            }
            try set(KnownLog(identity: log, end: position))
            setProperty.bind(1, text: "seal")
            setProperty.bind(2, Int64(bitPattern: seal))
            try setProperty.run()
            try readStatusCounts()
        }
        covered = position
    }

    private func set(_ known: KnownLog) throws(SQLiteError) {
        setProperty.bind(1, text: "log")
        try known.encoded.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
            setProperty.bindBorrowed(2, blob: UnsafeRawBufferPointer(bytes))
            try setProperty.run()
        }
    }

    /// Keeps the filter of a partition, in place of any it had.
    func save(filter: [UInt8], partition: Int) throws(SQLiteError) {
        let replace = try database.prepare("INSERT OR REPLACE INTO filters VALUES(?1, ?2)")
        defer { replace.finalize() }
        replace.bind(1, Int64(partition))
        try filter.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
            replace.bindBorrowed(2, blob: UnsafeRawBufferPointer(bytes))
            try replace.run()
        }
    }

    /// Rows that take the place of others may be in partitions whose kept filters do not know them.
    private func forgetFilters(of rows: [SessionRow]) throws(SQLiteError) {
        for partition in Set(rows.map { partitioning.partition(of: $0.number) }) {
            try database.execute("DELETE FROM filters WHERE partition = \(partition)")
        }
    }

    /// Visits the filters that are kept; what is damaged counts as not kept.
    func forEachFilter(_ body: (_ partition: Int, _ filter: SessionFilter) -> Void) throws(SQLiteError) {
        let all = try database.prepare("SELECT partition, filter FROM filters")
        defer { all.finalize() }
        while try all.step() {
            if let filter = SessionFilter(decoding: all.bytes(1)) { body(Int(all.int64(0)), filter) }
        }
    }

    private func remove(_ sessions: [Replaced]) throws(SQLiteError) {
        guard !sessions.isEmpty else { return }
        let delete = try database.prepare("DELETE FROM sessions WHERE partition = ?1 AND session_id = ?2")
        defer { delete.finalize() }
        for session in sessions {
            for partition in session.partitions {
                delete.bind(1, Int64(partition))
                delete.bind(2, text: session.sessionId)
                try delete.run()
            }
            if let number = session.number { try database.execute("DELETE FROM sessions WHERE number = \(number)") }
        }
    }

    private func readStatusCounts() throws(SQLiteError) {
        defer { countStatuses.reset() }
        while try countStatuses.step() {
            guard let status = SessionStatus(listCode: countStatuses.int64(0)) else { continue }
            statusCounts[status] = Int(countStatuses.int64(1))
        }
    }

    func close() {
        for statement in [upsert, updateOrder, updateExpectation, updateStatus, countStatuses, setProperty] {
            statement.finalize()
        }
        database.close()
    }
}

// MARK: Opening

extension RowWriter {
    /// Why the rows have to be made again.
    struct Unusable: Error {
        let reason: String
        /// They are not what they should be, and are kept aside; else the file makes way.
        var isDamage = true
    }

    /// Opens the rows that belong to a log.
    /// - Throws: `Unusable` when they are missing, damaged, or of another log or another history; a SQLite error otherwise.
    static func open(
        path: String, log: EventLog, partitioning: Partitioning, options: IndexOptions
    ) throws -> RowWriter {
        do {
            let size = FileSystem.size(path)
            guard size > 0 else { throw Unusable(reason: "there are none", isDamage: false) }
            let database = try Database(
                path: path, mode: .readWriteCreate, virtualFileSystem: options.virtualFileSystem)
            guard try RowSchema.schema.verify(database) > 0 else {
                throw Unusable(reason: "there are none", isDamage: false)
            }
            try database.execute(RowSchema.writerPragmas)
            try RowSchema.schema.migrate(database)
            guard let known = try knownLog(database) else { throw Unusable(reason: "they do not say whose they are") }
            guard known.identity == log.identity else { throw Unusable(reason: "they belong to another log") }
            let version = try database.integer("SELECT value FROM properties WHERE name = 'record_version'")
            let positions = try database.integer("SELECT value FROM properties WHERE name = 'partition_positions'")
            guard version == Int64(SessionRecord.codingVersion), positions == partitioning.positionsMin else {
                throw Unusable(reason: "another release has written them", isDamage: false)
            }
            if size <= options.checkedBeforeOpeningBytesMax, let damage = try Self.damage(of: database) {
                throw Unusable(reason: damage)
            }
            let writer = try RowWriter(database: database, partitioning: partitioning, known: known)
            let seal = try database.integer("SELECT value FROM properties WHERE name = 'seal'") ?? 0
            guard writer.covered <= log.lastPosition, try belongs(writer.covered, seal, log) else {
                throw Unusable(reason: "they are of another history of the log")
            }
            return writer
        } catch let error as SchemaError {
            switch error {
            case .newer: throw Unusable(reason: "a newer release has written them")
            case .foreign: throw Unusable(reason: "the file is another application's")
            case .sqlite(let error): throw error.isCorruption ? Unusable(reason: "\(error)") : error
            }
        } catch let error as SQLiteError {
            throw error.isCorruption || error.code == SQLITE_ERROR ? Unusable(reason: "\(error)") : error
        }
    }

    /// Which log rows belong to, and how far they cover it; nil where that cannot be read.
    static func knownLog(_ database: Database) throws(SQLiteError) -> KnownLog? {
        let select = try database.prepare("SELECT value FROM properties WHERE name = 'log'")
        defer { select.finalize() }
        return try select.step() ? KnownLog(decoding: select.bytes(0)) : nil
    }

    /// Whether the log had the seal at the position that the rows cover, as far as both can say.
    private static func belongs(_ covered: Int64, _ seal: Int64, _ log: EventLog) throws(StoreError) -> Bool {
        guard covered > 0, seal != 0, let found = try log.seal(at: covered) else { return true }
        return UInt64(bitPattern: seal) == found
    }

    /// What SQLite finds wrong with a file; nil: nothing. Reads all of it.
    static func damage(of database: Database) throws(SQLiteError) -> String? {
        let found = try database.text("PRAGMA integrity_check(1)") ?? "nothing could be read"
        return found == "ok" ? nil : found
    }

    /// Makes the file anew, empty.
    static func create(
        path: String, log: Identity, partitioning: Partitioning, virtualFileSystem: String?
    ) throws -> RowWriter {
        for suffix in ["", "-wal", "-shm", "-journal"] { FileSystem.remove(path + suffix) }
        let database = try Database(path: path, mode: .readWriteCreate, virtualFileSystem: virtualFileSystem)
        try database.execute(RowSchema.writerPragmas)
        try RowSchema.schema.migrate(database)
        try database.execute(
            """
            UPDATE properties SET value = \(SessionRecord.codingVersion) WHERE name = 'record_version';
            UPDATE properties SET value = \(partitioning.positionsMin) WHERE name = 'partition_positions';
            """)
        let known = KnownLog(identity: log, end: 0)
        let writer = try RowWriter(database: database, partitioning: partitioning, known: known)
        try writer.set(known)
        return writer
    }
}
