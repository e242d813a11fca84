internal import Base
internal import Dispatch
internal import EventLog
internal import Logging
internal import SessionModel

/// A session whose row is not as it was written.
struct RefoldRequest: Sendable {
    /// nil where the row was come upon in an index: then the log tells whose it is.
    var key: SessionKey?
    /// The row's number, which is the log position of the session's first delivery here.
    let number: Int64?
}

/// A damaged row harms its session alone: that one is folded from the log again, at once and by itself, beside everything
/// else. Meanwhile its deliveries are made durable and answered as accepted, and queries for it as `catchingUp`.
extension Fold {
    /// From any thread.
    func requestRefold(_ request: RefoldRequest) {
        queue.async { self.refold(request) }
    }

    func refold(_ request: RefoldRequest) {
        dispatchPrecondition(condition: .onQueue(queue))
        guard writeBehind != nil, !isBehind else { return }
        var request = request
        if request.key == nil, let number = request.number {
            request.key = (try? log.row(at: number) { $0.event() }).flatMap { $0 }.map { SessionKey($0.sessionId) }
        }
        guard let key = request.key else { return removeRow(request) }
        guard refolding.insert(key).inserted else { return }
        logger.critical(
            "the row of a session is damaged; it is folded from the log again",
            metadata: ["number": "\(request.number ?? 0)"])
        let since = folded
        let number = request.number
        DispatchQueue.global(qos: .utility).async { self.refold(key, number, since: since) }
    }

    /// Nobody knows whose row it is: its session has no delivery there any more, and if it has others, it is found to be
    /// missing by a check.
    private func removeRow(_ request: RefoldRequest) {
        guard let number = request.number else { return }
        logger.critical("a damaged row of no known session is removed", metadata: ["number": "\(number)"])
        try? writeBehind?.replace([RowWriter.Replaced(sessionId: "", partitions: [], number: number)], with: [])
    }

    /// Beside the log's queue: most of the log; then on it, what has come meanwhile.
    private func refold(_ key: SessionKey, _ number: Int64?, since: Int64) {
        var record = SessionRecord(sessionId: key.sessionId)
        let mentions = UserMentions(key.sessionId)
        func read(_ first: Int64, _ last: Int64) throws(LogReadError<Never>) {
            try log.read(after: first, through: last) { (row) throws(Never) in
                if mentions.mayBe(in: row.body), let event = row.event(), SessionKey(event.sessionId) == key {
                    record.apply(event, position: row.position, receivedAt: row.receivedAt, place: row.place)
                }
                return true
            }
        }
        do {
            let through = log.lastPosition
            try read(0, through)
            try queue.sync {
                if folded > through { try read(through, folded) }
                try replace([record], of: [key], numbers: [number].compactMap { $0 })
                refolding.remove(key)
                tell(changes(of: record, since: since))
            }
            logger.notice("a session was folded from the log again")
        } catch {
            logger.error("a session cannot be folded from the log now", metadata: ["reason": "\(error)"])
            queue.asyncAfter(deadline: .now() + .milliseconds(options.retryMilliseconds)) { [weak self] in
                guard let self else { return }
                refolding.remove(key)
                refold(RefoldRequest(key: key, number: number))
            }
        }
    }

    /// What became of a record behind a position, each fact worked out of the state before it.
    private func changes(of record: SessionRecord, since position: Int64) -> [FoldedChange] {
        guard isObserved else { return [] }
        var earlier = record.rewound(to: position)
        let missed = record.facts.filter { $0.position > position }.sorted { $0.position < $1.position }
        return missed.map { fact in
            let before = earlier.before
            earlier.restore(fact)
            return FoldedChange(
                SessionChange(earlier, since: before, fact), position: fact.position, receivedAt: fact.heardAt,
                seal: ((try? log.seal(at: fact.position)) ?? nil) ?? 0)
        }
    }

    /// On the log's queue, where the fold stands still: records that were folded anew take the place of what was known of
    /// their sessions, in memory and on disk. Records without facts leave nothing behind.
    func replace(_ records: [SessionRecord], of keys: [SessionKey], numbers: [Int64] = []) throws(StoreError) {
        dispatchPrecondition(condition: .onQueue(queue))
        guard let writeBehind else { return }
        // Nothing of the sessions may be waiting to be written: it would bring the old row back.
        try writeBehind.flush()
        let records = records.filter { !$0.facts.isEmpty }
        // Without its first delivery, a session is in the partition of another one.
        for record in records { filters.insert(SessionFilter.hash(record.sessionId.utf8), number: record.number) }
        var replaced = keys.map {
            RowWriter.Replaced(sessionId: $0.sessionId, partitions: filters.candidates($0.sessionId), number: nil)
        }
        replaced += numbers.map { RowWriter.Replaced(sessionId: "", partitions: [], number: $0) }
        try writeBehind.replace(replaced, with: records)
        cache.remove(keys.map(\.sessionId))
    }
}
