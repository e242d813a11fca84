internal import Base
internal import Dispatch
internal import SQLite
internal import SessionModel

/// Refolds the whole log, independently of the store's machinery, and compares every session with its derived row byte
/// by byte.
///
/// In bounded memory: a scan notes which rows belong to which of many parts of the sessions (by a hash of the id), then
/// each part is folded for itself, reading its rows in the order of the log.
struct LogCheck {
    /// About so many deliveries in a part; a part's sessions are in memory at once.
    static let deliveriesPerPart: Int64 = 100_000
    /// So many deliveries are noted in one scan, at about two bytes each.
    static let deliveriesPerScan: Int64 = 30_000_000
    static let differencesMax = 100

    let parts: StoreParts

    private struct Run {
        var report = CheckReport()
        let log: LogReader
        let rows: RowSnapshot
        let last: Int64
        var folded: Int64 = 0

        mutating func note(_ kind: CheckDifference.Kind, _ sessionId: String) {
            report.differenceCount += 1
            if report.differences.count < LogCheck.differencesMax {
                report.differences.append(CheckDifference(kind: kind, sessionId: sessionId))
            }
        }
    }

    func run(progress: (CheckProgress) -> Void) throws(StoreError) -> CheckReport {
        try parts.settle()
        do {
            // While the folder stands still, so that rows and position fit.
            let (rows, last) = try parts.folder.queue.sync {
                try parts.writeBehind?.flush()
                return (try RowSnapshot(parts: parts), parts.folder.folded)
            }
            let log = try LogReader(
                path: parts.logPath, mode: parts.readMode.log, virtualFileSystem: parts.options.virtualFileSystem,
                unmoved: parts.unmoved)
            defer {
                rows.close()
                log.close()
            }
            var run = Run(log: log, rows: rows, last: last)
            let partCount = max(1, Int(last / Self.deliveriesPerPart))
            let scanCount = max(1, Int(last / Self.deliveriesPerScan))
            for scan in 0..<scanCount {
                let lists = try collect(&run, scan: scan, of: scanCount, partCount: partCount, progress)
                for list in lists {
                    try compare(&run, list)
                    progress(CheckProgress(phase: .folding, done: run.folded, total: last))
                }
            }
            try findSurplus(&run, progress)
            return run.report
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.unavailable, "the check cannot go on: \(error)")
        }
    }

    private static func part(_ sessionId: String, of count: Int) -> Int {
        Int(SessionFilter.hash(sessionId.utf8) % UInt64(count))
    }

    /// Notes the positions of the parts that are this scan's turn.
    private func collect(
        _ run: inout Run, scan: Int, of scanCount: Int, partCount: Int, _ progress: (CheckProgress) -> Void
    ) throws -> [PositionList] {
        var lists = [PositionList](repeating: PositionList(), count: partCount / scanCount + 1)
        var position: Int64 = 0
        while position < run.last {
            let reached = try run.log.chunk(after: position, through: run.last) { (row) throws(Never) in
                guard let event = row.event() else {
                    if scan == 0 && !row.isErased { run.report.undecodableRows += 1 }
                    return
                }
                if scan == 0 { run.report.deliveries += 1 }
                let part = Self.part(event.sessionId, of: partCount)
                if part % scanCount == scan { lists[part / scanCount].append(row.position) }
            }
            position = reached ?? run.last
            progress(CheckProgress(phase: .reading, done: position, total: run.last))
        }
        return lists
    }

    /// Folds one part of the sessions and compares it.
    private func compare(_ run: inout Run, _ list: PositionList) throws {
        var records: [SessionKey: SessionRecord] = [:]
        try list.forEach { (position) throws(SQLiteError) in
            try run.log.row(at: position) { row in
                guard let event = row.event() else { return }
                records[SessionKey(event.sessionId), default: SessionRecord(sessionId: event.sessionId)]
                    .apply(
                        event, position: row.position, receivedAt: row.receivedAt,
                        place: Place(origin: .none, sequence: row.position))
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
        try run.rows.forEach { (number, sessionId) throws(SQLiteError) in
            var isKnown = false
            try run.log.row(at: number) { row in
                guard row.position <= run.last, let event = row.event() else { return }
                isKnown = SessionKey(event.sessionId) == SessionKey(sessionId)
            }
            if !isKnown { run.note(.surplus, sessionId) }
            done += 1
            if done % 4096 == 0 { progress(CheckProgress(phase: .comparing, done: done, total: total)) }
        }
        // Rows that the log knows, and yet more of them than sessions: some session has two.
        let surplus = total + run.rows.missingCount - run.report.sessions
        if run.report.differenceCount < surplus { run.note(.surplus, "(\(surplus) rows more than sessions)") }
    }
}
