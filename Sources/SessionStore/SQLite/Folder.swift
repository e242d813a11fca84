internal import Base
internal import Dispatch
internal import Logging
internal import SessionModel
internal import Synchronization

/// Folds what is durable into the records, in the order of the log, and answers.
///
/// `@unchecked Sendable`: all mutable state is confined to `queue`, except the atomics.
final class Folder: @unchecked Sendable {
    let queue = DispatchQueue(label: "chargefold.store.fold")
    let cache: RecordCache
    private let reader: DerivedReader
    private let directory: SessionDirectory
    private let logReader: LogReader
    /// nil when open for reading only: then changed records stay in memory.
    private let writeBehind: WriteBehind?
    let options: StoreOptions
    private let health: StoreHealth
    let logger: Logger
    private let onDamage: @Sendable (String) -> Void

    /// Everything up to here is in the records.
    private(set) var foldedPosition: Int64
    private var newlyDirty: [CacheEntry] = []
    private var observer: FoldObserver?
    private var changes: [FoldedChange] = []

    private let stalled = Atomic(false)
    /// Up to where a part of the log is folded behind the start; nil when it is done. See `catchUpBehind`.
    let behind = Locked<Int64?>(nil)
    let isBehindFlag = Atomic(false)
    private let recordsRead = Atomic(0)
    private let undecodable = Atomic(0)

    init(
        cache: RecordCache, reader: DerivedReader, directory: SessionDirectory, logReader: LogReader,
        writeBehind: WriteBehind?,
        derivedPosition: Int64, options: StoreOptions, health: StoreHealth, logger: Logger,
        onDamage: @escaping @Sendable (String) -> Void
    ) {
        self.cache = cache
        self.reader = reader
        self.directory = directory
        self.logReader = logReader
        self.writeBehind = writeBehind
        self.options = options
        self.health = health
        self.logger = logger
        self.onDamage = onDamage
        foldedPosition = derivedPosition
        reader.confine(to: queue)
        logReader.confine(to: queue)
    }

    /// A session could not be read, so folding stands still at `foldedPosition`. What is durable stays in the log.
    var isStalled: Bool { stalled.load(ordering: .acquiring) }

    // MARK: A batch

    /// Folds a durable batch and answers each item of it.
    func fold(_ batch: Committer.CommittedBatch) {
        dispatchPrecondition(condition: .onQueue(queue))
        var error: StoreError?
        // Rows of a failed commit that came back, or those from where folding stalled.
        if foldedPosition < batch.firstPosition - 1 && !catchUp(to: batch.firstPosition - 1) {
            error = health.error(.fold) ?? StoreError(.unavailable, "sessions cannot be read")
        }
        var results: [Result<IngestOutcome, StoreError>] = []
        results.reserveCapacity(batch.items.count)
        var position = batch.firstPosition
        for pending in batch.items {
            if error == nil {
                do throws(StoreError) {
                    let outcome = try apply(
                        pending.delivery.event, position: position, receivedAt: pending.delivery.receivedAt)
                    foldedPosition = position
                    results.append(.success(outcome))
                } catch let failure {
                    stall(failure)
                    error = failure
                }
            }
            // It is in the log and will be folded, but what came of it cannot be said now.
            if let error { results.append(.failure(error)) }
            position += 1
        }
        // Before the answers: whoever has one finds what it tells of in every query.
        publish()
        answer(batch, results)
    }

    /// Answers a durable batch that will be folded later: what it made of its sessions is not known yet.
    func answerUnfolded(_ batch: Committer.CommittedBatch) {
        var position = batch.firstPosition - 1
        let results: [Result<IngestOutcome, StoreError>] = batch.items.map { pending in
            position += 1
            return .success(
                IngestOutcome(
                    duplicate: false, sessionId: pending.delivery.event.sessionId, status: .unknown, version: 0,
                    position: position))
        }
        answer(batch, results)
    }

    private func answer(_ batch: Committer.CommittedBatch, _ results: [Result<IngestOutcome, StoreError>]) {
        var outcomes = results.makeIterator()
        options.aroundAnswers {
            for pending in batch.items {
                if let result = outcomes.next() { pending.completion(result) }
            }
        }
    }

    /// See `SessionStore.observe`.
    func observe(_ observer: FoldObserver?) -> Int64 {
        queue.sync {
            self.observer = observer
            return foldedPosition
        }
    }

    private func apply(
        _ event: SessionEvent, position: Int64, receivedAt: Instant
    ) throws(StoreError) -> IngestOutcome {
        let key = SessionKey(event.sessionId)
        let change = { (entry: CacheEntry) -> IngestOutcome in
            let application = entry.record.apply(event, position: position, receivedAt: receivedAt)
            if application != .alreadyApplied && !entry.isDirty {
                entry.isDirty = true
                self.newlyDirty.append(entry)
            }
            if application == .accepted {
                entry.bytes += RecordSize.fact(event)
                if self.observer != nil {
                    self.changes.append(
                        FoldedChange(record: entry.record, position: position, receivedAt: receivedAt))
                }
            }
            return IngestOutcome(
                duplicate: application == .duplicate, sessionId: event.sessionId, status: entry.record.state.status,
                version: entry.record.state.version, position: position)
        }
        if case .found(let outcome) = cache.update(key, change) { return outcome }
        let hash = SessionFilter.hash(event.sessionId.utf8)
        for part in directory.candidates(hash) {
            if let row = try reader.record(event.sessionId, part: part, writes: writeBehind?.writeCount ?? 0) {
                recordsRead.wrappingAdd(1, ordering: .relaxed)
                return cache.update(key, orInsert: row.record, bytes: row.bytes, hasRow: true, change)
            }
        }
        directory.insert(hash, number: position)
        return cache.update(
            key, orInsert: SessionRecord(sessionId: event.sessionId), bytes: RecordSize.empty, hasRow: false, change)
    }

    private func publish() {
        reader.endSnapshot()
        writeBehind?.add(newlyDirty, foldedPosition: foldedPosition)
        // The write-behind keeps the array as it is.
        newlyDirty = []
        guard let observer else { return }
        observer(changes, foldedPosition)
        changes = []
    }

    private func stall(_ error: StoreError) {
        stalled.store(true, ordering: .releasing)
        if error.code == .damaged { onDamage(error.message) }
        let unavailable = StoreError(.unavailable, error.message)
        if health.set(.fold, unavailable) {
            logger.error("callbacks are refused", metadata: ["reason": "\(unavailable.message)"])
        }
    }

    // MARK: From the log

    /// Folds rows of the log that are not folded yet: the tail at a start, what a stall left behind, or everything.
    /// - Returns: whether everything up to `last` is folded now.
    @discardableResult
    func catchUp(to last: Int64, progress: ((Int64) -> Void)? = nil) -> Bool {
        dispatchPrecondition(condition: .onQueue(queue))
        guard foldedPosition < last else {
            recovered()
            return true
        }
        do {
            while foldedPosition < last {
                let reached = try logReader.chunk(after: foldedPosition, through: last) { (row) throws(StoreError) in
                    if let event = row.event() {
                        _ = try apply(event, position: row.position, receivedAt: row.receivedAt)
                    } else if !row.isErased {
                        undecodable.wrappingAdd(1, ordering: .relaxed)
                    }
                    foldedPosition = row.position
                }
                // Without a row there is a gap up to the end: nothing is left to fold.
                if reached == nil { foldedPosition = last }
                publish()
                // In bounded memory, however long the tail is.
                if options.writesBehindAutomatically, let writeBehind, !writeBehind.hasRoomForTail {
                    try writeBehind.flush()
                }
                progress?(foldedPosition)
            }
            recovered()
            return true
        } catch let error as LogReadError<StoreError> {
            publish()
            switch error {
            case .sqlite(let error): stall(StoreError(.unavailable, "the log cannot be read: \(error)"))
            case .visitor(let error): stall(error)
            }
        } catch let error as StoreError {
            stall(error)
        } catch {
            stall(StoreError(.unavailable, "\(error)"))
        }
        return false
    }

    private func recovered() {
        stalled.store(false, ordering: .releasing)
        if health.set(.fold, nil) { logger.notice("sessions are folded again") }
    }

    /// See `WriteBehind.waitForRoom`.
    func waitForRoom(_ body: @escaping @Sendable () -> Void) -> Bool { writeBehind?.waitForRoom(body) ?? false }

    func close() {
        queue.sync {
            reader.close()
            logReader.close()
        }
    }

    func report(into statistics: inout StoreStatistics) {
        statistics.recordsRead += recordsRead.load(ordering: .relaxed)
        statistics.undecodableRows = undecodable.load(ordering: .relaxed)
        (statistics.recordsInMemory, statistics.recordBytesInMemory) = cache.load
    }
}
