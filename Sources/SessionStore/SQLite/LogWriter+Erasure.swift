internal import SQLite
internal import SessionModel

/// An erasure that has been asked for and is not finished.
struct ErasureIntent {
    enum Stage: Int64 {
        case asked = 0
        case planned = 1
        /// Everything is gone but what the WAL's past may hold.
        case forgotten = 2
    }

    let id: Int64
    /// The user's id; nil where sessions are removed because of their age.
    let userId: String?
    /// Deliveries up to this position are erased.
    let through: Int64
    var stage: Stage
}

/// What becomes of one delivery.
struct ErasureChange {
    let position: Int64
    /// nil: nothing stays but the position.
    let body: [UInt8]?
}

extension LogWriter {
    /// Notes an erasure.
    /// - Parameters:
    ///   - sessions: what it is about, where that is known already.
    ///   - through: the position up to which it is; nil: everything up to now.
    func add(
        erasureOf userId: String?, sessions: [String]?, through: Int64? = nil
    ) throws(SQLiteError) -> ErasureIntent {
        let through = through ?? lastPosition
        let stage = sessions == nil ? ErasureIntent.Stage.asked : .planned
        let insert = try database.prepare(
            "INSERT INTO erasures(subject, through, stage) VALUES(?1, ?2, ?3) RETURNING id")
        defer { insert.finalize() }
        // A user's id is never empty.
        insert.bind(1, text: userId ?? "")
        insert.bind(2, through)
        insert.bind(3, stage.rawValue)
        var id: Int64 = 0
        while try insert.step() { id = insert.int64(0) }
        if let sessions { try addToPlan(sessions) }
        return ErasureIntent(id: id, userId: userId, through: through, stage: stage)
    }

    var erasures: [ErasureIntent] {
        get throws(SQLiteError) {
            let select = try database.prepare("SELECT id, subject, through, stage FROM erasures ORDER BY id")
            defer { select.finalize() }
            var intents: [ErasureIntent] = []
            while try select.step() {
                let subject = select.text(1)
                intents.append(
                    ErasureIntent(
                        id: select.int64(0), userId: subject.isEmpty ? nil : subject, through: select.int64(2),
                        stage: ErasureIntent.Stage(rawValue: select.int64(3)) ?? .asked))
            }
            return intents
        }
    }

    /// Notes which sessions an erasure is about: from here on it can be resumed although rows that name the user are
    /// gone already.
    func plan(_ intent: ErasureIntent, _ sessions: [String]) throws(SQLiteError) {
        try addToPlan(sessions)
        try database.execute(
            "UPDATE erasures SET stage = \(ErasureIntent.Stage.planned.rawValue) WHERE id = \(intent.id)")
    }

    private func addToPlan(_ sessions: [String]) throws(SQLiteError) {
        let insert = try database.prepare("INSERT OR IGNORE INTO erasure_plan VALUES(?1)")
        defer { insert.finalize() }
        for session in sessions {
            insert.bind(1, text: session)
            try insert.run()
        }
    }

    var plannedSessions: [String] {
        get throws(SQLiteError) {
            let select = try database.prepare("SELECT session_id FROM erasure_plan")
            defer { select.finalize() }
            var sessions: [String] = []
            while try select.step() { sessions.append(select.text(0)) }
            return sessions
        }
    }

    /// Rewrites deliveries in place. A row never gets longer, so no page is split or merged and no copy of a row is
    /// left behind anywhere; what it had is zeroed (secure_delete).
    func rewrite(_ changes: some Collection<ErasureChange>) throws(SQLiteError) {
        let erase = try database.prepare(
            "UPDATE deliveries SET received_at = 0, source = 0, body = zeroblob(0) WHERE position = ?1")
        let redact = try database.prepare("UPDATE deliveries SET body = ?2 WHERE position = ?1")
        defer {
            erase.finalize()
            redact.finalize()
        }
        for change in changes {
            guard let body = change.body else {
                erase.bind(1, change.position)
                try erase.run()
                continue
            }
            redact.bind(1, change.position)
            try body.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
                redact.bindBorrowed(2, blob: UnsafeRawBufferPointer(bytes))
                try redact.run()
            }
        }
    }

    /// The plan and the name go; the intent stays until the WAL is empty.
    func forget(_ intent: ErasureIntent) throws(SQLiteError) {
        try database.execute("DELETE FROM erasure_plan")
        try replaceErasures(
            try erasures.map { other in
                guard other.id == intent.id else { return other }
                return ErasureIntent(id: other.id, userId: nil, through: other.through, stage: .forgotten)
            })
    }

    func remove(_ intent: ErasureIntent) throws(SQLiteError) {
        try replaceErasures(try erasures.filter { $0.id != intent.id })
    }

    /// All anew: deleting everything zeroes every page, so that none keeps what is left of moved rows.
    private func replaceErasures(_ intents: [ErasureIntent]) throws(SQLiteError) {
        try database.execute("DELETE FROM erasures")
        let insert = try database.prepare("INSERT INTO erasures(id, subject, through, stage) VALUES(?1, ?2, ?3, ?4)")
        defer { insert.finalize() }
        for intent in intents {
            insert.bind(1, intent.id)
            insert.bind(2, text: intent.userId ?? "")
            insert.bind(3, intent.through)
            insert.bind(4, intent.stage.rawValue)
            try insert.run()
        }
    }
}
