package import Base
internal import SQLite

/// Which entries of the quarantine other receivers may see. Noted before they are shown there: an entry that is noted and
/// gone here was retried, dropped or erased here, and has to go there as well.
extension Ledger {
    /// Entries that are noted as shared.
    /// - Returns: their ids; true: the entry is still here.
    package func sharedQuarantine() throws(StoreError) -> [Int64: Bool] {
        try run { (database) throws(SQLiteError) in
            var found: [Int64: Bool] = [:]
            try database.query(
                """
                SELECT s.id, q.id IS NOT NULL FROM quarantine_shared s
                LEFT JOIN quarantine q ON q.id = s.id AND q.kind = 0
                """,
                row: { found[$0.int64(0)] = $0.int64(1) != 0 })
            return found
        }
    }

    /// Verified entries with ids above `id` that are not noted as shared, ascending.
    package func unsharedQuarantine(after id: Int64, limit: Int) throws(StoreError) -> [QuarantineEntry] {
        try run { (database) throws(SQLiteError) in
            try Self.quarantined(
                database, after: id, limit: limit, kind: .verified,
                and: "id NOT IN (SELECT id FROM quarantine_shared)")
        }
    }

    /// Notes that others may see them from now on. Durable when this returns.
    package func setShared(_ ids: [Int64]) throws(StoreError) {
        try forEach(ids, "INSERT OR IGNORE INTO quarantine_shared VALUES(?1)")
    }

    /// Others do not see them any more.
    package func forgetShared(_ ids: [Int64]) throws(StoreError) {
        try forEach(ids, "DELETE FROM quarantine_shared WHERE id = ?1")
    }

    /// Gives an entry another id, because another receiver has one with the same; as one that is not shared yet.
    package func renumberQuarantined(_ id: Int64) throws(StoreError) {
        let next = nextId(.verified)
        try write { (database) throws(SQLiteError) in
            for sql in [
                """
                INSERT INTO quarantine SELECT ?2, kind, received_at, reason, credentials, body, is_plausible
                FROM quarantine WHERE id = ?1 AND ?2 > 0
                """, "DELETE FROM quarantine WHERE id = ?1 AND ?2 > 0",
                "DELETE FROM quarantine_shared WHERE id = ?1 AND ?2 > 0",
            ] {
                try database.run(
                    sql,
                    bind: {
                        $0.bind(1, id)
                        $0.bind(2, next)
                    })
            }
        }
    }

    /// Removes the quarantined bodies that a condition holds for, and what SQLite leaves of them.
    /// - Returns: how many there were.
    package func eraseQuarantined(where isRemoved: (_ body: [UInt8]) -> Bool) throws(StoreError) -> Int {
        flush()
        let count = try removeQuarantined { isRemoved($0.content.body) }
        if count > 0 { try scrub() }
        return count
    }

    private func forEach(_ ids: [Int64], _ sql: String) throws(StoreError) {
        guard !ids.isEmpty else { return }
        try write { (database) throws(SQLiteError) in
            for id in ids { try database.run(sql, bind: { $0.bind(1, id) }) }
        }
    }
}
