package import Base
internal import SQLite

extension Ledger {
    /// Notes how far the log goes; the end only rises, for one identity. Another identity takes the place of the one
    /// before. One row, and nothing where it is known already.
    package func noteLog(_ log: KnownLog) throws(StoreError) {
        if notedLog == nil { notedLog = try knownLog() }
        if let noted = notedLog, noted.identity == log.identity, noted.end >= log.end {
            return
        }
        try write { (database) throws(SQLiteError) in
            let insert = try database.prepare("INSERT OR REPLACE INTO log VALUES(1, ?1)")
            defer { insert.finalize() }
            try log.encoded.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
                insert.bindBorrowed(1, blob: UnsafeRawBufferPointer(bytes))
                try insert.run()
            }
        }
        notedLog = log
    }

    /// Forgets what was noted: an operator has accepted another log, or a shorter one.
    package func forgetLog() throws(StoreError) {
        try write { (database) throws(SQLiteError) in try database.execute("DELETE FROM log") }
        notedLog = nil
    }

    /// nil where no log was ever noted, or the note is not as it was written.
    package func knownLog() throws(StoreError) -> KnownLog? {
        try run { (database) throws(SQLiteError) in
            var found: KnownLog?
            try database.query("SELECT known FROM log", row: { found = KnownLog(decoding: $0.bytes(0)) })
            return found
        }
    }
}
