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

    /// What replication remembers beside the log. Some hundred bytes, in place of what was there before; durable when this
    /// returns.
    package func setReplicationMemory(_ memory: [UInt8]) throws(StoreError) {
        let bytes = memory + Self.checksum(memory)
        try write { (database) throws(SQLiteError) in
            let insert = try database.prepare("INSERT OR REPLACE INTO replication VALUES(1, ?1)")
            defer { insert.finalize() }
            try bytes.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
                insert.bindBorrowed(1, blob: UnsafeRawBufferPointer(bytes))
                try insert.run()
            }
        }
    }

    /// Places whose deliveries were erased before they came here, in place of what was there before. They stay for ever.
    package func setBuried(_ places: [UInt8]) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            let insert = try database.prepare("INSERT OR REPLACE INTO buried VALUES(1, ?1)")
            defer { insert.finalize() }
            try places.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
                insert.bindBorrowed(1, blob: UnsafeRawBufferPointer(bytes))
                try insert.run()
            }
        }
    }

    package func buried() throws(StoreError) -> [UInt8]? {
        try run { (database) throws(SQLiteError) in
            var found: [UInt8]?
            try database.query("SELECT places FROM buried", row: { found = $0.array(0) })
            return found
        }
    }

    /// nil where nothing was ever remembered, or it is not as it was written.
    package func replicationMemory() throws(StoreError) -> [UInt8]? {
        try run { (database) throws(SQLiteError) in
            var found: [UInt8]?
            try database.query("SELECT memory FROM replication", row: { found = $0.array(0) })
            guard let found, found.count >= 8, Self.checksum(found.dropLast(8)).elementsEqual(found.suffix(8)) else {
                return nil
            }
            return Array(found.dropLast(8))
        }
    }

    /// FNV-1a: a cell that a bad disk has changed must not tell another number or epoch.
    private static func checksum(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return withUnsafeBytes(of: hash.littleEndian) { Array($0) }
    }
}
