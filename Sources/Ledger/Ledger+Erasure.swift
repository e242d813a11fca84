package import Base
internal import SQLite
internal import SessionModel

/// What the ledger itself keeps of persons.
extension Ledger {
    /// Removes what is kept of a user (quarantined bodies that name them, their requests), and of sessions that are
    /// gone; also from what SQLite leaves of removed and moved rows, and from files kept aside.
    ///
    /// - Parameters:
    ///   - userId: nil where sessions are removed because of their age.
    ///   - unpack: undoes the content coding of a quarantined body; nil where there is none or it is damaged.
    /// - Returns: how many quarantined bodies have gone.
    @discardableResult
    package func erase(
        userId: String?, sessions: [String], unpack: ([UInt8]) -> [UInt8]?
    ) throws(StoreError) -> Int {
        var quarantined = 0
        if let userId {
            let mentions = UserMentions(userId)
            quarantined = try removeQuarantined { entry in
                mentions.areNamed(in: entry.content.body)
                    || unpack(entry.content.body).map { mentions.areNamed(in: $0) } ?? false
            }
        }
        try write { (database) throws(SQLiteError) in
            if let userId {
                // A scope is the operation's name, a space, and the user's id.
                try database.run(
                    "DELETE FROM idempotency WHERE substr(scope, instr(scope, ' ') + 1) = ?1",
                    bind: { $0.bind(1, text: userId) })
                try database.run(
                    "DELETE FROM unanswered_start WHERE user_id = ?1", bind: { $0.bind(1, text: userId) })
            }
            for session in sessions {
                for table in ["affected", "refund_check"] {
                    try database.run(
                        "DELETE FROM \(table) WHERE session_id = ?1", bind: { $0.bind(1, text: session) })
                }
            }
        }
        try scrub()
        return quarantined
    }

    /// Leaves nothing of what was removed: the WAL is copied to the file and emptied, parts of pages that mean nothing are
    /// zeroed (`secure_delete` has zeroed the rows themselves), and files kept aside because of damage go, for nobody can
    /// say what is in them.
    package func scrub() throws(StoreError) {
        file.removeAside()
        let log = file.path + "-wal"
        try run { (database) throws(SQLiteError) in
            _ = try database.checkpoint(truncating: true)
            guard FileSystem.size(log) == 0 else { throw SQLiteError.inUse(log) }
            try PageScrubber(database).run()
        }
    }
}

/// Erasures under way. Each is durable before anything is erased, with all that is needed to go on with it.
extension Ledger {
    /// Notes an erasure.
    ///
    /// - Parameters:
    ///   - userId: nil where sessions are removed because of their age.
    ///   - sessions: what it is about, where that is known already.
    ///   - through: the position in the log up to which it is.
    package func addErasure(
        userId: String?, sessions: [String]?, through: Int64
    ) throws(StoreError) -> ErasureIntent {
        let stage = sessions == nil ? ErasureIntent.Stage.asked : .planned
        return try write { (database) throws(SQLiteError) in
            var id: Int64 = 0
            try database.query(
                "INSERT INTO erasure(user_id, through, stage) VALUES(?1, ?2, ?3) RETURNING id",
                bind: {
                    $0.bind(1, text: userId)
                    $0.bind(2, through)
                    $0.bind(3, stage.rawValue)
                }, row: { id = $0.int64(0) })
            if let sessions { try Self.addToPlan(database, id, sessions) }
            return ErasureIntent(id: id, userId: userId, through: through, stage: stage)
        }
    }

    /// All that are not finished, in the order in which they were asked for.
    package func erasures() throws(StoreError) -> [ErasureIntent] {
        try run { (database) throws(SQLiteError) in
            var intents: [ErasureIntent] = []
            try database.query(
                "SELECT id, user_id, through, stage FROM erasure ORDER BY id",
                row: {
                    intents.append(
                        ErasureIntent(
                            id: $0.int64(0), userId: $0.isNull(1) ? nil : $0.text(1), through: $0.int64(2),
                            stage: ErasureIntent.Stage(rawValue: $0.int64(3)) ?? .asked))
                })
            return intents
        }
    }

    /// Notes which sessions an erasure is about: from here on it can be resumed although rows that name the user are
    /// gone already.
    package func plan(_ intent: ErasureIntent, _ sessions: [String]) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try Self.addToPlan(database, intent.id, sessions)
            try Self.setStage(database, intent, .planned)
        }
    }

    /// The sessions that an erasure is about.
    package func plannedSessions(_ intent: ErasureIntent) throws(StoreError) -> [String] {
        try run { (database) throws(SQLiteError) in
            var sessions: [String] = []
            try database.query(
                "SELECT session_id FROM erasure_plan WHERE erasure = ?1",
                bind: { $0.bind(1, intent.id) }, row: { sessions.append($0.text(0)) })
            return sessions
        }
    }

    /// Keeps bytes with which a step of an erasure can be done again, in place of the ones before. Durable when this
    /// returns.
    package func setRedo(_ bytes: [UInt8], of intent: ErasureIntent) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            let set = try database.prepare("INSERT OR REPLACE INTO erasure_redo VALUES(?1, ?2)")
            defer { set.finalize() }
            set.bind(1, intent.id)
            try bytes.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
                set.bindBorrowed(2, blob: UnsafeRawBufferPointer(bytes))
                try set.run()
            }
        }
    }

    /// What is to be done again, in the order of the erasures.
    package func redos() throws(StoreError) -> [(intentId: Int64, bytes: [UInt8])] {
        try run { (database) throws(SQLiteError) in
            var found: [(intentId: Int64, bytes: [UInt8])] = []
            try database.query(
                "SELECT id, bytes FROM erasure_redo ORDER BY id", row: { found.append(($0.int64(0), $0.array(1))) })
            return found
        }
    }

    package func removeRedo(of intent: ErasureIntent) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try database.run("DELETE FROM erasure_redo WHERE id = ?1", bind: { $0.bind(1, intent.id) })
        }
    }

    /// Name, plan and redo go, from every page and from the WAL; the intent stays, for what is left to do without them.
    package func forget(_ intent: ErasureIntent) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try Self.removeDetails(database, intent)
            try Self.setStage(database, intent, .forgotten)
        }
        try scrub()
    }

    /// The erasure is finished.
    package func remove(_ intent: ErasureIntent) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try Self.removeDetails(database, intent)
            try database.run("DELETE FROM erasure WHERE id = ?1", bind: { $0.bind(1, intent.id) })
        }
    }

    private static func addToPlan(_ database: Database, _ id: Int64, _ sessions: [String]) throws(SQLiteError) {
        let insert = try database.prepare("INSERT OR IGNORE INTO erasure_plan(erasure, session_id) VALUES(?1, ?2)")
        defer { insert.finalize() }
        for session in sessions {
            insert.bind(1, id)
            insert.bind(2, text: session)
            try insert.run()
        }
    }

    private static func setStage(
        _ database: Database, _ intent: ErasureIntent, _ stage: ErasureIntent.Stage
    ) throws(SQLiteError) {
        try database.run(
            "UPDATE erasure SET stage = ?2 WHERE id = ?1",
            bind: {
                $0.bind(1, intent.id)
                $0.bind(2, stage.rawValue)
            })
    }

    private static func removeDetails(_ database: Database, _ intent: ErasureIntent) throws(SQLiteError) {
        for sql in [
            "DELETE FROM erasure_plan WHERE erasure = ?1", "DELETE FROM erasure_redo WHERE id = ?1",
            "UPDATE erasure SET user_id = NULL WHERE id = ?1",
        ] {
            try database.run(sql, bind: { $0.bind(1, intent.id) })
        }
    }
}

extension SQLiteError {
    static func inUse(_ path: String) -> SQLiteError {
        // SQLITE_BUSY
        SQLiteError(code: 5, message: "somebody reads the file", action: "emptying \(path)")
    }
}
