package import Base
internal import EventLog
internal import SQLite
internal import SessionModel

/// Looks through the session rows for those that ended before a moment, in the order of their creation.
package final class EndedSessions {
    /// Rows in one read transaction.
    private static let rowsPerRead: Int64 = 500

    private let index: SessionIndex
    private let cutoff: Instant
    private var last: Int64 = 0

    package init(_ index: SessionIndex, cutoff: Instant) {
        self.index = index
        self.cutoff = cutoff
    }

    /// The next of them, at most `count` (or a read's worth more); none when the rows are through.
    package func next(_ count: Int) throws -> [String] {
        let database = try index.openForReading()
        defer { database.close() }
        try database.execute(RowSchema.readerPragmas)
        let select = try database.prepare(
            "SELECT number, record, session_id FROM sessions WHERE number > ?1 ORDER BY number LIMIT \(Self.rowsPerRead)"
        )
        defer { select.finalize() }
        var sessions: [String] = []
        while sessions.count < count {
            let before = last
            select.bind(1, before)
            while try select.step() {
                last = select.int64(0)
                guard
                    let record = try? SessionRecord(
                        sessionId: select.text(2), decoding: select.bytes(1), home: index.log.identity)
                else {
                    index.requestRefold(number: last)
                    continue
                }
                if endedLongAgo(record) { sessions.append(record.sessionId) }
            }
            if last == before { break }
        }
        return sessions
    }

    private func endedLongAgo(_ row: SessionRecord) -> Bool {
        var record = row
        // What has not been written yet is newer.
        if case .found(let current) = index.cache.record(SessionKey(row.sessionId)) { record = current }
        guard record.hasEnded || record.state.status == .failed else { return false }
        return record.facts.allSatisfy { $0.timestamp < cutoff && $0.receivedAt < cutoff }
    }
}
