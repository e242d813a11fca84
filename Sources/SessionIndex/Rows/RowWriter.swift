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
    private let insertOne: Statement
    /// A statement opens the table and each of its indexes: less so, the more rows it has.
    private let insertMany: Statement
    /// What seldom changes, of a row that there is.
    private let select: Statement
    private let update: Statement
    private let updateOrder: Statement
    private let updateExpectation: Statement
    private let updateStatus: Statement
    private let setCount: Statement
    private let setProperty: Statement
    /// How many rows there are of each status, by its code.
    private var counts: [Int64: Int] = [:]
    private let log: Identity

    /// SQLite writes the entries of an index anew whenever an update names one of its columns. These seldom change, so
    /// they have statements of their own, for the rows where they do.
    private static let columnsUpdatedApart: Set<String> = [
        "order_key", "skewed", "expectation", "status", "status_since", "tie",
    ]

    init(database: Database, partitioning: Partitioning, known: KnownLog) throws(SQLiteError) {
        self.database = database
        self.partitioning = partitioning
        log = known.identity
        covered = known.end
        insertOne = try database.prepare(Self.insert(rows: 1))
        insertMany = try database.prepare(Self.insert(rows: Self.rowsPerInsert))
        select = try database.prepare(
            "SELECT user_id, skewed, order_key, expectation, status, status_since FROM sessions WHERE number = ?1")
        let updated = Self.updatedColumns.map { ", \(SessionRow.integerColumns[$0]) = ?" }.joined()
        update = try database.prepare(
            "UPDATE sessions SET record = ?\(updated) WHERE number = ?")
        updateOrder = try database.prepare(
            "UPDATE sessions SET user_id = ?2, skewed = ?3, order_key = ?4 WHERE number = ?1")
        updateExpectation = try database.prepare("UPDATE sessions SET expectation = ?2 WHERE number = ?1")
        updateStatus = try database.prepare("UPDATE sessions SET status = ?2, status_since = ?3 WHERE number = ?1")
        setCount = try database.prepare("INSERT OR REPLACE INTO status_counts VALUES(?1, ?2)")
        setProperty = try database.prepare("UPDATE properties SET value = ?2 WHERE name = ?1")
        try database.query("SELECT status, sessions FROM status_counts") { counts[$0.int64(0)] = Int($0.int64(1)) }
    }

    /// The places of all others among the integer columns.
    private static let updatedColumns = SessionRow.integerColumns.indices.filter {
        !columnsUpdatedApart.contains(SessionRow.integerColumns[$0])
    }
    private static let rowsPerInsert = 32
    private static let columnsPerRow = 5 + SessionRow.integerColumns.count

    /// ROLLBACK, which is done where anything fails anyway: SQLite need not keep what pages were before each statement.
    private static func insert(rows: Int) -> String {
        let values = "(" + repeatElement("?", count: columnsPerRow).joined(separator: ", ") + ")"
        return """
            INSERT OR ROLLBACK INTO sessions(
                number, session_id, user_id, record, partition, \(SessionRow.integerColumns.joined(separator: ", ")))
            VALUES \(repeatElement(values, count: rows).joined(separator: ", "))
            """
    }

    /// How many rows there are of each status; statuses without a name of their own count as FAILED.
    var statusCounts: [SessionStatus: Int] {
        counts.reduce(into: [:]) { counts, entry in
            if let status = SessionStatus(listCode: entry.key) { counts[status] = entry.value }
        }
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
        counts = try database.transaction { () throws(SQLiteError) in
            var counts = counts
            try remove(replaced, &counts)
            if !replaced.isEmpty { try forgetFilters(of: rows) }
            try buffer.withUnsafeBufferPointer { (buffer) throws(SQLiteError) in
                let bytes = UnsafeRawBufferPointer(buffer)
                var new: [SessionRow] = []
                for row in rows where try !writeOver(row, bytes, &counts) {
                    new.append(row)
                    counts[row.status, default: 0] += 1
                }
                try insert(new, bytes)
            }
            for (status, count) in counts where count != self.counts[status] {
                setCount.bind(1, status)
                setCount.bind(2, Int64(count))
                try setCount.run()
            }
            try set(KnownLog(identity: log, end: position))
            setProperty.bind(1, text: "seal")
            setProperty.bind(2, Int64(bitPattern: seal))
            try setProperty.run()
            return counts
        }
        covered = position
    }

    private func insert(_ rows: [SessionRow], _ buffer: UnsafeRawBufferPointer) throws(SQLiteError) {
        var rest = rows[...]
        while !rest.isEmpty {
            let isMany = rest.count >= Self.rowsPerInsert
            let statement = isMany ? insertMany : insertOne
            var first: Int32 = 1
            for row in rest.prefix(isMany ? Self.rowsPerInsert : 1) {
                statement.bind(first, row.number)
                statement.bind(first + 1, text: row.sessionId)
                statement.bind(first + 2, text: row.userId)
                statement.bindBorrowed(first + 3, blob: UnsafeRawBufferPointer(rebasing: buffer[row.record]))
                statement.bind(first + 4, Int64(partitioning.partition(of: row.number)))
                for (index, value) in row.integers.enumerated() { statement.bind(first + 5 + Int32(index), value) }
                first += Int32(Self.columnsPerRow)
            }
            try statement.run()
            rest = rest.dropFirst(isMany ? Self.rowsPerInsert : 1)
        }
    }

    /// Brings a session's row up to date.
    /// - Returns: false where it has none.
    private func writeOver(
        _ row: SessionRow, _ buffer: UnsafeRawBufferPointer, _ counts: inout [Int64: Int]
    ) throws(SQLiteError) -> Bool {
        guard !row.isNew, try change(row, &counts) else { return false }
        update.bindBorrowed(1, blob: UnsafeRawBufferPointer(rebasing: buffer[row.record]))
        var next: Int32 = 2
        for column in Self.updatedColumns {
            update.bind(next, row.integers[column])
            next += 1
        }
        update.bind(next, row.number)
        try update.run()
        return true
    }

    /// Brings up to date what seldom changes.
    /// - Returns: whether there is such a row.
    private func change(_ row: SessionRow, _ counts: inout [Int64: Int]) throws(SQLiteError) -> Bool {
        select.bind(1, row.number)
        guard try select.step() else {
            select.reset()
            return false
        }
        let isOrdered =
            row.userId == select.text(0) && row.isSkewed == select.int64(1) && row.orderKey == select.int64(2)
        let isExpected = row.expectation == select.int64(3)
        let status = select.int64(4)
        let isStatus = row.status == status && row.statusSince == (select.isNull(5) ? nil : select.int64(5))
        select.reset()
        if !isOrdered {
            updateOrder.bind(1, row.number)
            updateOrder.bind(2, text: row.userId)
            updateOrder.bind(3, row.isSkewed)
            updateOrder.bind(4, row.orderKey)
            try updateOrder.run()
        }
        if !isExpected {
            updateExpectation.bind(1, row.number)
            updateExpectation.bind(2, row.expectation)
            try updateExpectation.run()
        }
        if !isStatus {
            updateStatus.bind(1, row.number)
            updateStatus.bind(2, row.status)
            updateStatus.bind(3, row.statusSince)
            try updateStatus.run()
            counts[status, default: 0] -= 1
            counts[row.status, default: 0] += 1
        }
        return true
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

    private func remove(_ sessions: [Replaced], _ counts: inout [Int64: Int]) throws(SQLiteError) {
        for session in sessions {
            for partition in session.partitions {
                try remove("partition = ?1 AND session_id = ?2", &counts) {
                    $0.bind(1, Int64(partition))
                    $0.bind(2, text: session.sessionId)
                }
            }
            if let number = session.number { try remove("number = ?1", &counts) { $0.bind(1, number) } }
        }
    }

    private func remove(
        _ condition: String, _ counts: inout [Int64: Int], bind: (Statement) -> Void
    ) throws(SQLiteError) {
        var removed: [Int64] = []
        try database.query("DELETE FROM sessions WHERE \(condition) RETURNING status", bind: bind) {
            removed.append($0.int64(0))
        }
        for status in removed { counts[status, default: 0] -= 1 }
    }

    func close() {
        let statements = [
            insertOne, insertMany, select, update, updateOrder, updateExpectation, updateStatus, setCount, setProperty,
        ]
        for statement in statements { statement.finalize() }
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
            guard try areOurs(database, partitioning) else {
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

    /// Whether rows have the form that this release gives them.
    static func areOurs(_ database: Database, _ partitioning: Partitioning) throws(SQLiteError) -> Bool {
        let version = try database.integer("SELECT value FROM properties WHERE name = 'record_version'")
        let positions = try database.integer("SELECT value FROM properties WHERE name = 'partition_positions'")
        return version == Int64(SessionRecord.codingVersion) && positions == partitioning.positionsMin
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
