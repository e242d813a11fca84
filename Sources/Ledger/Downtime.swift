package import Base
internal import SQLite
internal import SessionModel

/// A time in which callbacks could not be accepted.
package struct Downtime: Sendable, Equatable {
    package enum Cause: String, Sendable, CaseIterable {
        /// The process had been told to stop.
        case stopped
        /// The process ended without a word: crash, kill, power cut.
        case crashed
        /// The process ran, but nothing could be made durable.
        case storeUnavailable = "store-unavailable"
    }

    /// A part of a downtime in which no receiver accepted callbacks.
    package struct Gap: Sendable, Equatable {
        package let beganAt: Instant
        package let endedAt: Instant

        package init(beganAt: Instant, endedAt: Instant) {
            self.beganAt = beganAt
            self.endedAt = endedAt
        }
    }

    package let id: Int64
    package let beganAt: Instant
    package let endedAt: Instant
    package let cause: Cause
    /// Whether all sessions that may have missed events have been looked up.
    package var isSearched = false
    /// There were more such sessions than are kept for one interval.
    package var isTruncated = false
    /// When no other receiver accepted either; nil: there is no other, or nobody could say so.
    package var gaps: [Gap]?
    package var affectedCount: Int64 = 0
    package var reconciledCount: Int64 = 0

    package init(id: Int64, beganAt: Instant, endedAt: Instant, cause: Cause) {
        self.id = id
        self.beganAt = beganAt
        self.endedAt = endedAt
        self.cause = cause
    }
}

/// A session that may have missed events in a downtime.
package struct AffectedSession: Sendable, Equatable {
    package let sessionId: String
    /// When the Drive API was first asked about it since; nil: not yet.
    package let reconciledAt: Instant?
}

extension Ledger {
    /// Intervals kept; the oldest go first.
    static let downtimesMax = 1_000

    /// The last moment at which the receiver is known to have accepted callbacks, and whether it stopped by itself then.
    package func lastHeartbeat() throws(StoreError) -> (at: Instant, isClean: Bool)? {
        try run { (database) throws(SQLiteError) in
            var found: (at: Instant, isClean: Bool)?
            try database.query(
                "SELECT at, is_clean FROM heartbeat",
                row: { found = (Instant(microsecondsSince1970: $0.int64(0)), $0.int64(1) != 0) })
            return found
        }
    }

    /// The latest moment that any heartbeat has ever been written for, whatever the clock has said since; nil before the
    /// first one. Deletion by age compares with it, because it never trusts one clock.
    package func newestHeartbeat() throws(StoreError) -> Instant? {
        try run { (database) throws(SQLiteError) in
            try database.integer("SELECT newest FROM heartbeat").map { Instant(microsecondsSince1970: $0) }
        }
    }

    /// - Parameter isClean: the receiver stops now; no other beat follows.
    package func beat(at instant: Instant, isClean: Bool) throws(StoreError) {
        try write { (database) throws(SQLiteError) in try Self.beat(database, at: instant, isClean: isClean) }
    }

    private static func beat(_ database: Database, at instant: Instant, isClean: Bool) throws(SQLiteError) {
        try database.run(
            """
            INSERT INTO heartbeat VALUES(1, ?1, ?2, ?1)
            ON CONFLICT(id) DO UPDATE SET at = ?1, is_clean = ?2, newest = max(newest, ?1)
            """,
            bind: {
                $0.bind(1, instant.microsecondsSince1970)
                $0.bind(2, isClean ? 1 : 0 as Int64)
            })
    }

    /// Records an interval; the beat that ends it is written in the same transaction, so that it is never counted twice.
    package func addDowntime(from began: Instant, to ended: Instant, cause: Downtime.Cause) throws(StoreError)
        -> Downtime
    {
        try write { (database) throws(SQLiteError) in
            var id: Int64 = 0
            try database.query(
                "INSERT INTO downtime VALUES(NULL, ?1, ?2, ?3, 0, 0) RETURNING id",
                bind: {
                    $0.bind(1, began.microsecondsSince1970)
                    $0.bind(2, ended.microsecondsSince1970)
                    $0.bind(3, text: cause.rawValue)
                }, row: { id = $0.int64(0) })
            try Self.beat(database, at: ended, isClean: false)
            let oldest = id - Int64(Self.downtimesMax)
            for table in ["affected WHERE downtime", "downtime_gap WHERE downtime", "downtime WHERE id"] {
                try database.run("DELETE FROM \(table) <= ?1", bind: { $0.bind(1, oldest) })
            }
            return Downtime(id: id, beganAt: began, endedAt: ended, cause: cause)
        }
    }

    /// Notes when no other receiver accepted either.
    package func setGaps(_ gaps: [Downtime.Gap], of id: Int64) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try database.run("DELETE FROM downtime_gap WHERE downtime = ?1", bind: { $0.bind(1, id) })
            let insert = try database.prepare("INSERT INTO downtime_gap VALUES(NULL, ?1, ?2, ?3)")
            defer { insert.finalize() }
            for gap in gaps.isEmpty ? [nil] : gaps.map(Optional.some) {
                insert.bind(1, id)
                insert.bind(2, gap?.beganAt.microsecondsSince1970)
                insert.bind(3, gap?.endedAt.microsecondsSince1970)
                try insert.run()
            }
        }
    }

    /// Notes sessions that may have missed events.
    package func addAffected(_ sessionIds: [String], downtime id: Int64) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            let insert = try database.prepare("INSERT OR IGNORE INTO affected(downtime, session_id) VALUES(?1, ?2)")
            defer { insert.finalize() }
            for sessionId in sessionIds {
                insert.bind(1, id)
                insert.bind(2, text: sessionId)
                try insert.run()
            }
        }
    }

    /// All sessions that may have missed events are noted (or as many as are kept).
    package func setSearched(_ id: Int64, isTruncated: Bool) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try database.run(
                "UPDATE downtime SET is_searched = 1, is_truncated = ?2 WHERE id = ?1",
                bind: {
                    $0.bind(1, id)
                    $0.bind(2, isTruncated ? 1 : 0 as Int64)
                })
        }
    }

    /// The Drive API has told of these sessions, in answers to requests sent at these instants: that settles every
    /// downtime that had ended by then.
    package func setReconciled(_ sessions: [(sessionId: String, sentAt: Instant)]) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            let update = try database.prepare(
                """
                UPDATE affected SET reconciled_at = ?2 WHERE session_id = ?1 AND reconciled_at IS NULL
                    AND downtime IN (SELECT id FROM downtime WHERE ended_at <= ?2)
                """)
            defer { update.finalize() }
            for session in sessions {
                update.bind(1, text: session.sessionId)
                update.bind(2, session.sentAt.microsecondsSince1970)
                try update.run()
            }
        }
    }

    /// Downtimes, the newest first.
    /// - Parameter id: of the only one wanted.
    package func downtimes(id: Int64? = nil, limit: Int) throws(StoreError) -> [Downtime] {
        try run { (database) throws(SQLiteError) in
            var found: [Downtime] = []
            try database.query(
                """
                SELECT id, began_at, ended_at, cause, is_searched, is_truncated,
                    (SELECT count(*) FROM affected WHERE downtime = d.id),
                    (SELECT count(*) FROM affected WHERE downtime = d.id AND reconciled_at IS NOT NULL)
                FROM downtime d WHERE ?1 IS NULL OR id = ?1 ORDER BY id DESC LIMIT ?2
                """,
                bind: {
                    $0.bind(1, id)
                    $0.bind(2, Int64(limit))
                },
                row: {
                    var downtime = Downtime(
                        id: $0.int64(0), beganAt: Instant(microsecondsSince1970: $0.int64(1)),
                        endedAt: Instant(microsecondsSince1970: $0.int64(2)),
                        cause: Downtime.Cause(rawValue: $0.text(3)) ?? .crashed)
                    downtime.isSearched = $0.int64(4) != 0
                    downtime.isTruncated = $0.int64(5) != 0
                    downtime.affectedCount = $0.int64(6)
                    downtime.reconciledCount = $0.int64(7)
                    found.append(downtime)
                })
            for index in found.indices { found[index].gaps = try Self.gaps(of: found[index].id, database) }
            return found
        }
    }

    private static func gaps(of id: Int64, _ database: Database) throws(SQLiteError) -> [Downtime.Gap]? {
        var found: [Downtime.Gap]?
        try database.query(
            "SELECT began_at, ended_at FROM downtime_gap WHERE downtime = ?1 ORDER BY began_at",
            bind: { $0.bind(1, id) },
            row: { row in
                found = found ?? []
                guard !row.isNull(0) else { return }
                found?.append(
                    Downtime.Gap(
                        beganAt: Instant(microsecondsSince1970: row.int64(0)),
                        endedAt: Instant(microsecondsSince1970: row.int64(1))))
            })
        return found
    }

    /// Downtimes whose sessions have not all been looked up: the process ended meanwhile.
    package func unsearchedDowntimes() throws(StoreError) -> [Downtime] {
        try downtimes(limit: Self.downtimesMax).filter { !$0.isSearched }
    }

    /// Sessions of a downtime, those not reconciled yet first.
    package func affected(by id: Int64, limit: Int) throws(StoreError) -> [AffectedSession] {
        try run { (database) throws(SQLiteError) in
            var found: [AffectedSession] = []
            try database.query(
                """
                SELECT session_id, reconciled_at FROM affected WHERE downtime = ?1
                ORDER BY reconciled_at IS NOT NULL, session_id LIMIT ?2
                """,
                bind: {
                    $0.bind(1, id)
                    $0.bind(2, Int64(limit))
                },
                row: {
                    found.append(
                        AffectedSession(
                            sessionId: $0.text(0),
                            reconciledAt: $0.isNull(1) ? nil : Instant(microsecondsSince1970: $0.int64(1))))
                })
            return found
        }
    }
}
