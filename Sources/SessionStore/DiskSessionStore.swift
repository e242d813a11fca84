package import Base
internal import Dispatch
package import EventLog
package import Ledger
package import Logging
package import SessionIndex
package import SessionModel
internal import Synchronization

/// A data directory on disk: `lock`, `log/`, `sessions.sqlite`, `ledger.sqlite`.
///
/// It is the one that has the right to the directory, decides whether what is in there fits together, and wires the rooms:
/// what the log makes durable goes to the index, on the log's queue. See docs/storage.md.
package final class DiskSessionStore: SessionStore {
    package let log: EventLog
    /// nil when open for reading only.
    private let ledgerIfWritable: Ledger?
    let options: StoreOptions
    let logger: Logger
    let directory: String
    private let lock: DirectoryLock
    private let current: Locked<SessionIndex>
    private let observing = Locked<FoldObserver?>(nil)
    private let restartReason = Locked<StoreError?>(nil)
    private let closing = Locked(false)
    /// It was said that the end of the log could not be noted.
    private let isLedgerMissed = Atomic(false)
    /// Makes the index anew, and notes how far the log goes.
    private let upkeep = DispatchQueue(label: "chargefold.store.upkeep", qos: .utility)
    private let verification = Locked<IdleThread?>(nil)
    private let eraserIfWritable: Locked<Eraser?>
    let barriers = ErasureBarriers()
    /// Up to which places everything is in the records.
    package let foldedFrontier = FoldedFrontier()
    /// What others had when this receiver began to take it: until it is folded, queries are not answered.
    let awaited = Locked<[Identity: Int64]>([:])
    let isAwaiting = Atomic(false)
    /// Places whose deliveries were erased before they came here: they come without their bodies.
    let buried = Locked(PlaceSet())
    private let numbers = Locked<OriginNumbers?>(nil)
    let pulledObserver = Locked<(@Sendable (IngestOutcome) -> Void)?>(nil)

    /// Opens a data directory (and makes it, mode 0700), and folds what the session rows do not cover yet.
    ///
    /// - Parameters:
    ///   - readOnly: for tools, while no server runs: nothing is written but the lock, and `append` refuses.
    ///   - progress: called now and then while a long tail, or the whole log, is folded.
    /// - Throws: `locked`, `directory`, `lostLog`, `damaged`, `newerSchema`, `unavailable`.
    package init(
        directory: String, options: StoreOptions = StoreOptions(), readOnly: Bool = false, logger: Logger,
        progress: ((_ position: Int64, _ last: Int64) -> Void)? = nil
    ) throws(StoreError) {
        self.directory = directory
        self.options = options
        self.logger = logger
        if !options.makesDirectory { try DataDirectoryFiles.requireDataDirectory(directory) }
        upkeep.setSpecific(key: Self.ownQueue, value: ObjectIdentifier(upkeep))
        lock = try DirectoryLock(directory: directory, readOnly: readOnly)
        // Whoever has made it, and with whatever mask.
        if !readOnly { FileSystem.makePrivate(FileSystem.join(directory, SessionIndex.fileName)) }
        let ledger = try readOnly ? nil : Ledger(directory: directory, options: options.ledger, logger: logger)
        ledgerIfWritable = ledger
        let known = try Self.known(directory, ledger)
        if let ledger { try Self.redoErasures(directory, ledger) }
        let log = try EventLog(
            directory: directory, known: known, acceptsLoss: options.acceptsLostLog, readOnly: readOnly, right: lock,
            options: options.log, logger: logger)
        self.log = log
        let isAfresh = known.map { $0.identity != log.identity || $0.end > log.lastPosition } ?? false
        let rebuild = Rebuild()
        let index = try SessionIndex(
            directory: directory, log: log, isAfresh: isAfresh && !readOnly, readOnly: readOnly,
            frontier: foldedFrontier, options: options.index, logger: logger, progress: progress,
            onDamage: { rebuild.run($0, $1) })
        current = Locked(index)
        eraserIfWritable = Locked(nil)
        log.setConsumer(index)
        rebuild.set(self)
        guard let ledger else { return }
        let now = KnownLog(identity: log.identity, end: log.lastPosition)
        let wasUnknown = try ledger.blocking { (ledger) throws(StoreError) in
            let wasUnknown = try ledger.knownLog() == nil
            if isAfresh { try ledger.forgetLog() }
            try ledger.noteLog(now)
            return wasUnknown
        }
        if wasUnknown, log.lastPosition > 0 {
            logger.critical(
                "the ledger does not know the log: it is new, or was damaged; what it had is gone",
                metadata: ["had": "quarantine, downtimes, idempotency keys, starts under way, erasures under way"])
        }
        eraserIfWritable.withLock { $0 = Eraser(self, ledger) }
        let places = try ledger.blocking { (ledger) throws(StoreError) in try ledger.buried() }
        if let places, let known = PlaceSet(decoding: places) { buried.withLock { $0 = known } }
        if isAfresh {
            logger.critical("the log is not the one that was remembered, or is shorter; this was accepted")
        }
        noteByItself()
        let thread = IdleThread(label: "chargefold.store.verify") { [weak self] in self?.verifyByItself() }
        verification.withLock { $0 = thread }
        whenCaughtUp { [weak self] in self?.eraser?.resume() }
    }

    deinit {
        close()
    }

    /// What others remember of the log. Where they disagree, whoever has heard of it last counts.
    private static func known(_ directory: String, _ ledger: Ledger?) throws(StoreError) -> KnownLog? {
        let byRows = SessionIndex.knownLog(directory: directory)
        let byLedger = try ledger?.blocking { (ledger) throws(StoreError) in try ledger.knownLog() }
        guard let byLedger else { return byRows }
        guard let byRows, byRows.identity == byLedger.identity else { return byLedger }
        return KnownLog(identity: byRows.identity, end: max(byRows.end, byLedger.end))
    }

    /// What a crash has left of an erasure's writing is finished before anybody reads the log.
    private static func redoErasures(_ directory: String, _ ledger: Ledger) throws(StoreError) {
        let redos = try ledger.blocking { (ledger) throws(StoreError) in try ledger.redos() }
        for redo in redos {
            guard let patches = LogPatches(decoding: redo.bytes) else { continue }
            try patches.write(inDirectory: directory)
        }
    }

    var isClosing: Bool { closing.withLock { $0 } }
    var index: SessionIndex { current.withLock { $0 } }
    var eraser: Eraser? { eraserIfWritable.withLock { $0 } }

    /// The ledger of the directory.
    /// - Throws: `readOnly`.
    package var ledger: Ledger {
        get throws(StoreError) {
            guard let ledgerIfWritable else { throw StoreError(.readOnly, "the store is open for reading only") }
            return ledgerIfWritable
        }
    }

    // MARK: Writing

    package func append(_ delivery: consuming Delivery, completion: @escaping IngestCompletion) {
        guard ledgerIfWritable != nil else {
            return completion(.failure(StoreError(.readOnly, "the store is open for reading only")))
        }
        guard index.takesMore else {
            return completion(.failure(index.obstacle ?? StoreError(.queueFull, "session rows lag behind")))
        }
        log.append(PendingDelivery(delivery, completion))
    }

    package func beginWork(about userId: String?) -> WorkTicket { barriers.begin(userId) }

    package func append(
        _ delivery: consuming Delivery, within work: WorkTicket, completion: @escaping IngestCompletion
    ) {
        let delivery = delivery
        let hasPassed = barriers.pass(work, delivery.event) { append(delivery, completion: completion) }
        if !hasPassed { completion(.failure(.erased)) }
    }

    package var isUnderPressure: Bool { log.isUnderPressure }

    package func flush() throws(StoreError) {
        guard !closing.withLock({ $0 }) else { throw StoreError(.closed, "the store is closed") }
        while log.load.count > 0 { log.queue.sync {} }
        ledgerIfWritable?.perform { $0.flush() }
        try index.flush()
    }

    /// Not from a completion: it waits for them.
    package func close() {
        let isFirst = closing.withLock { closed in
            defer { closed = true }
            return !closed
        }
        guard isFirst else { return }
        eraser?.stop()
        awaitUpkeep()
        index.stopChecking()
        verification.withLock { $0.take() }?.join()
        index.stopCatchingUp()
        log.drainAndClose()
        index.close()
        noteLog()
        log.close()
        ledgerIfWritable?.closeAndWait()
        lock.release()
    }

    /// Waits for what runs on the store's queue; not where that is this very call, which the last reference to a store that
    /// nobody has closed may end in.
    private func awaitUpkeep() {
        if DispatchQueue.getSpecific(key: Self.ownQueue) != ObjectIdentifier(upkeep) { upkeep.sync {} }
    }

    private static let ownQueue = DispatchSpecificKey<ObjectIdentifier>()

    // MARK: Reading

    package var isCatchingUp: Bool { index.isCatchingUp || isAwaitingOthers }

    package func whenCaughtUp(_ body: @escaping @Sendable () -> Void) { index.whenCaughtUp(body) }

    package func session(_ id: String, completion: @escaping @Sendable (Result<SessionRecord?, StoreError>) -> Void) {
        if isAwaitingOthers { return completion(.failure(.catchingUp)) }
        index.session(id, completion: completion)
    }

    package func memo(of id: String) -> MemoLookup {
        isAwaitingOthers ? MemoLookup(nil, .never) : index.memo(of: id)
    }

    package func keep(_ memo: any SessionMemo, of record: SessionRecord, ticket: MemoTicket) {
        index.keep(memo, of: record, ticket: ticket)
    }

    package func select(
        _ selection: SessionSelection, completion: @escaping @Sendable (Result<SessionPage, StoreError>) -> Void
    ) {
        if isAwaitingOthers { return completion(.failure(.catchingUp)) }
        index.select(selection, completion: completion)
    }

    @discardableResult
    package func observe(_ observer: FoldObserver?) -> Int64 {
        observing.withLock { $0 = observer }
        return index.observe(observer)
    }

    @discardableResult
    package func scanLog(
        after position: Int64, visit: (LoggedDelivery) throws(StoreError) -> Bool
    ) throws(StoreError) -> Int64 {
        do throws(LogReadError<StoreError>) {
            return try log.read(after: position) { (row) throws(StoreError) in try visit(LoggedDelivery(row)) }
        } catch {
            switch error {
            case .log(let error), .visitor(let error): throw error
            }
        }
    }

    package func logEntry(at position: Int64) throws(StoreError) -> LoggedDelivery? {
        try log.row(at: position) { LoggedDelivery($0) }
    }

    package var originNumbers: OriginNumbers? { numbers.withLock { $0 } }

    /// From now on cursors are those of several receivers.
    package func setOriginNumbers(_ origins: OriginNumbers) { numbers.withLock { $0 = origins } }

    package var foldedPlaces: [Identity: Int64] { foldedFrontier.now }

    package func position(of origin: Identity, after sequence: Int64) throws(StoreError) -> Int64? {
        try log.position(of: origin, after: sequence)
    }

    package func seal(at position: Int64) throws(StoreError) -> UInt64? { try log.seal(at: position) }

    package func check(progress: (CheckProgress) -> Void) throws(StoreError) -> CheckReport {
        while log.load.count > 0 { log.queue.sync {} }
        return try StoreCheck(log: log, index: index).run(progress: progress)
    }

    // MARK: Condition

    package var isWritable: Bool { unavailability == nil }

    package var unavailability: StoreError? {
        if closing.withLock({ $0 }) { return StoreError(.closed, "the store is closed") }
        return needsRestart ?? log.obstacle ?? index.obstacle ?? ledgerIfWritable?.unavailability
    }

    package var needsRestart: StoreError? { restartReason.withLock { $0 } }

    package var statistics: StoreStatistics {
        var statistics = StoreStatistics()
        statistics.durable = log.lastPosition
        (statistics.queueCount, statistics.queueBytes) = log.load
        statistics.log = log.figuresNow
        statistics.index = index.figures
        if let ledgerIfWritable { statistics.ledger = ledgerIfWritable.statistics }
        return statistics
    }

    // MARK: Upkeep

    /// Notes in the ledger how far the log goes, so that a start notices a log that is shorter.
    private func noteByItself() {
        upkeep.asyncAfter(deadline: .now() + .milliseconds(options.noteMilliseconds)) { [weak self] in
            guard let self, !closing.withLock({ $0 }) else { return }
            noteLog()
            noteByItself()
        }
    }

    private func noteLog() {
        let now = KnownLog(identity: log.identity, end: log.lastPosition)
        do throws(StoreError) {
            try ledgerIfWritable?.blocking { (ledger) throws(StoreError) in
                try ledger.checkFiles()
                try ledger.noteLog(now)
            }
            if isLedgerMissed.exchange(false, ordering: .relaxed) { logger.notice("the ledger is written again") }
        } catch {
            guard !isLedgerMissed.exchange(true, ordering: .relaxed) else { return }
            logger.warning("the ledger cannot be written", metadata: ["reason": "\(error)"])
        }
    }

    /// Reads every byte of the log once after a start, and of the rows, so that damage is told before somebody needs what is
    /// damaged. At a pace that callbacks do not notice: a start is when they are most likely to come at once.
    private func verifyByItself() {
        do throws(StoreError) {
            var pace = Pace()
            _ = try log.verify { _ in
                pace.rest()
                return !isClosing
            }
        } catch {
            logger.warning("the log cannot be verified", metadata: ["reason": "\(error)"])
        }
        if !isClosing { index.checkRows() }
    }

    /// The rows' file is damaged: it is moved aside, and everything is folded from the log again, while deliveries are
    /// taken and queries are not.
    fileprivate func makeIndexAnew(_ damaged: SessionIndex, _ reason: String) {
        guard damaged === index, !closing.withLock({ $0 }) else { return }
        logger.critical(
            "the session rows are damaged; the log is not: they are made again", metadata: ["reason": "\(reason)"])
        damaged.close()
        replaceIndex(damaged, isFirstTry: true)
    }

    /// Again and again where it fails: what keeps rows from being made may be over soon.
    private func replaceIndex(_ damaged: SessionIndex, isFirstTry: Bool) {
        guard !closing.withLock({ $0 }) else { return }
        var options = options.index
        // Never before this returns: the log's queue is not to wait for it.
        options.tailBeforeOpeningMax = 0
        do throws(StoreError) {
            let rebuild = Rebuild()
            rebuild.set(self)
            let index = try SessionIndex(
                directory: directory, log: log, isAfresh: isFirstTry, observer: observing.withLock { $0 },
                toldThrough: log.queue.sync { damaged.folded }, frontier: foldedFrontier, options: options,
                logger: logger, onDamage: { rebuild.run($0, $1) })
            current.withLock { $0 = index }
            log.setConsumer(index)
            // What came while it was made, and who came.
            index.observe(observing.withLock { $0 })
            index.foldWhatIsDurable()
            damaged.handOver(to: index)
            restartReason.withLock { $0 = nil }
        } catch {
            if isFirstTry {
                logger.critical("session rows cannot be made again now", metadata: ["reason": "\(error)"])
            }
            restartReason.withLock { $0 = error }
            upkeep.asyncAfter(deadline: .now() + .milliseconds(options.retryMilliseconds)) { [weak self] in
                self?.replaceIndex(damaged, isFirstTry: false)
            }
        }
    }

    /// The store, for an index that is made before it.
    private final class Rebuild: Sendable {
        private let store = Locked<DiskSessionStoreReference>(DiskSessionStoreReference())

        func set(_ store: DiskSessionStore) { self.store.withLock { $0.store = store } }

        func run(_ index: SessionIndex, _ reason: String) {
            guard let store = store.withLock({ $0.store }) else { return }
            store.upkeep.async { store.makeIndexAnew(index, reason) }
        }
    }
}

private struct DiskSessionStoreReference {
    weak var store: DiskSessionStore?
}

extension LoggedDelivery {
    init(_ row: LogRow) {
        self.init(
            position: row.position, receivedAt: row.receivedAt, source: row.factSource ?? .webhook,
            body: [UInt8](row.body), seal: row.seal, place: row.place)
    }
}
