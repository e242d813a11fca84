internal import Base
internal import Dispatch
internal import Logging
internal import SQLite
internal import SessionModel
internal import Synchronization

/// Runs erasures, one after the other, each in small steps between which ingest goes on.
///
/// An erasure is a durable intent and a chain of steps that may each be repeated: after a crash or a failure the chain
/// runs again from where it is known to have come. The order matters: the log is the truth, so it is rewritten first;
/// then records and rows are folded anew from it; the name goes last.
///
/// `@unchecked Sendable`: the work is confined to `queue`, the flag is atomic.
final class Eraser: @unchecked Sendable {
    /// Rows of the log in one commit.
    static let rowsPerCommit = 256
    /// Sessions whose derived rows are replaced while the fold stands still.
    static let sessionsPerReplacement = 200
    /// Sessions that one erasure by age is about.
    static let sessionsPerRetention = 10_000

    let queue = DispatchQueue(label: "chargefold.store.erase", qos: .utility)
    let parts: StoreParts
    let committer: Committer
    let writeBehind: WriteBehind
    /// Whoever else keeps something of users and sessions, in files of their own.
    private let participant = Locked<(@Sendable (_ userId: String?, _ sessions: [String]) throws -> Int)?>(nil)
    private let stopping = Atomic(false)
    private let retryScheduled = Atomic(false)

    init?(parts: StoreParts) {
        guard let committer = parts.committer, let writeBehind = parts.writeBehind else { return nil }
        self.parts = parts
        self.committer = committer
        self.writeBehind = writeBehind
    }

    // MARK: Asking

    func eraseUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard !parts.folder.isBehind else { return completion(.failure(.catchingUp)) }
        queue.async {
            completion(
                self.result {
                    _ = try self.commit { (writer) throws(SQLiteError) in
                        try writer.add(erasureOf: userId, sessions: nil)
                    }
                    return try self.runPending()
                })
        }
    }

    func removeSessions(
        endedBefore cutoff: Instant, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard !parts.folder.isBehind else { return completion(.failure(.catchingUp)) }
        queue.async {
            completion(
                self.result {
                    _ = try self.runPending()
                    var report = ErasureReport()
                    let search = EndedSessions(parts: self.parts, cutoff: cutoff)
                    while true {
                        try self.goOn()
                        // What comes after this was not looked at.
                        let folder = self.parts.folder
                        let through = folder.queue.sync { folder.foldedPosition }
                        let sessions = try search.next(Self.sessionsPerRetention)
                        if sessions.isEmpty { return report }
                        let intent = try self.commit { (writer) throws(SQLiteError) in
                            try writer.add(erasureOf: nil, sessions: sessions, through: through)
                        }
                        let part = try self.run(intent)
                        report.sessions += part.sessions
                        report.deliveriesRemoved += part.deliveriesRemoved
                    }
                })
        }
    }

    func join(_ participant: @escaping @Sendable (String?, [String]) throws -> Int) {
        self.participant.withLock { $0 = participant }
    }

    /// Finishes what an earlier process, or a failure, has left behind.
    func resume() {
        queue.async { _ = self.result { try self.runPending() } }
    }

    /// Stops after the running step. Not on a queue of the store; blocks.
    func stop() {
        stopping.store(true, ordering: .releasing)
        queue.sync {}
    }

    // MARK: Running

    /// Everything that is not finished, in the order in which it was asked for: there is one plan at a time.
    /// - Returns: what the last one has removed.
    private func runPending() throws -> ErasureReport {
        var report = ErasureReport()
        for intent in try pending() {
            report = try run(intent)
        }
        return report
    }

    /// Reads only: an opening with nothing to finish writes nothing.
    private func pending() throws -> [ErasureIntent] {
        try committer.queue.sync { try committer.readyWriter().erasures }
    }

    private func run(_ intent: ErasureIntent) throws -> ErasureReport {
        var report = ErasureReport()
        parts.logger.info(
            "erasing",
            metadata: ["what": "\(intent.userId == nil ? "old sessions" : "a user")", "stage": "\(intent.stage)"])
        if intent.stage != .forgotten {
            if intent.stage == .asked {
                reached(.asked)
                try plan(intent)
            }
            reached(.planned)
            let work = try ErasureWork(self, intent)
            try work.rewriteLog(&report)
            reached(.rewritten)
            try work.replaceRecords(&report)
            reached(.derived)
            report.quarantined = try participant.withLock { $0 }?(intent.userId, work.sessionsGone) ?? 0
            try scrubDerived()
            reached(.scrubbed)
            try commit { (writer) throws(SQLiteError) in try writer.forget(intent) }
        }
        reached(.forgotten)
        try emptyLog()
        try commit { (writer) throws(SQLiteError) in try writer.remove(intent) }
        reached(.done)
        return report
    }

    /// Finds the sessions in which the user is named.
    private func plan(_ intent: ErasureIntent) throws {
        guard let userId = intent.userId else { return }
        let mentions = UserMentions(userId)
        let log = try openLog()
        defer { log.close() }
        var sessions = Set<SessionKey>()
        var position: Int64 = 0
        while true {
            try goOn()
            let reached = try log.chunk(after: position, through: intent.through) { (row) throws(Never) in
                guard !row.isErased, mentions.mayBe(in: row.body), let event = row.event(),
                    let named = event.userId, mentions.isUser(named)
                else { return }
                sessions.insert(SessionKey(event.sessionId))
            }
            guard let reached else { break }
            position = reached
        }
        let found = sessions.map(\.sessionId)
        try commit { (writer) throws(SQLiteError) in try writer.plan(intent, found) }
    }

    private func scrubDerived() throws {
        try retrying("the derived rows' WAL") {
            try self.writeBehind.queue.sync {
                _ = try self.writeBehind.writer.database.checkpoint(truncating: true)
                guard FileSystem.size(self.parts.derivedPath + "-wal") == 0 else { return false }
                try PageScrubber(self.writeBehind.writer.database).run()
                return true
            }
        }
    }

    private func emptyLog() throws {
        try retrying("the log's WAL") {
            try self.committer.queue.sync { try self.committer.emptyLog() }
        }
    }

    // MARK: Tools of the steps

    /// Runs `body` in a durable transaction on the committer's queue.
    func commit<Value>(_ body: (LogWriter) throws(SQLiteError) -> Value) throws(StoreError) -> Value {
        let committer = committer
        return try committer.queue.sync { () -> Result<Value, StoreError> in
            Result { () throws(StoreError) in try committer.transaction(body) }
        }.get()
    }

    func openLog() throws(SQLiteError) -> LogReader {
        try LogReader(
            path: parts.logPath, mode: parts.readMode.log, virtualFileSystem: parts.options.virtualFileSystem,
            unmoved: parts.unmoved)
    }

    func reached(_ step: ErasureStep) {
        parts.options.erasureHook?(step)
    }

    /// - Throws: `closed` when the store is about to close: what is left is for the next start.
    func goOn() throws(StoreError) {
        if stopping.load(ordering: .acquiring) { throw StoreError(.closed, "the store is closing") }
    }

    /// Until `attempt` returns true: readers and checkpoints are in the way for moments only.
    private func retrying(_ what: String, _ attempt: () throws -> Bool) throws {
        for _ in 0..<200 {
            try goOn()
            if try attempt() { return }
            Thread.pause(milliseconds: 10)
        }
        throw StoreError(.unavailable, "\(what) is in use")
    }

    private func result(_ body: () throws -> ErasureReport) -> Result<ErasureReport, StoreError> {
        do {
            return .success(try body())
        } catch {
            let failure =
                error as? StoreError ?? StoreError(.unavailable, "an erasure cannot go on now: \(error)")
            if failure.code != .closed {
                parts.logger.error("an erasure waits", metadata: ["reason": "\(failure.message)"])
                scheduleRetry()
            }
            return .failure(failure)
        }
    }

    private func scheduleRetry() {
        guard !retryScheduled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        queue.asyncAfter(deadline: .now() + .milliseconds(parts.options.erasureRetryMilliseconds)) { [weak self] in
            guard let self, !stopping.load(ordering: .acquiring) else { return }
            retryScheduled.store(false, ordering: .releasing)
            _ = result { try self.runPending() }
        }
    }
}
