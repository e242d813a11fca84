package import Base
internal import SQLite
package import SessionModel

/// Looks through the derived rows for sessions that ended before a moment, in the order of their creation.
final class EndedSessions {
    /// Rows in one read transaction.
    private static let rowsPerRead: Int64 = 500

    private let parts: StoreParts
    private let cutoff: Instant
    private var last: Int64 = 0

    init(parts: StoreParts, cutoff: Instant) {
        self.parts = parts
        self.cutoff = cutoff
    }

    /// The next of them, at most `count` (or a read's worth more); none when the rows are through.
    func next(_ count: Int) throws -> [String] {
        let database = try Database(
            path: parts.derivedPath, mode: parts.readMode.derived, virtualFileSystem: parts.options.virtualFileSystem)
        defer { database.close() }
        try database.execute(DerivedSchema.readerPragmas)
        let select = try database.prepare(
            "SELECT number, record FROM sessions WHERE number > ?1 ORDER BY number LIMIT \(Self.rowsPerRead)")
        defer { select.finalize() }
        var sessions: [String] = []
        while sessions.count < count {
            let before = last
            select.bind(1, before)
            while try select.step() {
                last = select.int64(0)
                let record = try SessionRecord(decoding: select.bytes(1))
                if hasEnded(record) { sessions.append(record.sessionId) }
            }
            if last == before { break }
        }
        return sessions
    }

    private func hasEnded(_ row: SessionRecord) -> Bool {
        var record = row
        // What has not been written yet is newer.
        if case .found(let current) = parts.cache.record(SessionKey(row.sessionId)) { record = current }
        switch record.state.status {
        case .failed, .stopped, .complete, .refunded: break
        default: return false
        }
        return record.facts.allSatisfy { $0.timestamp < cutoff && $0.receivedAt < cutoff }
    }
}

extension SQLiteSessionStore: SessionEraser {
    /// Lets somebody else erase too, before an erasure counts as done; and goes on with those that were left behind.
    ///
    /// - Parameter participant: gets the user, if it is about one, and the sessions that are gone; returns how many
    ///   quarantined bodies it has removed. It may be called again for the same ones.
    package func joinErasures(_ participant: @escaping @Sendable (String?, [String]) throws -> Int) {
        eraser?.join(participant)
        whenCaughtUp { [weak self] in self?.eraser?.resume() }
    }

    package func eraseUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard let eraser else {
            return completion(.failure(StoreError(.readOnly, "the store is open for reading only")))
        }
        eraser.eraseUser(userId, completion: completion)
    }

    package func removeSessions(
        endedBefore cutoff: Instant, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard let eraser else {
            return completion(.failure(StoreError(.readOnly, "the store is open for reading only")))
        }
        eraser.removeSessions(endedBefore: cutoff, completion: completion)
    }
}
