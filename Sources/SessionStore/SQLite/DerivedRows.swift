internal import SessionModel

/// The derived rows as they are at one moment, for a check. Belongs to one thread.
final class DerivedRows {
    private let database: Database
    private let byId: Statement
    private let all: Statement
    /// When open for reading only, what the tail has changed is in memory only.
    private let overlay: RecordCache?
    /// Sessions of the log without a row; those of the overlay are not among them.
    private(set) var missingCount: Int64 = 0

    init(parts: StoreParts) throws {
        database = try Database(
            path: parts.derivedPath, mode: parts.readMode.derived, virtualFileSystem: parts.options.virtualFileSystem)
        try database.execute(DerivedSchema.readerPragmas)
        byId = try database.prepare(
            """
            SELECT number, user_id, status, record, \(DerivedRow.integerColumns.joined(separator: ", "))
            FROM sessions WHERE session_id = ?1
            """)
        all = try database.prepare("SELECT number, session_id FROM sessions ORDER BY number")
        overlay = parts.writeBehind == nil ? parts.cache : nil
        // The transaction keeps the rows as they are now, however long the check takes.
        try database.execute("BEGIN")
        _ = try database.integer("SELECT 1 FROM sessions LIMIT 1")
    }

    enum Comparison { case same, missing, different }

    func compare(
        _ record: SessionRecord, key: SessionKey, buffer: inout [UInt8]
    ) throws(SQLiteError) -> Comparison {
        buffer.removeAll(keepingCapacity: true)
        let expected = DerivedRow(record, into: &buffer)
        byId.bind(1, text: key.sessionId)
        defer { byId.reset() }
        let isThere = try byId.step()
        if !isThere { missingCount += 1 }
        if let overlay, case .found(let current) = overlay.record(key) {
            return current.encoded == Array(buffer[expected.record]) ? .same : .different
        }
        guard isThere else { return .missing }
        let isSame =
            byId.int64(0) == expected.number && text(1) == expected.userId.map { Array($0.utf8) }
            && byId.array(2) == Array(expected.status.utf8)
            && byId.bytes(3).elementsEqual(buffer[expected.record])
            && expected.integers.enumerated().allSatisfy { index, value in
                (byId.isNull(Int32(index) + 4) ? nil : byId.int64(Int32(index) + 4)) == value
            }
        return isSame ? .same : .different
    }

    private func text(_ column: Int32) -> [UInt8]? {
        byId.isNull(column) ? nil : byId.array(column)
    }

    var count: Int64 {
        get throws(SQLiteError) { try database.integer("SELECT count(*) FROM sessions") ?? 0 }
    }

    func forEach(_ body: (Int64, String) throws(SQLiteError) -> Void) throws(SQLiteError) {
        defer { all.reset() }
        while try all.step() { try body(all.int64(0), all.text(1)) }
    }

    func close() {
        byId.finalize()
        all.finalize()
        database.rollBack()
        database.close()
    }
}
