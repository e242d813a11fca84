package import Base
internal import SQLite

extension OperationsStore {
    /// Removes what is kept of a user's requests, and of sessions that are gone; also from what SQLite leaves of moved
    /// rows. Blocks.
    ///
    /// - Parameter userId: nil where sessions are removed because of their age.
    package func erase(userId: String?, sessions: [String]) throws(StoreError) {
        // Nobody can say what is in it.
        FileSystem.remove(damagedPath)
        try run { (database) throws(SQLiteError) in
            try database.transaction { () throws(SQLiteError) in
                if let userId {
                    // A scope is the operation's name, a space, and the user's id.
                    try database.query(
                        "DELETE FROM idempotency WHERE substr(scope, instr(scope, ' ') + 1) = ?1",
                        bind: { $0.bind(1, text: userId) })
                    try database.query(
                        "DELETE FROM unanswered_start WHERE user_id = ?1", bind: { $0.bind(1, text: userId) })
                }
                for session in sessions {
                    for table in ["affected", "refund_check"] {
                        try database.query(
                            "DELETE FROM \(table) WHERE session_id = ?1", bind: { $0.bind(1, text: session) })
                    }
                }
            }
            _ = try database.checkpoint(truncating: true)
            try PageScrubber(database).run()
        }
    }
}
