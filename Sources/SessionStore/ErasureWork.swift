internal import Base
internal import Dispatch
internal import EventLog
internal import Glibc
internal import Ledger
internal import SessionIndex
internal import SessionModel

/// The steps of an erasure that deal with sessions: what to do with each delivery, and the records that follow.
final class ErasureWork {
    private struct Row {
        let position: Int64
        let place: Place
        /// Names the user who is erased.
        var isSubject = false
        /// Says that the session is another user's.
        var isOther = false
    }

    private let eraser: Eraser
    private let intent: ErasureIntent
    private let mentions: UserMentions?
    private var log: EventLog { eraser.log }
    private var rows: [SessionKey: [Row]] = [:]
    /// Rows that this release cannot read, but that hold the user's id.
    private var strays: [Row] = []
    /// How far the log has been looked through.
    private var seen: Int64 = 0
    /// The sessions of which nothing is left, after `replaceRecords`.
    private(set) var sessionsGone: [String] = []

    init(_ eraser: Eraser, _ intent: ErasureIntent, sessions: [String]) throws {
        self.eraser = eraser
        self.intent = intent
        mentions = intent.userId.map { UserMentions($0) }
        for session in sessions { rows[SessionKey(session)] = [] }
        // Without a session of the user's, rows that cannot be read may still name them.
        guard !rows.isEmpty || mentions != nil else { return }
        try collect(through: .max)
    }

    /// Notes the deliveries of the sessions after `seen`.
    private func collect(through last: Int64) throws {
        seen = try log.read(after: seen, through: last) { (row) throws(StoreError) in
            if row.position % 1_024 == 0 { try eraser.goOn() }
            guard let event = row.event() else {
                if row.position <= intent.through, mentions?.areNamed(in: [UInt8](row.body)) == true {
                    strays.append(Row(position: row.position, place: row.place))
                }
                return true
            }
            let key = SessionKey(event.sessionId)
            guard rows[key] != nil else { return true }
            var note = Row(position: row.position, place: row.place)
            if let named = event.userId, let mentions {
                note.isSubject = mentions.isUser(named)
                note.isOther = !note.isSubject && event.ownerId != nil
            }
            rows[key]?.append(note)
            return true
        }
    }

    /// Whether a session is another user's as well.
    private func isShared(_ rows: [Row]) -> Bool { rows.contains(where: \.isOther) }

    // MARK: The log

    /// Which rows of the log are to go, and which stay without the user.
    private var subjects: (removed: [Row], redacted: [Row]) {
        var removed = strays
        var redacted: [Row] = []
        for (_, rows) in rows {
            let isShared = isShared(rows)
            for row in rows where row.position <= intent.through {
                if !isShared {
                    removed.append(row)
                } else if row.isSubject {
                    redacted.append(row)
                }
            }
        }
        return (removed, redacted)
    }

    var places: ErasedPlaces {
        let (removed, redacted) = subjects
        var places = ErasedPlaces()
        for row in removed { places.removed.insert(row.place) }
        for row in redacted { places.redacted.insert(row.place) }
        return places
    }

    func rewriteLog(_ report: inout ErasureReport) throws {
        guard intent.userId != nil else { return try removeOldSessions(&report) }
        report.places = places
        let (removed, redacted) = subjects
        var erasures = removed.map { RowErasure(position: $0.position, body: nil) }
        for row in redacted {
            let body = try log.row(at: row.position) { mentions?.redacted($0.body) }
            erasures.append(RowErasure(position: row.position, body: body ?? nil))
        }
        report.deliveriesRemoved = removed.count
        report.deliveriesRedacted = redacted.count
        try write(erasures)
        try eraser.clearUnsound()
    }

    /// Removes rows that somebody else has found.
    func remove(_ positions: [Int64], _ report: inout ErasureReport) throws {
        try write(positions.map { RowErasure(position: $0, body: nil) })
        report.deliveriesRemoved += positions.count
    }

    private func write(_ erasures: [RowErasure]) throws {
        let erasures = erasures.sorted { $0.position < $1.position }
        var start = 0
        while start < erasures.count {
            try eraser.goOn()
            let end = min(start + Eraser.rowsPerStep, erasures.count)
            let step = Array(erasures[start..<end])
            _ = try eraser.erase(intent) { step }
            start = end
            eraser.reached(.rewriting)
        }
    }

    /// Old sessions go whole, or not at all: one of which something new is heard stays as it is.
    private func removeOldSessions(_ report: inout ErasureReport) throws {
        let keys = Array(rows.keys)
        var start = 0
        var removed = PlaceSet()
        defer { report.places.removed.formUnion(removed) }
        while start < keys.count {
            try eraser.goOn()
            try collect(through: .max)
            report.deliveriesRemoved += try eraser.erase(intent) {
                try collect(through: .max)
                var positions: [Int64] = []
                while start < keys.count, positions.count < Eraser.rowsPerStep {
                    let ofSession = rows[keys[start]] ?? []
                    // One that stays is folded anew with the others: an earlier run may have begun with it.
                    if !ofSession.contains(where: { $0.position > intent.through }) {
                        positions += ofSession.map(\.position)
                        for row in ofSession { removed.insert(row.place) }
                    }
                    start += 1
                }
                return positions.sorted().map { RowErasure(position: $0, body: nil) }
            }
            eraser.reached(.rewriting)
        }
    }

    // MARK: Records and rows

    func replaceRecords(_ report: inout ErasureReport) throws {
        // Most of what has come meanwhile; the rest, a little, is looked through while the fold stands still.
        if !rows.isEmpty { try collect(through: .max) }
        let keys = Array(rows.keys)
        var start = 0
        while start < keys.count {
            try eraser.goOn()
            let end = min(start + Eraser.sessionsPerReplacement, keys.count)
            let step = keys[start..<end]
            let index = eraser.index
            let kept = try log.queue.sync {
                try collect(through: index.folded)
                return try replace(step, in: index)
            }
            report.sessionsKept += kept
            report.sessions += step.count - kept
            start = end
        }
    }

    /// On the log's queue: only the fold changes records, and it stands still. What is left of each session is folded anew
    /// from the log and takes the place of row and record.
    /// - Returns: how many of the sessions there still are.
    private func replace(_ keys: ArraySlice<SessionKey>, in index: SessionIndex) throws -> Int {
        var records: [SessionRecord] = []
        for key in keys {
            var record = SessionRecord(sessionId: key.sessionId)
            for row in rows[key] ?? [] where row.position <= index.folded {
                _ = try log.row(at: row.position) { row in
                    guard let event = row.event() else { return }
                    record.apply(event, position: row.position, receivedAt: row.receivedAt, place: row.place)
                }
            }
            if !record.facts.isEmpty { records.append(record) }
        }
        let kept = Set(records.map { SessionKey($0.sessionId) })
        sessionsGone += keys.filter { !kept.contains($0) }.map(\.sessionId)
        try index.replace(records, of: Array(keys))
        return records.count
    }
}

extension PlaceSet {
    fileprivate mutating func insert(_ place: Place) { insert(place.origin, place.sequence...place.sequence) }
}

/// Waiting without a timer of its own.
enum Thread {
    static func pause(milliseconds: Int) {
        usleep(UInt32(milliseconds) * 1000)
    }
}
