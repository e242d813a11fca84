internal import SQLite
internal import SessionModel

/// The derived rows as they are at one moment, for a check. Belongs to one thread.
final class DerivedRows {
    private let database: Database
    private let byNumber: Statement
    private let all: Statement
    /// When open for reading only, what the tail has changed is in memory only.
    private let overlay: RecordCache?
    /// Sessions of the log without a row; those of the overlay are not among them.
    private(set) var missingCount: Int64 = 0

    init(parts: StoreParts) throws {
        database = try Database(
            path: parts.derivedPath, mode: parts.readMode.derived, virtualFileSystem: parts.options.virtualFileSystem)
        try database.execute(DerivedSchema.readerPragmas)
        byNumber = try database.prepare(
            """
            SELECT number, user_id, status, record, \(DerivedRow.integerColumns.joined(separator: ", "))
            FROM sessions WHERE number = ?1 AND session_id = ?2
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
        byNumber.bind(1, expected.number)
        byNumber.bind(2, text: key.sessionId)
        defer { byNumber.reset() }
        let isThere = try byNumber.step()
        if !isThere { missingCount += 1 }
        if let overlay, case .found(let current) = overlay.record(key) {
            return current.encoded == Array(buffer[expected.record]) ? .same : .different
        }
        guard isThere else { return .missing }
        let isSame =
            text(1) == expected.userId.map { Array($0.utf8) }
            && byNumber.array(2) == Array(expected.status.utf8)
            && byNumber.bytes(3).elementsEqual(buffer[expected.record])
            && expected.integers.enumerated().allSatisfy { index, value in
                (byNumber.isNull(Int32(index) + 4) ? nil : byNumber.int64(Int32(index) + 4)) == value
            }
        return isSame ? .same : .different
    }

    private func text(_ column: Int32) -> [UInt8]? {
        byNumber.isNull(column) ? nil : byNumber.array(column)
    }

    var count: Int64 {
        get throws(SQLiteError) { try database.integer("SELECT count(*) FROM sessions") ?? 0 }
    }

    func forEach(_ body: (Int64, String) throws(SQLiteError) -> Void) throws(SQLiteError) {
        defer { all.reset() }
        while try all.step() { try body(all.int64(0), all.text(1)) }
    }

    func close() {
        byNumber.finalize()
        all.finalize()
        database.rollBack()
        database.close()
    }
}
