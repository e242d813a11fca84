package import Base
internal import SQLite
internal import SessionModel

/// A start that the Drive API was asked for, and of which it is not known what became of it.
package struct UnansweredStart: Sendable, Equatable {
    package let id: Int64
    package let userId: String
    package let connectorId: String
    package let startedAt: Instant
}

extension Ledger {
    /// Starts kept of all users; then the oldest of the user that has the most goes.
    package static let unansweredStartsMax: Int64 = 10_000
    /// Starts kept of one user; the oldest go first.
    package static let unansweredStartsOfUserMax: Int64 = 100

    /// Notes, durably, that a session is about to be asked for; ``removeUnansweredStart(_:)`` must follow once it is
    /// known what became of it.
    package func addUnansweredStart(
        userId: String, connectorId: String, at startedAt: Instant, countMax: Int64 = unansweredStartsMax,
        ofUserMax: Int64 = unansweredStartsOfUserMax
    ) throws(StoreError) -> Int64 {
        try write { (database) throws(SQLiteError) in
            var id: Int64 = 0
            try database.query(
                "INSERT INTO unanswered_start VALUES(NULL, ?1, ?2, ?3) RETURNING id",
                bind: {
                    $0.bind(1, text: userId)
                    $0.bind(2, text: connectorId)
                    $0.bind(3, startedAt.microsecondsSince1970)
                }, row: { id = $0.int64(0) })
            try database.run(
                """
                DELETE FROM unanswered_start WHERE id IN
                    (SELECT id FROM unanswered_start WHERE user_id = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)
                """,
                bind: {
                    $0.bind(1, text: userId)
                    $0.bind(2, ofUserMax)
                })
            if try database.integer("SELECT count(*) FROM unanswered_start") ?? 0 > countMax {
                try database.execute(
                    """
                    DELETE FROM unanswered_start WHERE id =
                        (SELECT min(id) FROM unanswered_start GROUP BY user_id ORDER BY count(*) DESC, min(id) LIMIT 1)
                    """)
            }
            return id
        }
    }

    /// Where this fails the start is looked up in vain some time, which does no harm.
    package func removeUnansweredStart(_ id: Int64) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try database.run("DELETE FROM unanswered_start WHERE id = ?1", bind: { $0.bind(1, id) })
        }
    }

    /// All that are noted, the oldest first; of one id, where one is given.
    package func unansweredStarts(id: Int64? = nil) throws(StoreError) -> [UnansweredStart] {
        try run { (database) throws(SQLiteError) in
            var found: [UnansweredStart] = []
            try database.query(
                """
                SELECT id, user_id, connector_id, started_at FROM unanswered_start
                WHERE ?1 IS NULL OR id = ?1 ORDER BY id
                """,
                bind: { $0.bind(1, id) },
                row: {
                    found.append(
                        UnansweredStart(
                            id: $0.int64(0), userId: $0.text(1), connectorId: $0.text(2),
                            startedAt: Instant(microsecondsSince1970: $0.int64(3))))
                })
            return found
        }
    }
}
