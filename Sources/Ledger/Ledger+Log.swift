package import Base
internal import SQLite

/// What the ledger has seen of the log: with it a start tells a log that is missing, cut off or another one from a new
/// installation.
package struct KnownLog: Sendable, Equatable {
    package let identity: Identity
    /// The highest position that it is known to have had.
    package let end: Int64

    package init(identity: Identity, end: Int64) {
        self.identity = identity
        self.end = end
    }
}

extension Ledger {
    /// Notes how far the log goes; `end` only rises, for one identity. Another identity takes the place of the one before.
    /// One row, and nothing where it is known already.
    package func noteLog(identity: Identity, end: Int64) throws(StoreError) {
        if let notedLog, notedLog.identity == identity, notedLog.end >= end { return }
        try write { (database) throws(SQLiteError) in
            try database.query(
                """
                INSERT INTO log VALUES(1, ?1, ?2) ON CONFLICT(id) DO UPDATE SET
                    end = CASE WHEN identity = excluded.identity THEN max(end, excluded.end) ELSE excluded.end END,
                    identity = excluded.identity
                """,
                bind: {
                    $0.bind(1, text: identity.description)
                    $0.bind(2, end)
                })
        }
        notedLog = try knownLog()
    }

    /// nil where no log was ever noted.
    package func knownLog() throws(StoreError) -> KnownLog? {
        try run { (database) throws(SQLiteError) in
            var found: KnownLog?
            try database.query(
                "SELECT identity, end FROM log",
                row: { row in
                    found = Identity(row.text(0)).map { KnownLog(identity: $0, end: row.int64(1)) }
                })
            return found
        }
    }
}
