internal import Base
internal import Dispatch
internal import Glibc
internal import SQLite
internal import SessionModel

/// The part of an erasure that deals with sessions: what to do with each delivery, and the records that follow.
final class ErasureWork {
    private struct Row {
        let position: Int64
        /// Names the user who is erased.
        var isSubject = false
        /// Names another user.
        var isOther = false
    }

    private let eraser: Eraser
    private let intent: ErasureIntent
    private let mentions: UserMentions?
    private let log: LogReader
    private var rows: [SessionKey: [Row]] = [:]
    /// Rows that this release cannot read, but that hold the user's id.
    private var strays: [Int64] = []
    /// How far the log has been looked through.
    private var seen: Int64
    /// The sessions of which nothing is left, after `replaceRecords`.
    private(set) var sessionsGone: [String] = []

    init(_ eraser: Eraser, _ intent: ErasureIntent) throws {
        self.eraser = eraser
        self.intent = intent
        mentions = intent.userId.map { UserMentions($0) }
        log = try eraser.openLog()
        let sessions = try eraser.commit { (writer) throws(SQLiteError) in try writer.plannedSessions }
        for session in sessions { rows[SessionKey(session)] = [] }
        seen = 0
        // Without a session of the user's, rows that cannot be read may still name them.
        guard !rows.isEmpty || mentions != nil else { return }
        try collect(through: .max, pausing: true)
    }

    deinit {
        log.close()
    }

    /// Notes the deliveries of the sessions after `seen`.
    private func collect(through last: Int64, pausing: Bool) throws {
        while seen < last {
            if pausing { try eraser.goOn() }
            let reached = try log.chunk(after: seen, through: last) { (row) throws(Never) in
                if row.isErased { return }
                guard let event = row.event() else {
                    if row.position <= intent.through, mentions?.areNamed(in: [UInt8](row.body)) == true {
                        strays.append(row.position)
                    }
                    return
                }
                let key = SessionKey(event.sessionId)
                guard rows[key] != nil else { return }
                var note = Row(position: row.position)
                if let named = event.userId, let mentions {
                    note.isSubject = mentions.isUser(named)
                    note.isOther = !note.isSubject
                }
                rows[key]?.append(note)
            }
            guard let reached else { return }
            seen = reached
        }
    }

    /// Whether a session is another user's as well.
    private func isShared(_ rows: [Row]) -> Bool { rows.contains(where: \.isOther) }

    // MARK: The log

    func rewriteLog(_ report: inout ErasureReport) throws {
        guard intent.userId != nil else { return try removeOldSessions(&report) }
        var removed = strays
        var redacted: [Int64] = []
        for (_, rows) in rows {
            let isShared = isShared(rows)
            for row in rows where row.position <= intent.through {
                if !isShared {
                    removed.append(row.position)
                } else if row.isSubject {
                    redacted.append(row.position)
                }
            }
        }
        var changes = removed.map { ErasureChange(position: $0, body: nil) }
        for position in redacted {
            var body: [UInt8]?
            try log.row(at: position) { body = mentions?.redacted($0.body) }
            changes.append(ErasureChange(position: position, body: body))
        }
        changes.sort { $0.position < $1.position }
        report.deliveriesRemoved = removed.count
        report.deliveriesRedacted = redacted.count
        var start = 0
        while start < changes.count {
            try eraser.goOn()
            let end = min(start + Eraser.rowsPerCommit, changes.count)
            let step = changes[start..<end]
            try eraser.commit { (writer) throws(SQLiteError) in try writer.rewrite(step) }
            start = end
            eraser.reached(.rewriting)
        }
    }

    /// Old sessions go whole, or not at all: one of which something new is heard stays as it is.
    private func removeOldSessions(_ report: inout ErasureReport) throws {
        let keys = Array(rows.keys)
        var start = 0
        while start < keys.count {
            try eraser.goOn()
            try collect(through: .max, pausing: true)
            // On the committer's queue nothing new comes between the look and the commit.
            try eraser.committer.queue.sync {
                try collect(through: .max, pausing: false)
                var positions: [Int64] = []
                while start < keys.count, positions.count < Eraser.rowsPerCommit {
                    let ofSession = rows[keys[start]] ?? []
                    // One that stays is folded anew with the others: an earlier run may have begun with it.
                    if !ofSession.contains(where: { $0.position > intent.through }) {
                        positions += ofSession.map(\.position)
                    }
                    start += 1
                }
                let changes = positions.sorted().map { ErasureChange(position: $0, body: nil) }
                try eraser.committer.transaction { (writer) throws(SQLiteError) in try writer.rewrite(changes) }
                report.deliveriesRemoved += changes.count
            }
            eraser.reached(.rewriting)
        }
    }

    // MARK: Records and rows

    func replaceRecords(_ report: inout ErasureReport) throws {
        // Most of what has come meanwhile; the rest, a little, is looked through while the fold stands still.
        if !rows.isEmpty { try collect(through: .max, pausing: true) }
        let keys = Array(rows.keys)
        var start = 0
        while start < keys.count {
            try eraser.goOn()
            let end = min(start + Eraser.sessionsPerReplacement, keys.count)
            let step = keys[start..<end]
            let folder = eraser.parts.folder
            let kept = try folder.queue.sync {
                try collect(through: folder.folded, pausing: false)
                return try replace(step, through: folder.folded)
            }
            report.sessionsKept += kept
            report.sessions += step.count - kept
            start = end
        }
    }

    /// On the folder's queue: only the fold changes records, and it stands still. What is left of each session is folded
    /// anew from the log and takes the place of row and record.
    /// - Returns: how many of the sessions there still are.
    private func replace(_ keys: ArraySlice<SessionKey>, through last: Int64) throws -> Int {
        var records: [SessionRecord] = []
        for key in keys {
            var record = SessionRecord(sessionId: key.sessionId)
            for row in rows[key] ?? [] where row.position <= last {
                try log.row(at: row.position) { row in
                    guard let event = row.event() else { return }
                    record.apply(
                        event, position: row.position, receivedAt: row.receivedAt,
                        place: Place(origin: .none, sequence: row.position))
                }
            }
            if !record.facts.isEmpty { records.append(record) }
        }
        let sessions = keys.map(\.sessionId)
        let kept = Set(records.map { SessionKey($0.sessionId) })
        sessionsGone += keys.filter { !kept.contains($0) }.map(\.sessionId)
        // Nothing of the sessions may be waiting to be written: it would bring the old row back.
        try eraser.writeBehind.flush()
        let directory = eraser.parts.filters
        // Without its first delivery, a session is in the part of another one.
        for record in records { directory.insert(SessionFilter.hash(record.sessionId.utf8), number: record.number) }
        let replaced = sessions.map { RowWriter.Replaced(sessionId: $0, parts: directory.candidates($0)) }
        try eraser.writeBehind.replace(replaced, with: records)
        eraser.parts.cache.remove(sessions)
        return records.count
    }
}

extension WriteBehind {
    /// Replaces the rows of sessions of which nothing is dirty. Not on the queue; blocks.
    func replace(_ sessions: [RowWriter.Replaced], with records: [SessionRecord]) throws(StoreError) {
        var buffer: [UInt8] = []
        let rows = records.map { SessionRow($0, into: &buffer) }
        let result = queue.sync { () -> Result<Void, SQLiteError> in
            Result { () throws(SQLiteError) in
                try writer.write(rows, buffer: buffer, position: writer.covered, replacing: sessions)
            }
        }
        do throws(SQLiteError) {
            try result.get()
        } catch {
            throw StoreError(.unavailable, "derived rows cannot be written: \(error)")
        }
    }
}

/// Waiting without a timer of its own.
enum Thread {
    static func pause(milliseconds: Int) {
        usleep(UInt32(milliseconds) * 1000)
    }
}
