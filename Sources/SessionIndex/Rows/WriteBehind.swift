internal import Base
internal import CSQLite
internal import Dispatch
internal import EventLog
internal import Logging
internal import SQLite
internal import SessionModel
internal import Synchronization

/// Writes changed records to the file of rows, many at a time, behind the fold and without making it wait.
///
/// `@unchecked Sendable`: the writer belongs to `queue`; everything else is guarded by a lock or an atomic.
final class WriteBehind: @unchecked Sendable {
    let queue = DispatchQueue(label: "chargefold.index.rows", qos: .utility)
    let writer: RowWriter
    private let cache: RecordCache
    private let filters: PartitionFilters
    private let options: IndexOptions
    private let log: EventLog
    private let logger: Logger
    /// Called once when the file turns out to be damaged.
    private let onDamage: @Sendable (SQLiteError) -> Void

    private struct State {
        /// Changed records, each once; in the batches in which they came, so that queries share them for nothing.
        var dirty: [[CacheEntry]] = []
        var dirtyCount = 0
        /// Those that are being written now.
        var writing: [[CacheEntry]] = []
        var folded: Int64 = 0
        var covered: Int64 = 0
        var beingWritten = 0
        /// Who waits for room.
        var waiting: [@Sendable () -> Void] = []
        var isTimerSet = false
        var isWriteQueued = false
        var writes = 0
        var failures = 0
        var rows = 0
        /// How many sessions the rows have of each status.
        var statuses: [SessionStatus: Int] = [:]
    }

    private let state: Locked<State>
    /// Whether the backlog is at its bound.
    private let isFull = Atomic(false)
    private let completedWrites = Atomic(0)
    /// Why the last write has failed; nil where it has not.
    private let failure = Locked<StoreError?>(nil)
    private let hasFailed = Atomic(false)

    init(
        writer: RowWriter, log: EventLog, cache: RecordCache, filters: PartitionFilters, options: IndexOptions,
        logger: Logger,
        onDamage: @escaping @Sendable (SQLiteError) -> Void
    ) {
        self.writer = writer
        self.cache = cache
        self.filters = filters
        self.options = options
        self.log = log
        self.logger = logger
        self.onDamage = onDamage
        state = Locked(
            State(folded: writer.covered, covered: writer.covered, statuses: writer.statusCounts))
        writer.database.confine(to: queue)
    }

    /// The number of completed writes, raised before what they wrote may leave memory.
    var writeCount: Int { completedWrites.load(ordering: .acquiring) }

    /// False while too much is not written yet: then nothing more should be accepted.
    var hasRoom: Bool { !isFull.load(ordering: .relaxed) }

    /// Whether deliveries may come: where rows are written, they only wait until there is room.
    var takesMore: Bool { hasRoom || options.writesBehindAutomatically && isWriting }

    /// Calls `body` when there is room again, or when there will be none because rows cannot be written.
    /// - Returns: false when there is room, or nothing is under way that could make any; then `body` is not called.
    func waitForRoom(_ body: @escaping @Sendable () -> Void) -> Bool {
        guard options.writesBehindAutomatically, !hasRoom, isWriting else { return false }
        let isWaiting = state.withLock { state in
            guard isFull.load(ordering: .relaxed), isWriting else { return false }
            state.waiting.append(body)
            return true
        }
        if isWaiting { queue.async { self.writeQueued() } }
        return isWaiting
    }

    /// Why rows cannot be written, or nil.
    var obstacle: StoreError? { isWriting ? nil : failure.withLock { $0 } }

    private var isWriting: Bool { !hasFailed.load(ordering: .acquiring) }

    private func wakeWaiting() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for body in waiting { body() }
    }

    /// False while the fold of a long tail should stop for a write; well before `hasRoom` is, so that deliveries are
    /// accepted meanwhile.
    var hasRoomForTail: Bool {
        state.withLock {
            $0.dirtyCount + $0.beingWritten < options.unwrittenRecordsMax / 2
                && $0.folded - $0.covered < options.tailCountMax / 2
        }
    }

    /// From the fold, after a batch: these entries have become dirty, and everything up to `position` is folded.
    func add(_ entries: [CacheEntry], folded: Int64) {
        enum Action { case none, write, setTimer }
        let action = state.withLock { state -> Action in
            if !entries.isEmpty { state.dirty.append(entries) }
            state.dirtyCount += entries.count
            state.folded = folded
            updateRoom(&state)
            guard options.writesBehindAutomatically, state.dirtyCount > 0 else { return .none }
            if state.dirtyCount >= options.writeBehindCount {
                if state.isWriteQueued { return .none }
                state.isWriteQueued = true
                return .write
            }
            if state.isTimerSet || state.isWriteQueued { return .none }
            state.isTimerSet = true
            return .setTimer
        }
        switch action {
        case .none: break
        case .write: queue.async { self.writeQueued() }
        case .setTimer: setTimer()
        }
    }

    /// Everything that the rows on disk may not have yet: whoever reads rows looks here first.
    var unwritten: [[CacheEntry]] { state.withLock { $0.writing + $0.dirty } }

    private func setTimer() {
        queue.asyncAfter(deadline: .now() + .milliseconds(options.writeBehindMilliseconds)) {
            self.state.withLock { $0.isTimerSet = false }
            self.writeQueued()
        }
    }

    private func writeQueued() {
        state.withLock { $0.isWriteQueued = false }
        do throws(StoreError) {
            try write()
        } catch {
            // Everything stays dirty; the log has it all. Try again after a while.
            let mustSet = state.withLock { state in
                defer { state.isTimerSet = true }
                return !state.isTimerSet
            }
            if mustSet { setTimer() }
        }
    }

    /// Writes everything that is dirty now. From any thread but the queue's own; blocks.
    func flush() throws(StoreError) {
        let result = queue.sync { Result { () throws(StoreError) in try write() } }
        try result.get()
    }

    private func write() throws(StoreError) {
        dispatchPrecondition(condition: .onQueue(queue))
        let (entries, position, covered) = state.withLock { state in
            state.writing = state.dirty
            state.beingWritten = state.dirtyCount
            state.dirty = []
            state.dirtyCount = 0
            return (state.writing.flatMap { $0 }, state.folded, state.covered)
        }
        guard !entries.isEmpty || position > covered else { return }
        var buffer: [UInt8] = []
        buffer.reserveCapacity(entries.count * 512)
        var rows: [SessionRow] = []
        rows.reserveCapacity(entries.count)
        for entry in entries {
            // The record may be newer than `position`: applying a tail again does not change it.
            rows.append(
                cache.withEntry(entry) { entry in
                    entry.isDirty = false
                    entry.isBeingWritten = true
                    return SessionRow(entry.record, home: log.identity, isNew: !entry.hasRow, into: &buffer)
                })
        }
        rows.sort { $0.number < $1.number }
        do throws(SQLiteError) {
            try writer.write(rows, buffer: buffer, covering: position, seal: seal(at: position))
        } catch {
            returnToDirty(entries)
            throw failed(error)
        }
        completedWrites.wrappingAdd(1, ordering: .acquiringAndReleasing)
        for entry in entries {
            cache.withEntry(entry) { entry in
                entry.isBeingWritten = false
                entry.hasRow = true
            }
        }
        state.withLock { state in
            state.statuses = writer.statusCounts
            state.covered = position
            state.beingWritten = 0
            state.writing = []
            state.writes += 1
            state.rows += rows.count
            updateRoom(&state)
        }
        if hasFailed.exchange(false, ordering: .acquiringAndReleasing) {
            logger.notice("session rows are written again")
        }
        if hasRoom { wakeWaiting() }
        saveFilters(upTo: position)
    }

    /// Of the log; 0 where it cannot be read.
    private func seal(at position: Int64) -> UInt64 {
        ((try? log.seal(at: position)) ?? nil) ?? 0
    }

    /// Replaces the rows of sessions of which nothing is dirty. Not on the queue; blocks.
    func replace(_ sessions: [RowWriter.Replaced], with records: [SessionRecord]) throws(StoreError) {
        var buffer: [UInt8] = []
        let rows = records.map { SessionRow($0, home: log.identity, into: &buffer) }
        let result = queue.sync { () -> Result<Void, SQLiteError> in
            Result { () throws(SQLiteError) in
                try writer.write(
                    rows, buffer: buffer, covering: writer.covered, seal: seal(at: writer.covered), replacing: sessions)
                state.withLock { $0.statuses = writer.statusCounts }
            }
        }
        do throws(SQLiteError) {
            try result.get()
        } catch {
            throw failed(error)
        }
    }

    /// Saves the filters of partitions that are done with, so that the next start need not make them.
    private func saveFilters(upTo position: Int64) {
        while let (partition, filter) = filters.takeUnsaved(upTo: position) {
            do throws(SQLiteError) {
                try writer.save(filter: filter, partition: partition)
            } catch {
                // The next start looks through the rows instead.
                return filters.returnUnsaved(partition)
            }
        }
    }

    private func returnToDirty(_ entries: [CacheEntry]) {
        // An entry that has become dirty again meanwhile is in the list already.
        let still = entries.filter { entry in
            cache.withEntry(entry) { entry in
                entry.isBeingWritten = false
                // After an error nobody knows.
                entry.hasRow = true
                defer { entry.isDirty = true }
                return !entry.isDirty
            }
        }
        state.withLock { state in
            if !still.isEmpty { state.dirty.append(still) }
            state.dirtyCount += still.count
            state.beingWritten = 0
            state.writing = []
            state.failures += 1
            updateRoom(&state)
        }
    }

    private func failed(_ error: SQLiteError) -> StoreError {
        let unavailable = StoreError(
            .unavailable, error.isFull ? "no room on disk for session rows" : "session rows cannot be written: \(error)"
        )
        // Two rows of one session do not come from a log.
        if error.isCorruption || error.code & 0xFF == SQLITE_CONSTRAINT { onDamage(error) }
        // Callbacks are still safe in the log, until the backlog is at its bound.
        failure.withLock { $0 = unavailable }
        if !hasFailed.exchange(true, ordering: .acquiringAndReleasing) {
            logger.error("session rows wait", metadata: ["reason": "\(unavailable.message)"])
        }
        wakeWaiting()
        return unavailable
    }

    private func updateRoom(_ state: inout State) {
        let full =
            state.dirtyCount + state.beingWritten >= options.unwrittenRecordsMax
            || state.folded - state.covered >= options.tailCountMax
        isFull.store(full, ordering: .relaxed)
    }

    /// Not on the queue.
    func close() {
        queue.sync {
            _ = try? writer.database.checkpoint(truncating: true)
            writer.close()
        }
    }

    func report(into figures: inout IndexFigures) {
        state.withLock { state in
            figures.covered = state.covered
            figures.folded = state.folded
            figures.unwrittenRecords = state.dirtyCount + state.beingWritten
            figures.rowWrites = state.writes
            figures.rowWriteFailures = state.failures
            figures.rowsWritten = state.rows
            figures.sessions = state.statuses
        }
    }
}
