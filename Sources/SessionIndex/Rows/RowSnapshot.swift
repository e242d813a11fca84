internal import Base
internal import EventLog
package import SQLite
package import SessionModel

/// The session rows as they are at one moment, for a check. Belongs to one thread.
package final class RowSnapshot {
    private let database: Database
    private let byNumber: Statement
    private let all: Statement
    /// When open for reading only, what the tail has changed is in memory only.
    private let overlay: RecordCache?
    private let home: Identity
    /// Sessions of the log without a row; those of the overlay are not among them.
    package private(set) var missingCount: Int64 = 0

    package init(_ index: SessionIndex) throws {
        database = try index.openForReading()
        try database.execute(RowSchema.readerPragmas)
        byNumber = try database.prepare(
            """
            SELECT number, user_id, record, \(SessionRow.integerColumns.joined(separator: ", "))
            FROM sessions WHERE number = ?1 AND session_id = ?2
            """)
        all = try database.prepare("SELECT number, session_id FROM sessions ORDER BY number")
        home = index.log.identity
        overlay = index.writeBehind == nil ? index.cache : nil
        // The transaction keeps the rows as they are now, however long the check takes.
        try database.execute("BEGIN")
        _ = try database.integer("SELECT 1 FROM sessions LIMIT 1")
    }

    package enum Comparison { case same, missing, different }

    package func compare(
        _ record: SessionRecord, key: SessionKey, buffer: inout [UInt8]
    ) throws(SQLiteError) -> Comparison {
        buffer.removeAll(keepingCapacity: true)
        let expected = SessionRow(record, home: home, into: &buffer)
        byNumber.bind(1, expected.number)
        byNumber.bind(2, text: key.sessionId)
        defer { byNumber.reset() }
        let isThere = try byNumber.step()
        if !isThere { missingCount += 1 }
        if let overlay, case .found(let current) = overlay.record(key) {
            return current.encoded(home: home) == Array(buffer[expected.record]) ? .same : .different
        }
        guard isThere else { return .missing }
        let isSame =
            text(1) == expected.userId.map { Array($0.utf8) }
            && byNumber.bytes(2).elementsEqual(buffer[expected.record])
            && expected.integers.enumerated().allSatisfy { index, value in
                (byNumber.isNull(Int32(index) + 3) ? nil : byNumber.int64(Int32(index) + 3)) == value
            }
        return isSame ? .same : .different
    }

    private func text(_ column: Int32) -> [UInt8]? {
        byNumber.isNull(column) ? nil : byNumber.array(column)
    }

    package var count: Int64 {
        get throws(SQLiteError) { try database.integer("SELECT count(*) FROM sessions") ?? 0 }
    }

    /// Whether the number of rows of each status is as it is kept beside them.
    package var hasRightStatusCounts: Bool {
        get throws(SQLiteError) {
            try database.integer(
                """
                SELECT count(*) FROM (SELECT status, count(*) AS sessions FROM sessions GROUP BY status) AS found
                FULL JOIN (SELECT status, sessions FROM status_counts WHERE sessions != 0) AS kept USING (status)
                WHERE found.sessions IS NOT kept.sessions
                """) == 0
        }
    }

    package func forEach(_ body: (Int64, String) throws(SQLiteError) -> Void) throws(SQLiteError) {
        defer { all.reset() }
        while try all.step() { try body(all.int64(0), all.text(1)) }
    }

    package func close() {
        byNumber.finalize()
        all.finalize()
        database.rollBack()
        database.close()
    }
}
