internal import Base
internal import Dispatch
internal import EventLog
internal import Ledger
internal import Logging
internal import SessionIndex
internal import SessionModel
internal import Synchronization

/// Runs erasures, one after the other, each in small steps between which ingest goes on.
///
/// An erasure is a durable intent in the ledger and a chain of steps that may each be repeated: after a crash or a failure
/// the chain runs again from where it is known to have come. The order matters: the log is the truth, so it is rewritten
/// first; then records and rows are folded anew from it; the name goes last.
///
/// `@unchecked Sendable`: the work is confined to `queue`, the flags are atomic.
final class Eraser: @unchecked Sendable {
    /// Rows of the log that are rewritten together.
    static let rowsPerStep = 256
    /// Sessions whose rows are replaced while the fold stands still.
    static let sessionsPerReplacement = 200
    /// Sessions that one erasure by age is about.
    static let sessionsPerRetention = 10_000

    let queue = DispatchQueue(label: "chargefold.store.erase", qos: .utility)
    private unowned let store: DiskSessionStore
    let log: EventLog
    private let ledger: Ledger
    private let stopping = Atomic(false)
    private let retryScheduled = Atomic(false)

    init(_ store: DiskSessionStore, _ ledger: Ledger) {
        self.store = store
        self.ledger = ledger
        log = store.log
    }

    var index: SessionIndex { store.index }

    // MARK: Asking

    func eraseUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard !store.isCatchingUp else { return completion(.failure(.catchingUp)) }
        queue.async {
            completion(
                self.result {
                    try self.bar(userId: userId)
                    let through = self.log.lastPosition
                    _ = try self.ledger.blocking { (ledger) throws(StoreError) in
                        try ledger.addErasure(userId: userId, sessions: nil, through: through)
                    }
                    return try self.runPending()
                })
        }
    }

    func placesOfUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasedPlaces, StoreError>) -> Void
    ) {
        queue.async {
            let places = Result {
                let intent = ErasureIntent(
                    id: 0, userId: userId, through: self.log.lastPosition, stage: ErasureIntent.Stage.planned)
                return try ErasureWork(self, intent, sessions: try self.sessions(of: userId, intent.through)).places
            }
            completion(places.mapError { Self.storeError($0) })
        }
    }

    func erase(
        _ places: ErasedPlaces, isUser: @escaping @Sendable (String) -> Bool,
        completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard !store.isCatchingUp else { return completion(.failure(.catchingUp)) }
        queue.async {
            completion(self.result { try self.erase(places, isUser) })
        }
    }

    private func erase(_ places: ErasedPlaces, _ isUser: (String) -> Bool) throws -> ErasureReport {
        // What comes later comes without its body, from here on.
        try store.bury(places.removed)
        var report = ErasureReport()
        if let userId = try user(isUser) {
            try bar(userId: userId)
            let through = log.lastPosition
            _ = try ledger.blocking { (ledger) throws(StoreError) in
                try ledger.addErasure(userId: userId, sessions: nil, through: through)
            }
            report = try runPending()
        }
        // Of sessions in which nobody is named here, and what is another user's session as well, as far as is known here.
        var positions: [Int64] = []
        var sessions = Set<SessionKey>()
        try log.read(after: 0) { (row) throws(StoreError) in
            if row.position % 1_024 == 0 { try goOn() }
            guard places.removed.contains(row.origin, row.sequence) else { return true }
            positions.append(row.position)
            if let event = row.event() { sessions.insert(SessionKey(event.sessionId)) }
            return true
        }
        guard !positions.isEmpty else { return report }
        // Older than everything: of itself it removes nothing, and folds the sessions anew.
        let names = sessions.map(\.sessionId)
        let intent = try ledger.blocking { (ledger) throws(StoreError) in
            try ledger.addErasure(userId: nil, sessions: names, through: 0)
        }
        let removed = try run(intent, removing: positions)
        report.sessions += removed.sessions
        report.sessionsKept += removed.sessionsKept
        report.deliveriesRemoved += removed.deliveriesRemoved
        return report
    }

    /// The user, if any delivery names them.
    private func user(_ isUser: (String) -> Bool) throws -> String? {
        var others = Set<SessionKey>()
        var found: String?
        try log.read(after: 0) { (row) throws(StoreError) in
            if row.position % 1_024 == 0 { try goOn() }
            guard let named = row.event()?.userId, !others.contains(SessionKey(named)) else { return true }
            if isUser(named) { found = named }
            if others.count >= Self.namesMax { others = [] }
            others.insert(SessionKey(named))
            return found == nil
        }
        return found
    }

    /// Names that are remembered not to be the one.
    private static let namesMax = 100_000

    func removeSessions(
        endedBefore cutoff: Instant, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard !store.isCatchingUp else { return completion(.failure(.catchingUp)) }
        queue.async {
            completion(
                self.result {
                    _ = try self.runPending()
                    var report = ErasureReport()
                    let search = EndedSessions(self.index, cutoff: cutoff)
                    while true {
                        try self.goOn()
                        // What comes after this was not looked at.
                        let index = self.index
                        let through = self.log.queue.sync { index.folded }
                        let sessions = try search.next(Self.sessionsPerRetention)
                        if sessions.isEmpty { return report }
                        try self.bar(sessions: sessions)
                        let intent = try self.ledger.blocking { (ledger) throws(StoreError) in
                            try ledger.addErasure(userId: nil, sessions: sessions, through: through)
                        }
                        let removed = try self.run(intent)
                        report.sessions += removed.sessions
                        report.deliveriesRemoved += removed.deliveriesRemoved
                        report.places.removed.formUnion(removed.places.removed)
                    }
                })
        }
    }

    /// Nothing that began before this and is about the user or the sessions is taken any more, and all that was taken is in
    /// the log when it returns (or could not be made durable, and was said so).
    private func bar(userId: String? = nil, sessions: [String] = []) throws(StoreError) {
        store.barriers.raise(userId: userId, sessions: sessions)
        while store.barriers.isPassedBeforehand {
            try goOn()
            Thread.pause(milliseconds: 1)
        }
        let end = log.lastPosition + Int64(log.load.count)
        while log.load.count > 0, log.lastPosition < end {
            try goOn()
            log.queue.sync {}
            if log.lastPosition < end { Thread.pause(milliseconds: 1) }
        }
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

    /// Everything that is not finished, in the order in which it was asked for.
    /// - Returns: what the last one has removed.
    private func runPending() throws -> ErasureReport {
        var report = ErasureReport()
        // Reads only: an opening with nothing to finish writes nothing.
        for intent in try ledger.blocking({ (ledger) throws(StoreError) in try ledger.erasures() }) {
            report = try run(intent)
        }
        return report
    }

    private func run(_ intent: ErasureIntent, removing positions: [Int64] = []) throws -> ErasureReport {
        var report = ErasureReport()
        store.logger.info(
            "erasing",
            metadata: ["what": "\(intent.userId == nil ? "old sessions" : "a user")", "stage": "\(intent.stage)"])
        if intent.stage != .forgotten {
            try finishWriting(intent)
            if intent.stage == .asked {
                reached(.asked)
                try plan(intent)
            }
            reached(.planned)
            let sessions = try ledger.blocking { (ledger) throws(StoreError) in try ledger.plannedSessions(intent) }
            let work = try ErasureWork(self, intent, sessions: sessions)
            try work.rewriteLog(&report)
            if !positions.isEmpty { try work.remove(positions, &report) }
            reached(.rewritten)
            try work.replaceRecords(&report)
            reached(.derived)
            let (gone, unpack) = (work.sessionsGone, store.options.unpackQuarantined)
            report.quarantined = try ledger.blocking { (ledger) throws(StoreError) in
                try ledger.erase(userId: intent.userId, sessions: gone, unpack: unpack)
            }
            try scrubRows()
            reached(.scrubbed)
            try ledger.blocking { (ledger) throws(StoreError) in
                try ledger.forget(intent)
                try ledger.scrub()
            }
        }
        reached(.forgotten)
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.remove(intent) }
        reached(.done)
        return report
    }

    /// Finds the sessions in which the user is named.
    private func plan(_ intent: ErasureIntent) throws {
        guard let userId = intent.userId else { return }
        let found = try sessions(of: userId, intent.through)
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.plan(intent, found) }
    }

    private func sessions(of userId: String, _ through: Int64) throws -> [String] {
        let mentions = UserMentions(userId)
        var sessions = Set<SessionKey>()
        try log.read(after: 0, through: through) { (row) throws(StoreError) in
            if row.position % 1_024 == 0 { try goOn() }
            guard mentions.mayBe(in: row.body), let event = row.event(), let named = event.userId,
                mentions.isUser(named)
            else { return true }
            sessions.insert(SessionKey(event.sessionId))
            return true
        }
        return sessions.map(\.sessionId)
    }

    /// Overwrites rows of the log: what is to be written is durable before it is.
    /// - Parameter choose: on the log's queue, so that nothing is appended between the choice and the writing.
    /// - Returns: how many rows there were.
    func erase(_ intent: ErasureIntent, choose: () throws -> [RowErasure]) throws -> Int {
        let rows = try log.queue.sync {
            let rows = try choose()
            try write(try log.plan(rows), intent)
            return rows
        }
        try log.removeEmptySegments(holding: rows.map(\.position))
        return rows.count
    }

    /// Clears what of the log is not sound: nobody can say whose it is.
    func clearUnsound() throws(StoreError) {
        // No redo: what is not sound is found again.
        try log.apply(log.planUnsound())
        log.removeAside()
    }

    /// What a crash or a failure has left half written is written again before anything else is done.
    private func finishWriting(_ intent: ErasureIntent) throws(StoreError) {
        let redos = try ledger.blocking { (ledger) throws(StoreError) in try ledger.redos() }
        for redo in redos where redo.intentId == intent.id {
            guard let patches = LogPatches(decoding: redo.bytes), patches.fit(log) else { continue }
            try log.apply(patches)
        }
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.removeRedo(of: intent) }
    }

    private func write(_ patches: LogPatches, _ intent: ErasureIntent) throws(StoreError) {
        guard !patches.isEmpty else { return }
        let bytes = patches.encoded
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.setRedo(bytes, of: intent) }
        try log.write(patches)
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.removeRedo(of: intent) }
    }

    private func scrubRows() throws {
        for _ in 0..<200 {
            try goOn()
            // Readers are in the way for moments only.
            if try index.scrub() { return }
            Thread.pause(milliseconds: 10)
        }
        throw StoreError(.unavailable, "the session rows' WAL is in use")
    }

    func reached(_ step: ErasureStep) {
        store.options.erasureHook?(step)
    }

    /// - Throws: `closed` when the store is about to close: what is left is for the next start.
    func goOn() throws(StoreError) {
        if stopping.load(ordering: .acquiring) { throw StoreError(.closed, "the store is closing") }
    }

    private func result(_ body: () throws -> ErasureReport) -> Result<ErasureReport, StoreError> {
        do {
            return .success(try body())
        } catch {
            let failure = Self.storeError(error)
            if failure.code != .closed {
                store.logger.error("an erasure waits", metadata: ["reason": "\(failure.message)"])
                scheduleRetry()
            }
            return .failure(failure)
        }
    }

    private static func storeError(_ error: any Error) -> StoreError {
        switch error {
        case let error as StoreError: error
        case LogReadError<StoreError>.log(let error), LogReadError<StoreError>.visitor(let error): error
        default: StoreError(.unavailable, "an erasure cannot go on now: \(error)")
        }
    }

    private func scheduleRetry() {
        guard !retryScheduled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        queue.asyncAfter(deadline: .now() + .milliseconds(store.options.erasureRetryMilliseconds)) { [weak self] in
            guard let self, !stopping.load(ordering: .acquiring) else { return }
            retryScheduled.store(false, ordering: .releasing)
            _ = result { try self.runPending() }
        }
    }
}
