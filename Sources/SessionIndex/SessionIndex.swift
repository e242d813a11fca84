package import Base
internal import Dispatch
package import EventLog
package import Logging
internal import SQLite
package import SessionModel
internal import Synchronization

/// What every session is: the fold of the log, in memory and as rows on disk. Everything here can be thrown away and made
/// again.
///
/// It takes what the log has made durable, on the log's queue, folds it into the records, and answers; changed records are
/// written to `sessions.sqlite` behind that, many at a time. `folded` is the position up to which everything is in the
/// records, `covered` the one up to which it is in the rows; a start folds what lies between `covered` and the log's end.
///
/// It promises:
/// - Every read sees every delivery that was answered.
/// - A row that is not as it was written is never served: its session is folded from the log again, at once, and everything
///   else goes on. Where more than rows is damaged, `onDamage` is called once, and everything is only logged from then on:
///   the owner makes another index.
///
/// `session`, `select` and the memos may be called from any thread and call back; `flush`, `close` and what says so block,
/// and are not for a worker's thread nor for the log's queue.
package final class SessionIndex: LogConsumer {
    package static let fileName = RowSchema.fileName

    let log: EventLog
    let path: String
    let options: IndexOptions
    let logger: Logger
    let cache: RecordCache
    let filters: PartitionFilters
    let fold: Fold
    /// nil when open for reading only.
    let writeBehind: WriteBehind?
    private let sessionReader: SessionReader
    let selectionReader: SelectionReader
    private let filterLoader: PartitionFilterLoader
    private let rowCheck: RowCheck?
    private let mode: Database.Mode
    private let isClosed = Atomic(false)
    private let readiness = Locked(Readiness())

    private struct Readiness {
        var isReady = false
        var waiting: [@Sendable () -> Void] = []
    }

    /// What the rows in a directory remember of the log that they belong to; nil where there are none, or none that can be
    /// read.
    package static func knownLog(directory: String) -> KnownLog? {
        let path = FileSystem.join(directory, fileName)
        guard FileSystem.size(path) > 0,
            let database = try? Database(path: path, mode: .readOnly)
        else { return nil }
        return (try? RowWriter.knownLog(database)) ?? nil
    }

    /// Opens the rows of a data directory, or makes them, and folds what they do not cover yet.
    ///
    /// - Parameters:
    ///   - isAfresh: whether rows that are there are moved aside, whatever they are.
    ///   - frontier: says what is folded, and wakes who waits for it.
    ///   - observer: see `observe`; it has heard of everything up to `toldThrough`.
    ///   - readOnly: for tools: nothing is written, so the rows must be there and fit; the tail is folded in memory.
    ///   - progress: called now and then while a long tail, or the whole log, is folded.
    ///   - onDamage: called once, from any queue, when the file of rows turns out to be damaged beyond single rows.
    package init(
        directory: String, log: EventLog, isAfresh: Bool = false, readOnly: Bool = false,
        observer: FoldObserver? = nil, toldThrough: Int64 = 0, frontier: FoldedFrontier = FoldedFrontier(),
        options: IndexOptions, logger: Logger,
        progress: ((Int64, Int64) -> Void)? = nil,
        onDamage: @escaping @Sendable (SessionIndex, String) -> Void = { _, _ in }
    ) throws(StoreError) {
        self.log = log
        self.options = options
        self.logger = logger
        path = FileSystem.join(directory, Self.fileName)
        let cache = RecordCache(countMax: options.recordsInMemoryMax, bytesMax: options.recordBytesInMemoryMax)
        self.cache = cache
        let opening = RowOpening(path: path, log: log, options: options, logger: logger)
        let opened = try readOnly ? opening.openForReading() : opening.open(afresh: isAfresh)
        mode = opened.mode
        let filters = PartitionFilters(
            partitioning: Partitioning(positionsMin: options.positionsPerPartition), last: opened.covered)
        self.filters = filters
        // The owner, once it is there.
        let owner = WeakIndex()
        let corrupt: @Sendable (String) -> Void = { owner.giveUp($0) }
        do throws(SQLiteError) {
            try opened.writer?.forEachFilter { filters.restore($1, partition: $0) }
        } catch {
            throw StoreError(.unavailable, "\(path): \(error)")
        }
        writeBehind = opened.writer.map {
            WriteBehind(
                writer: $0, log: log, cache: cache, filters: filters, options: options, logger: logger,
                onDamage: { corrupt("\($0)") })
        }
        fold = Fold(
            log: log, cache: cache, reader: opened.foldReader, filters: filters, writeBehind: writeBehind,
            covered: opened.covered, observer: observer, toldThrough: toldThrough, frontier: frontier,
            options: options, logger: logger,
            onDamage: { owner.tell($0) })
        let damage = DamageReport(refold: { owner.refold($0) }, corrupt: corrupt)
        filterLoader = PartitionFilterLoader(filters: filters, logger: logger)
        sessionReader = SessionReader(
            reader: opened.queryReader, cache: cache, filters: filters, countMax: options.readQueueCountMax,
            damage: damage)
        selectionReader = SelectionReader(
            database: opened.selectionDatabase, home: log.identity, cache: cache, filters: filters,
            writeBehind: writeBehind, options: options, damage: damage)
        let isLarge = FileSystem.size(path) > options.checkedBeforeOpeningBytesMax
        rowCheck = isLarge && !readOnly ? RowCheck(path: path, logger: logger, onDamage: corrupt) : nil
        owner.set(self, onDamage)
        if !readOnly { loadFilters() }
        try foldTail(from: opened.covered, to: log.lastPosition, progress: progress)
    }

    private func loadFilters() {
        do throws(SQLiteError) {
            try filterLoader.start(path: path, mode: mode, virtualFileSystem: options.virtualFileSystem)
        } catch {
            logger.warning("new sessions are looked up on disk", metadata: ["reason": "\(error)"])
        }
    }

    /// Folds what the rows do not cover.
    private func foldTail(
        from first: Int64, to last: Int64, progress: ((Int64, Int64) -> Void)?
    ) throws(StoreError) {
        guard first < last else { return ready() }
        logger.info("folding the log's tail", metadata: ["from": "\(first + 1)", "to": "\(last)"])
        let logger = logger
        if last - first > options.tailBeforeOpeningMax {
            return fold.catchUp(to: last) { position, last in
                logger.info("folding the log", metadata: ["position": "\(position)", "of": "\(last)"])
            } completion: { [self] in
                ready()
            }
        }
        var reported = DispatchTime.now()
        let done = log.queue.sync {
            fold.fold(through: last) { position in
                let now = DispatchTime.now()
                guard now.uptimeNanoseconds - reported.uptimeNanoseconds > 1_000_000_000 else { return }
                reported = now
                logger.info("folding the log", metadata: ["position": "\(position)", "of": "\(last)"])
                progress?(position, last)
            }
        }
        progress?(last, last)
        if !done { throw fold.obstacle.withLock { $0 } ?? StoreError(.unavailable, "the log's tail cannot be folded") }
        ready()
    }

    // MARK: What is durable

    package func take(_ batch: CommittedBatch) { fold.take(batch) }

    package func waitsForRoom(_ body: @escaping @Sendable () -> Void) -> Bool {
        writeBehind?.waitForRoom(body) ?? false
    }

    /// Whether deliveries may come: where rows are written, they only wait until there is room.
    package var takesMore: Bool { writeBehind?.takesMore ?? false }

    /// Why sessions cannot be folded or written, or nil.
    package var obstacle: StoreError? {
        if let obstacle = fold.obstacle.withLock({ $0 }) { return obstacle }
        if takesMore { return nil }
        return writeBehind?.obstacle ?? StoreError(.queueFull, "session rows lag behind")
    }

    // MARK: Once everything is folded

    /// Whether a long part of the log is still being folded behind the opening.
    package var isCatchingUp: Bool { fold.isBehind }

    /// Runs `body` once every delivery that was in the log at the opening is folded: now, or on the log's queue.
    package func whenCaughtUp(_ body: @escaping @Sendable () -> Void) {
        let isReady = readiness.withLock { readiness in
            if !readiness.isReady { readiness.waiting.append(body) }
            return readiness.isReady
        }
        if isReady { body() }
    }

    /// Gives those who wait for `ready` to the index that takes this one's place.
    package func handOver(to other: SessionIndex) {
        let waiting = readiness.withLock { readiness in
            defer { readiness.waiting = [] }
            return readiness.waiting
        }
        for body in waiting { other.whenCaughtUp(body) }
    }

    /// Folds what the log has taken while nobody folded. The log's consumer is this index by now.
    package func foldWhatIsDurable() { log.queue.async { self.fold.foldWhatIsDurable() } }

    private func ready() {
        let waiting = readiness.withLock { readiness in
            readiness.isReady = true
            defer { readiness.waiting = [] }
            return readiness.waiting
        }
        for body in waiting { body() }
    }

    // MARK: Reading

    /// Everything known of a session, or nil. Calls back at once when that is in memory, else from a reader's queue.
    package func session(_ id: String, completion: @escaping @Sendable (Result<SessionRecord?, StoreError>) -> Void) {
        if isCatchingUp { return completion(.failure(.catchingUp)) }
        sessionReader.session(id, completion: completion)
    }

    /// A page of sessions out of an index. Calls back from a reader's queue.
    package func select(
        _ selection: SessionSelection, completion: @escaping @Sendable (Result<SessionPage, StoreError>) -> Void
    ) {
        if isCatchingUp { return completion(.failure(.catchingUp)) }
        selectionReader.select(selection, completion: completion)
    }

    package func memo(of id: String) -> MemoLookup {
        isCatchingUp ? MemoLookup(nil, .never) : cache.memo(SessionKey(id))
    }

    package func keep(_ memo: any SessionMemo, of record: SessionRecord, ticket: MemoTicket) {
        cache.keep(memo, key: SessionKey(record.sessionId), lastPosition: record.lastPosition, ticket: ticket)
    }

    /// Sets who is told of every change from now on (nil: nobody). Blocks; not from the log's queue.
    /// - Returns: the position up to which everything was folded before.
    @discardableResult
    package func observe(_ observer: FoldObserver?) -> Int64 { fold.observe(observer) }

    // MARK: For erasures and checks

    /// The position up to which everything is folded. On the log's queue, where it stands still.
    package var folded: Int64 {
        dispatchPrecondition(condition: .onQueue(log.queue))
        return fold.folded
    }

    /// On the log's queue: records that were folded anew take the place of what was known of those sessions.
    package func replace(_ records: [SessionRecord], of keys: [SessionKey]) throws(StoreError) {
        try fold.replace(records, of: keys)
    }

    /// Somebody else has found the file of rows damaged: as for `onDamage`.
    package func giveUp(_ reason: String) { log.queue.async { self.fold.giveUp(reason) } }

    func requestRefold(number: Int64) { fold.requestRefold(RefoldRequest(key: nil, number: number)) }

    /// Looks through the rows' file for damage, where it is too large to be looked through before opening, and gives it up
    /// where there is some. Blocks for minutes: for an `IdleThread`. Ends when the index is closed.
    package func checkRows() { rowCheck?.run() }

    package func stopChecking() { rowCheck?.close() }

    /// Leaves nothing of the past in the rows' files. Blocks.
    /// - Returns: false where a reader is in the way: try again soon.
    package func scrub() throws -> Bool {
        guard let writeBehind else { return true }
        // What is kept aside names whoever it names.
        FileSystem.removeAside(path, as: RowOpening.asideReason)
        return try writeBehind.queue.sync {
            _ = try writeBehind.writer.database.checkpoint(truncating: true)
            guard FileSystem.size(path + "-wal") == 0 else { return false }
            try PageScrubber(writeBehind.writer.database).run()
            return true
        }
    }

    /// A connection for reading. It belongs to the caller's thread.
    func openForReading() throws(SQLiteError) -> Database {
        try Database(path: path, mode: mode, virtualFileSystem: options.virtualFileSystem)
    }

    // MARK: The end

    /// Writes every changed row. Blocks.
    package func flush() throws(StoreError) { try writeBehind?.flush() }

    /// Gives up a fold behind the start, so that the log can be closed.
    package func stopCatchingUp() { fold.stopCatchingUp() }

    /// Writes what is left, and frees the file. The log is closed by then, or takes nothing more. Blocks; a second call
    /// does nothing.
    package func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        fold.stopCatchingUp()
        rowCheck?.close()
        filterLoader.close()
        log.queue.sync {}
        do throws(StoreError) {
            try writeBehind?.flush()
        } catch {
            logger.error("session rows are left behind; the next start folds more", metadata: ["reason": "\(error)"])
        }
        fold.close()
        sessionReader.close()
        selectionReader.close()
        writeBehind?.close()
    }

    package var figures: IndexFigures {
        var figures = IndexFigures()
        writeBehind?.report(into: &figures)
        fold.report(into: &figures)
        figures.recordsRead += sessionReader.recordsReadCount
        for suffix in ["", "-wal"] { figures.bytes += FileSystem.size(path + suffix) }
        return figures
    }
}

/// The index, for what is made before it.
private final class WeakIndex: Sendable {
    private struct State {
        weak var index: SessionIndex?
        var onDamage: @Sendable (SessionIndex, String) -> Void = { _, _ in }
    }

    private let state = Locked(State())

    func set(_ index: SessionIndex, _ onDamage: @escaping @Sendable (SessionIndex, String) -> Void) {
        state.withLock { $0 = State(index: index, onDamage: onDamage) }
    }

    func giveUp(_ reason: String) {
        state.withLock { $0.index }?.giveUp(reason)
    }

    func tell(_ reason: String) {
        let (index, onDamage) = state.withLock { ($0.index, $0.onDamage) }
        if let index { onDamage(index, reason) }
    }

    func refold(_ request: RefoldRequest) { state.withLock { $0.index }?.fold.requestRefold(request) }
}

/// To whom readers tell what they find.
struct DamageReport: Sendable {
    let refold: @Sendable (RefoldRequest) -> Void
    let corrupt: @Sendable (String) -> Void

    /// - Returns: what the query is answered with.
    func found(_ error: RowError, _ key: SessionKey?) -> StoreError {
        switch error {
        case .undecodable(let number):
            refold(RefoldRequest(key: key, number: number))
            return .catchingUp
        case .corrupt(let error):
            corrupt("\(error)")
            return .catchingUp
        case .unavailable(let error): return StoreError(.unavailable, "sessions cannot be read: \(error)")
        }
    }
}

/// Figures of a running index. Counts are since it was opened unless said otherwise.
package struct IndexFigures: Sendable, Equatable {
    /// The highest position in the records, and in the rows.
    package var folded: Int64 = 0
    package var covered: Int64 = 0
    package var recordsInMemory = 0
    package var recordBytesInMemory = 0
    package var unwrittenRecords = 0
    /// Records read from disk, by the fold and by queries.
    package var recordsRead = 0
    package var rowWrites = 0
    package var rowWriteFailures = 0
    package var rowsWritten = 0
    /// Log rows that this release cannot decode; they are kept and passed over.
    package var undecodableRows = 0
    /// Of the rows' files.
    package var bytes: Int64 = 0
    /// How many sessions the rows have of each status; those without a name of their own count as FAILED.
    package var sessions: [SessionStatus: Int] = [:]

    package init() {}
}
