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
        if request.key == nil, let number = request.number { request.key = sessionKey(ofRow: number) }
        guard let key = request.key else { return giveUp("nobody can say whose a damaged row is") }
        guard refolding[key] == nil else { return }
        refolding[key] = []
        logger.critical(
            "the row of a session is damaged; it is folded from the log again",
            metadata: ["number": "\(request.number ?? 0)"])
        refoldBeside(key, request.number)
    }

    /// Whose a row is: as the delivery tells which it has its number from, or, where that is lost, as the row itself says.
    private func sessionKey(ofRow number: Int64) -> SessionKey? {
        if let event = (try? log.row(at: number) { $0.event() }) ?? nil ?? nil { return SessionKey(event.sessionId) }
        return (try? reader.sessionId(number: number)).flatMap { $0 }.map { SessionKey($0) }
    }

    /// Beside the log's queue: most of the log; then on it, what has come meanwhile.
    private func refoldBeside(_ key: SessionKey, _ number: Int64?) {
        runBeside { self.refold(key, number) }
    }

    func runBeside(_ body: @escaping @Sendable () -> Void) {
        DispatchQueue.global(qos: .utility).async(execute: body)
    }

    private func refold(_ key: SessionKey, _ number: Int64?) {
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
                // A name that the log does not know is not the row's.
                guard !record.facts.isEmpty else {
                    refolding[key] = nil
                    return giveUp("nobody can say whose a damaged row is")
                }
                try replace([record], of: [key], numbers: [number].compactMap { $0 })
                tell(changes(of: record, at: Set(refolding.removeValue(forKey: key) ?? [])))
            }
            logger.notice("a session was folded from the log again")
        } catch {
            logger.error("a session cannot be folded from the log now", metadata: ["reason": "\(error)"])
            queue.asyncAfter(deadline: .now() + .milliseconds(options.retryMilliseconds)) { [weak self] in
                self?.refoldBeside(key, number)
            }
        }
    }

    /// What the facts at some positions made of a record, each worked out of the state before it.
    func changes(of record: SessionRecord, at positions: Set<Int64>) -> [FoldedChange] {
        guard isObserved, let first = positions.min() else { return [] }
        var earlier = record.rewound(to: first - 1)
        let missed = record.facts.filter { $0.position >= first }.sorted { $0.position < $1.position }
        return missed.compactMap { fact in
            let before = earlier.before
            earlier.restore(fact)
            guard positions.contains(fact.position) else { return nil }
            let row = (try? log.row(at: fact.position) { ($0.seal, $0.place) }) ?? nil
            return FoldedChange(
                SessionChange(earlier, since: before, fact), position: fact.position, receivedAt: fact.heardAt,
                seal: row?.0 ?? 0, place: row?.1 ?? fact.first.place)
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
