internal import Base
internal import Dispatch
internal import EventLog
internal import Logging
internal import SessionModel
internal import Synchronization

/// Folds what is durable into the records, in the order of the log, and answers. Runs on the log's queue.
///
/// `@unchecked Sendable`: all mutable state is confined to that queue, except the atomics.
final class Fold: @unchecked Sendable {
    let log: EventLog
    var queue: DispatchQueue { log.queue }
    let cache: RecordCache
    let reader: RowReader
    let filters: PartitionFilters
    /// nil when open for reading only: then changed records stay in memory.
    let writeBehind: WriteBehind?
    let options: IndexOptions
    let logger: Logger
    /// Told once when the rows' file turns out to be damaged.
    let onDamage: @Sendable (String) -> Void

    /// Everything up to here is in the records.
    private(set) var folded: Int64
    /// Of the log at `folded`; 0 where nobody can say.
    private var seal: UInt64 = 0
    private var newlyDirty: [CacheEntry] = []
    private var observer: FoldObserver?
    /// The observer has heard of everything up to here, from an index before this one.
    private var toldThrough: Int64
    private var changes: [FoldedChange] = []

    /// Why folding stands still, or nil: sessions cannot be read, though nothing says that they are damaged.
    let obstacle = Locked<StoreError?>(nil)
    private let stalled = Atomic(false)
    private var isRetryScheduled = false
    /// Up to where a part of the log is folded behind the start; nil when it is done. See `catchUp`.
    let behind = Locked<Int64?>(nil)
    let isBehindFlag = Atomic(false)
    /// Sessions whose rows are damaged: they are folded from the log again, and left alone meanwhile. With the positions
    /// of what was left.
    var refolding: [SessionKey: [Int64]] = [:]
    /// Sessions of which a delivery has filled a hole of the log, with its positions; and how many are being mended.
    var late: [SessionKey: [Int64]] = [:]
    var mending = 0
    /// Everything was folded from the beginning, up to here: no record had what was lost.
    private let lateAppliedThrough: Int64
    /// What is in the records, by places.
    let frontier: FoldedFrontier
    /// The rows are given up: nothing is folded here any more.
    private(set) var hasGivenUp = false
    private let recordsRead = Atomic(0)
    private let undecodable = Atomic(0)

    init(
        log: EventLog, cache: RecordCache, reader: RowReader, filters: PartitionFilters, writeBehind: WriteBehind?,
        covered: Int64, observer: FoldObserver?, toldThrough: Int64, frontier: FoldedFrontier, options: IndexOptions,
        logger: Logger,
        onDamage: @escaping @Sendable (String) -> Void
    ) {
        self.log = log
        self.cache = cache
        self.reader = reader
        self.filters = filters
        self.writeBehind = writeBehind
        self.options = options
        self.logger = logger
        self.onDamage = onDamage
        self.observer = observer
        self.toldThrough = toldThrough
        self.frontier = frontier
        folded = covered
        lateAppliedThrough = covered == 0 ? log.lastPosition : 0
        reader.confine(to: log.queue)
        if covered == log.lastPosition { frontier.advance(to: log.placesNow) }
    }

    /// Rows could not be read, so folding stands still at `folded`. What is durable stays in the log.
    var isStalled: Bool { stalled.load(ordering: .acquiring) }

    // MARK: A batch

    /// Folds a durable batch and answers each item of it.
    func take(_ batch: CommittedBatch) {
        dispatchPrecondition(condition: .onQueue(queue))
        if postpones(upTo: batch.lastPosition) { return answerUnfolded(batch) }
        var error: StoreError?
        // Where folding stalled.
        if folded < batch.firstPosition - 1 && !fold(through: batch.firstPosition - 1) {
            error = obstacle.withLock { $0 } ?? StoreError(.unavailable, "sessions cannot be read")
        }
        var results: [Result<IngestOutcome, StoreError>] = []
        results.reserveCapacity(batch.count)
        for entry in batch.entries {
            seal = entry.seal
            var position = entry.firstPosition
            var place = Place(origin: entry.origin, sequence: entry.firstSequence)
            for item in entry.items {
                let delivery = Self.pending(item)
                if error == nil {
                    do throws(StoreError) {
                        let outcome = try fold(
                            delivery.event, position: position, receivedAt: delivery.receivedAt, place: place,
                            isLate: entry.isLate)
                        if delivery.isUndecodable { undecodable.wrappingAdd(1, ordering: .relaxed) }
                        if !hasGivenUp { folded = position }
                        if delivery.completion != nil {
                            results.append(.success(outcome ?? .unfolded("", position: position, place: place)))
                        }
                    } catch let failure {
                        stall(failure)
                        error = failure
                    }
                }
                // It is in the log and will be folded, but what came of it cannot be said now.
                if let error, delivery.completion != nil { results.append(.failure(error)) }
                position += 1
                place = Place(origin: place.origin, sequence: place.sequence + 1)
            }
        }
        // Before the answers: whoever has one finds what it tells of in every query.
        publish()
        answer(batch, results)
    }

    /// Nothing else is appended to the log.
    private static func pending(_ item: any LogItem) -> PendingDelivery {
        unsafeDowncast(item, to: PendingDelivery.self)
    }

    /// Answers a durable batch that will be folded later.
    private func answerUnfolded(_ batch: CommittedBatch) {
        var results: [Result<IngestOutcome, StoreError>] = []
        for entry in batch.entries {
            for (index, item) in entry.items.enumerated() where Self.pending(item).completion != nil {
                let place = Place(origin: entry.origin, sequence: entry.firstSequence + Int64(index))
                let position = entry.firstPosition + Int64(index)
                results.append(
                    .success(.unfolded(Self.pending(item).event?.sessionId ?? "", position: position, place: place)))
            }
        }
        answer(batch, results)
    }

    /// - Parameter results: of those that somebody waits for.
    private func answer(_ batch: CommittedBatch, _ results: [Result<IngestOutcome, StoreError>]) {
        if results.isEmpty { return }
        options.aroundAnswers {
            var index = 0
            for entry in batch.entries {
                for item in entry.items {
                    guard let completion = Self.pending(item).completion else { continue }
                    completion(results[index])
                    index += 1
                }
            }
        }
    }

    /// See `SessionIndex.observe`.
    func observe(_ observer: FoldObserver?) -> Int64 {
        queue.sync {
            self.observer = observer
            return folded
        }
    }

    /// - Returns: nil where there is no event.
    private func fold(
        _ event: SessionEvent?, position: Int64, receivedAt: Instant, place: Place, isLate: Bool
    ) throws(StoreError) -> IngestOutcome? {
        guard let event else { return nil }
        if isLate, position > lateAppliedThrough {
            late[SessionKey(event.sessionId), default: []].append(position)
            frontier.retreat(from: place)
            return .unfolded(event.sessionId, position: position, place: place)
        }
        return try apply(event, position: position, receivedAt: receivedAt, place: place)
    }

    private func apply(
        _ event: SessionEvent, position: Int64, receivedAt: Instant, place: Place
    ) throws(StoreError) -> IngestOutcome {
        if hasGivenUp { return .unfolded(event.sessionId, position: position, place: place) }
        let key = SessionKey(event.sessionId)
        // A function, not a closure: it takes no memory.
        func change(_ entry: CacheEntry) -> IngestOutcome {
            let before = observer == nil ? nil : entry.record.before
            let application = entry.record.apply(event, position: position, receivedAt: receivedAt, place: place)
            if application != .alreadyApplied && !entry.isDirty {
                entry.isDirty = true
                newlyDirty.append(entry)
            }
            if application == .accepted {
                entry.bytes += RecordSize.fact(payloadBytes: event.payload.bytes.count)
                if let before, position > toldThrough {
                    changes.append(
                        FoldedChange(
                            SessionChange(entry.record, since: before, event, at: receivedAt), position: position,
                            receivedAt: receivedAt, seal: seal, place: place))
                }
            }
            return IngestOutcome(
                duplicate: application == .duplicate, sessionId: event.sessionId, status: entry.record.state.status,
                version: entry.record.state.version, position: position, place: place)
        }
        if case .found(let outcome) = cache.update(key, change) { return outcome }
        if leaves(key, position) { return .unfolded(event.sessionId, position: position, place: place) }
        let hash = key.stableHash
        do throws(RowError) {
            for partition in filters.candidates(hash) {
                let row = try reader.record(
                    event.sessionId, partition: partition, writes: writeBehind?.writeCount ?? 0)
                if let row {
                    recordsRead.wrappingAdd(1, ordering: .relaxed)
                    return cache.update(key, orInsert: row, bytes: RecordSize.estimate(row), hasRow: true, change)
                }
            }
        } catch {
            switch error {
            case .undecodable(let number):
                refold(RefoldRequest(key: key, number: number))
                _ = leaves(key, position)
                return .unfolded(event.sessionId, position: position, place: place)
            case .corrupt(let error):
                giveUp("\(error)")
                return .unfolded(event.sessionId, position: position, place: place)
            case .unavailable(let error): throw StoreError(.unavailable, "a session cannot be read: \(error)")
            }
        }
        filters.insert(hash, number: position)
        return cache.update(
            key, orInsert: SessionRecord(sessionId: event.sessionId), bytes: RecordSize.empty, hasRow: false, change)
    }

    /// Whether a session is being folded from the log again; then it is noted what it is left with.
    private func leaves(_ key: SessionKey, _ position: Int64) -> Bool {
        guard !refolding.isEmpty, refolding[key] != nil else { return false }
        if observer != nil, position > toldThrough { refolding[key]?.append(position) }
        return true
    }

    func publish() {
        defer { noteFrontier() }
        if !late.isEmpty { mendLate() }
        reader.endSnapshot()
        writeBehind?.add(newlyDirty, folded: folded)
        // The write-behind keeps the array as it is.
        newlyDirty = []
        guard let observer, folded > toldThrough else { return }
        observer(changes, folded, seal)
        changes = []
    }

    /// Everything that is durable is in the records: whoever waits for that goes on.
    private func noteFrontier() {
        if folded == log.lastPosition, !hasGivenUp, mending == 0, late.isEmpty { frontier.advance(to: log.placesNow) }
    }

    var isObserved: Bool { observer != nil }

    /// What a session has become that was folded again: whoever observes is told what it was not told meanwhile.
    func tell(_ changes: [FoldedChange]) {
        observer?(changes, folded, seal)
    }

    /// The file of rows is damaged beyond single rows: from here on everything is only logged, until somebody makes the
    /// rows anew.
    func giveUp(_ reason: String) {
        behind.withLock { $0 = nil }
        guard !hasGivenUp else { return }
        hasGivenUp = true
        isBehindFlag.store(true, ordering: .releasing)
        onDamage(reason)
    }

    private func stall(_ error: StoreError) {
        stalled.store(true, ordering: .releasing)
        let isNew = obstacle.withLock { obstacle in
            defer { obstacle = error }
            return obstacle == nil
        }
        if isNew { logger.error("callbacks are refused", metadata: ["reason": "\(error.message)"]) }
        retry()
    }

    /// One try to go on, some time from now, unless one is due already: nobody may append meanwhile.
    private func retry() {
        guard !isRetryScheduled else { return }
        isRetryScheduled = true
        queue.asyncAfter(deadline: .now() + .milliseconds(options.retryMilliseconds)) { [weak self] in
            guard let self else { return }
            isRetryScheduled = false
            let position = log.lastPosition
            if isStalled, !postpones(upTo: position), !fold(through: position) { retry() }
        }
    }

    // MARK: From the log

    /// Folds rows of the log that are not folded yet: the tail at a start, what a stall left behind, or everything.
    /// - Returns: whether everything up to `last` is folded now.
    @discardableResult
    func fold(through last: Int64, progress: ((Int64) -> Void)? = nil) -> Bool {
        dispatchPrecondition(condition: .onQueue(queue))
        do {
            while folded < last {
                // In chunks, so that records do not pile up.
                let end = min(last, folded + Self.chunkRows)
                try log.read(after: folded, through: end) { (row) throws(StoreError) in
                    seal = row.seal
                    let event = row.event()
                    if event == nil { undecodable.wrappingAdd(1, ordering: .relaxed) }
                    _ = try fold(
                        event, position: row.position, receivedAt: row.receivedAt, place: row.place, isLate: row.isLate)
                    if hasGivenUp { return false }
                    folded = row.position
                    return true
                }
                if !hasGivenUp { folded = end }
                publish()
                if hasGivenUp { return false }
                if options.writesBehindAutomatically, let writeBehind, !writeBehind.hasRoomForTail {
                    try writeBehind.flush()
                }
                progress?(folded)
            }
            recovered()
            return true
        } catch let error as LogReadError<StoreError> {
            publish()
            switch error {
            case .log(let error), .visitor(let error): stall(error)
            }
        } catch {
            stall(error as? StoreError ?? StoreError(.unavailable, "\(error)"))
        }
        return false
    }

    static let chunkRows: Int64 = 1_024

    /// What came before anybody took it.
    func foldWhatIsDurable() {
        let last = log.lastPosition
        if !postpones(upTo: last), !fold(through: last) { retry() }
    }

    private func recovered() {
        guard stalled.exchange(false, ordering: .acquiringAndReleasing) else { return }
        obstacle.withLock { $0 = nil }
        logger.notice("sessions are folded again")
    }

    func close() {
        queue.sync { reader.close() }
    }

    func report(into figures: inout IndexFigures) {
        figures.recordsRead += recordsRead.load(ordering: .relaxed)
        figures.undecodableRows = undecodable.load(ordering: .relaxed)
        (figures.recordsInMemory, figures.recordBytesInMemory) = cache.load
    }
}
