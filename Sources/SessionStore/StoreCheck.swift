internal import Base
internal import Dispatch
internal import EventLog
internal import SQLite
internal import SessionIndex
internal import SessionModel

/// Verifies the log; then folds it again, independently of the index's machinery, and compares every session with its row
/// byte by byte. So it can tell which side is damaged.
///
/// In bounded memory: a scan notes which rows belong to which of many groups of sessions (by a hash of the id), then each
/// group is folded for itself, reading its rows in the order of the log.
struct StoreCheck {
    /// About so many deliveries in a group; a group's sessions are in memory at once.
    static let deliveriesPerGroup: Int64 = 100_000
    /// So many deliveries are noted in one scan, at about two bytes each.
    static let deliveriesPerScan: Int64 = 30_000_000
    static let differencesMax = 100

    let log: EventLog
    let index: SessionIndex

    private struct Run {
        var report = CheckReport()
        let rows: RowSnapshot
        let last: Int64
        var folded: Int64 = 0

        mutating func note(_ kind: CheckDifference.Kind, _ sessionId: String) {
            report.differenceCount += 1
            if report.differences.count < StoreCheck.differencesMax {
                report.differences.append(CheckDifference(kind: kind, sessionId: sessionId))
            }
        }
    }

    func run(progress: (CheckProgress) -> Void) throws(StoreError) -> CheckReport {
        do {
            // While the fold stands still, so that rows and position fit.
            let (rows, last) = try log.queue.sync {
                try index.flush()
                return (try RowSnapshot(index), index.folded)
            }
            defer { rows.close() }
            var run = Run(rows: rows, last: last)
            let verified = try log.verify { position in
                progress(CheckProgress(phase: .verifying, done: position, total: last))
                return true
            }
            run.report.damagedFiles = verified.damagedFiles
            run.report.missingDeliveries = verified.missingRows
            let groupCount = max(1, Int(last / Self.deliveriesPerGroup))
            let scanCount = max(1, Int(last / Self.deliveriesPerScan))
            for scan in 0..<scanCount {
                let lists = try collect(&run, scan: scan, of: scanCount, groupCount: groupCount, progress)
                for list in lists {
                    try compare(&run, list)
                    progress(CheckProgress(phase: .folding, done: run.folded, total: last))
                }
            }
            try findSurplus(&run, progress)
            // Where rows are wrong, that follows.
            if run.report.differenceCount == 0, try !rows.hasRightStatusCounts {
                run.note(.different, "(sessions by status)")
            }
            return run.report
        } catch let error as StoreError {
            throw error
        } catch LogReadError<Never>.log(let error) {
            throw error
        } catch {
            // Whoever finds the file damaged says so: it is made anew.
            if let error = error as? SQLiteError, error.isCorruption { index.giveUp("\(error)") }
            throw StoreError(.unavailable, "the check cannot go on: \(error)")
        }
    }

    private static func group(_ sessionId: String, of count: Int) -> Int {
        Int(SessionKey(sessionId).stableHash % UInt64(count))
    }

    /// Notes the positions of the groups that are this scan's turn.
    private func collect(
        _ run: inout Run, scan: Int, of scanCount: Int, groupCount: Int, _ progress: (CheckProgress) -> Void
    ) throws -> [PositionList] {
        var lists = [PositionList](repeating: PositionList(), count: groupCount / scanCount + 1)
        try log.read(after: 0, through: run.last) { (row) throws(Never) in
            if row.position % 4_096 == 0 {
                progress(CheckProgress(phase: .reading, done: row.position, total: run.last))
            }
            guard let event = row.event() else {
                if scan == 0 { run.report.undecodableRows += 1 }
                return true
            }
            if scan == 0 { run.report.deliveries += 1 }
            let group = Self.group(event.sessionId, of: groupCount)
            if group % scanCount == scan { lists[group / scanCount].append(row.position) }
            return true
        }
        return lists
    }

    /// Folds one group of the sessions and compares it.
    private func compare(_ run: inout Run, _ list: PositionList) throws {
        var records: [SessionKey: SessionRecord] = [:]
        try list.forEach { (position) throws(StoreError) in
            _ = try log.row(at: position) { row in
                guard let event = row.event() else { return }
                records[SessionKey(event.sessionId), default: SessionRecord(sessionId: event.sessionId)]
                    .apply(event, position: row.position, receivedAt: row.receivedAt, place: row.place)
            }
            run.folded += 1
        }
        var buffer: [UInt8] = []
        for (key, record) in records {
            run.report.sessions += 1
            switch try run.rows.compare(record, key: key, buffer: &buffer) {
            case .same: break
            case .missing: run.note(.missing, key.sessionId)
            case .different: run.note(.different, key.sessionId)
            }
        }
    }

    /// Looks for rows of sessions that the log does not know, if there are more rows than sessions.
    private func findSurplus(_ run: inout Run, _ progress: (CheckProgress) -> Void) throws {
        let total = try run.rows.count
        guard total + run.rows.missingCount > run.report.sessions else { return }
        var done: Int64 = 0
        let last = run.last
        try run.rows.forEach { (number, sessionId) throws(SQLiteError) in
            let event = number <= last ? (try? log.row(at: number) { $0.event() }).flatMap { $0 } : nil
            if event.map({ SessionKey($0.sessionId) != SessionKey(sessionId) }) ?? true {
                run.note(.surplus, sessionId)
            }
            done += 1
            if done % 4096 == 0 { progress(CheckProgress(phase: .comparing, done: done, total: total)) }
        }
        // Rows that the log knows, and yet more of them than sessions: some session has two.
        let surplus = total + run.rows.missingCount - run.report.sessions
        if run.report.differenceCount < surplus { run.note(.surplus, "(\(surplus) rows more than sessions)") }
    }
}
