package import Base
internal import SQLite
internal import SessionModel

/// Settled sessions that are to be asked about once more, because a refund is told by nobody.
extension Ledger {
    /// Checks kept; the oldest go first.
    static let refundChecksMax: Int64 = 1_000_000
    /// Questions without an answer, after which a check is dropped.
    static let refundTriesMax: Int64 = 5

    /// Notes that sessions are to be asked about at an instant; those that are noted already stay as they are.
    package func addRefundChecks(_ sessionIds: [String], dueAt: Instant) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            let insert = try database.prepare("INSERT OR IGNORE INTO refund_check VALUES(NULL, ?1, ?2, 0)")
            defer { insert.finalize() }
            for sessionId in sessionIds {
                insert.bind(1, text: sessionId)
                insert.bind(2, dueAt.microsecondsSince1970)
                try insert.run()
            }
            try database.execute(
                "DELETE FROM refund_check WHERE id <= (SELECT max(id) FROM refund_check) - \(Self.refundChecksMax)")
        }
    }

    /// Sessions that are due, the longest first.
    package func refundChecks(dueBy now: Instant, limit: Int) throws(StoreError) -> [String] {
        try run { (database) throws(SQLiteError) in
            var found: [String] = []
            try database.query(
                "SELECT session_id FROM refund_check WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
                bind: {
                    $0.bind(1, now.microsecondsSince1970)
                    $0.bind(2, Int64(limit))
                }, row: { found.append($0.text(0)) })
            return found
        }
    }

    /// The session has been asked about, or need not be.
    package func removeRefundCheck(_ sessionId: String) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try database.run(
                "DELETE FROM refund_check WHERE session_id = ?1", bind: { $0.bind(1, text: sessionId) })
        }
    }

    /// There was no answer: again in an hour, then in two, and so on.
    package func postponeRefundCheck(_ sessionId: String, now: Instant) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try database.run(
                """
                UPDATE refund_check SET due_at = ?2 + (3600000000 << tries), tries = tries + 1
                WHERE session_id = ?1
                """,
                bind: {
                    $0.bind(1, text: sessionId)
                    $0.bind(2, now.microsecondsSince1970)
                })
            try database.run(
                "DELETE FROM refund_check WHERE session_id = ?1 AND tries >= \(Self.refundTriesMax)",
                bind: { $0.bind(1, text: sessionId) })
        }
    }
}
