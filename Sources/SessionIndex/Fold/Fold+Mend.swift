internal import Base
internal import Dispatch
internal import EventLog
internal import Logging
internal import SessionModel

/// Deliveries that fill a hole of the log: damage had taken them, and another receiver still had them. The records may have
/// them since before the damage, or not, and nobody can say: so their sessions are folded from the log again, beside
/// everything else.
extension Fold {
    /// Where more sessions are concerned, all of them are folded anew.
    private static let sessionsMax = 256

    /// What has come late, at the end of a batch.
    func mendLate() {
        let sessions = late
        late = [:]
        guard writeBehind != nil, !hasGivenUp else { return }
        mending += sessions.count
        guard mending <= Self.sessionsMax else {
            return giveUp("many deliveries were lost and have been had from others again")
        }
        mendBeside(sessions)
    }

    private func mendBeside(_ sessions: [SessionKey: [Int64]]) {
        runBeside { self.mend(sessions) }
    }

    private func mend(_ sessions: [SessionKey: [Int64]]) {
        var records: [SessionKey: SessionRecord] = [:]
        for key in sessions.keys { records[key] = SessionRecord(sessionId: key.sessionId) }
        func read(_ first: Int64, _ last: Int64) throws(LogReadError<Never>) {
            try log.read(after: first, through: last) { (row) throws(Never) in
                guard let event = row.event() else { return true }
                records[SessionKey(event.sessionId)]?
                    .apply(event, position: row.position, receivedAt: row.receivedAt, place: row.place)
                return true
            }
        }
        do {
            let through = log.lastPosition
            try read(0, through)
            try queue.sync {
                guard !hasGivenUp else { return }
                if folded > through { try read(through, folded) }
                var changes: [FoldedChange] = []
                for (key, record) in records {
                    // Whoever observes has heard of what the record had.
                    guard try version(key) < record.state.version else { continue }
                    changes += self.changes(of: record, at: Set(sessions[key] ?? []))
                }
                try replace(Array(records.values), of: Array(records.keys))
                mending -= sessions.count
                tell(changes.sorted { $0.position < $1.position })
                publish()
            }
            logger.notice("deliveries that were lost are here again", metadata: ["sessions": "\(sessions.count)"])
        } catch {
            logger.error("sessions cannot be folded from the log now", metadata: ["reason": "\(error)"])
            queue.asyncAfter(deadline: .now() + .milliseconds(options.retryMilliseconds)) { [weak self] in
                self?.mendBeside(sessions)
            }
        }
    }

    /// Of the record as it is; 0 where there is none.
    private func version(_ key: SessionKey) throws(RowError) -> Int {
        if case .found(let record) = cache.record(key) { return record.state.version }
        for partition in filters.candidates(key.stableHash) {
            let row = try reader.record(key.sessionId, partition: partition, writes: writeBehind?.writeCount ?? 0)
            if let row { return row.state.version }
        }
        return 0
    }
}
