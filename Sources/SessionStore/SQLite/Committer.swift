internal import Base
internal import Dispatch
internal import Logging
internal import SQLite
internal import SessionModel
internal import Synchronization

/// Makes deliveries durable: everything that arrives while one commit runs joins the next (group commit).
///
/// A batch goes on to the folder only when it is durable: in the journal, from where it is moved to `log.sqlite` with
/// others soon after; or there at once, if the journal cannot take it.
///
/// `@unchecked Sendable`: all mutable state is confined to `queue`, except what a lock or an atomic guards.
final class Committer: @unchecked Sendable {
    let queue = DispatchQueue(label: "chargefold.store.commit")
    let pending: PendingQueue
    let options: StoreOptions
    let folder: Folder
    let logger: Logger
    let health: StoreHealth
    let path: String

    // On `queue`.
    var writer: LogWriter?
    /// nil: this directory can have none, and every batch goes to the log at once.
    let journal: Journal?
    /// What is durable in the journal only.
    let unmoved: UnmovedDeliveries
    var unmovedCount = 0
    /// The highest position that is known durable.
    var lastPosition: Int64
    /// The highest position that is known to be in `log.sqlite`, kept while there is no writer.
    var movedPosition: Int64
    /// After an error whose outcome on disk is not known: nothing is written before the log was opened again.
    var isInDoubt = false
    var isMoveScheduled = false
    /// A sync of the WAL runs beside the commits.
    var isSettling = false
    var checkpoints: LogCheckpointer?

    let figures = Locked(Figures())
    private let probeScheduled = Atomic(false)
    let stall: StallWatch

    struct Figures {
        var commits = 0
        var failures = 0
        var deliveries = 0
        var checkpoints = 0
        var lastPosition: Int64 = 0
    }

    init(
        path: String, writer: LogWriter, journal: Journal?, unmoved: UnmovedDeliveries, folder: Folder,
        options: StoreOptions, health: StoreHealth, logger: Logger
    ) {
        self.path = path
        self.writer = writer
        self.journal = journal
        self.unmoved = unmoved
        self.folder = folder
        self.options = options
        self.health = health
        self.logger = logger
        pending = PendingQueue(countMax: options.queueCountMax, bytesMax: options.queueBytesMax)
        unmovedCount = unmoved.entries.reduce(0) { $0 + $1.count }
        movedPosition = writer.lastPosition
        lastPosition = max(writer.lastPosition, unmoved.lastPosition ?? 0)
        writer.database.confine(to: queue)
        stall = StallWatch(milliseconds: options.stallMilliseconds, logger: logger)
        publishFigures { _ in }
    }

    /// From any thread. False: the queue is full or closed.
    func add(_ item: PendingItem) -> Bool {
        switch pending.add(item) {
        case .refused: return false
        case .queued: return true
        case .mustSchedule:
            queue.async { self.drain() }
            return true
        }
    }

    /// One batch, then again while there is more: other work of this queue gets its turn in between.
    private func drain() {
        // What is not folded yet waits in the queue, whose bound refuses it when it has to.
        if !pending.isClosed, folder.waitForRoom({ self.queue.async { self.drain() } }) { return }
        guard let batch = pending.takeBatch(countMax: options.batchCountMax, bytesMax: options.batchBytesMax) else {
            return
        }
        commit(batch)
        queue.async { self.drain() }
    }

    /// What became of a batch on disk.
    struct CommittedBatch: Sendable {
        let items: [PendingItem]
        /// The position of the first delivery of the batch; the others follow without a gap.
        let firstPosition: Int64
        /// The position of the last one; `firstPosition - 1` where there is none.
        let lastPosition: Int64
    }

    private func commit(_ batch: [PendingItem]) {
        dispatchPrecondition(condition: .onQueue(queue))
        do throws(StoreError) {
            handOver(try stall.during { () throws(StoreError) in try makeDurable(batch) })
            moveIfDue()
        } catch {
            for item in batch { item.fail(error) }
            release(batch)
            scheduleProbe()
        }
    }

    private func makeDurable(_ batch: [PendingItem]) throws(StoreError) -> CommittedBatch {
        _ = try readyWriter()
        // With the log in trouble nothing more is taken than what is in the journal already.
        if health.error(.log) == nil, let entry = try appendToJournal(batch) {
            unmoved.add(entry)
            unmovedCount += entry.count
            lastPosition = entry.lastPosition
            succeeded(deliveries: entry.count)
            return CommittedBatch(
                items: batch, firstPosition: entry.firstPosition, lastPosition: entry.lastPosition)
        }
        let first = lastPosition + 1
        try transaction { (writer) throws(SQLiteError) in
            for item in batch { try writer.add(item.delivery) }
        }
        publishFigures { $0.deliveries += Int(lastPosition - first) + 1 }
        return CommittedBatch(items: batch, firstPosition: first, lastPosition: lastPosition)
    }

    /// To the folder, on this thread. What arrives meanwhile makes the next batch larger, and a commit costs some 100
    /// microseconds of processor time, however many share it. Folding beside the next commit gained nothing.
    private func handOver(_ batch: CommittedBatch) {
        if folder.postpones(upTo: batch.lastPosition) {
            folder.answerUnfolded(batch)
            release(batch.items)
        } else {
            folder.queue.sync { self.fold(batch) }
        }
    }

    private func fold(_ batch: CommittedBatch) {
        folder.fold(batch)
        release(batch.items)
        if folder.isStalled { scheduleProbe() }
    }

    private func release(_ items: [PendingItem]) {
        pending.release(count: items.count, bytes: items.reduce(0) { $0 + $1.cost })
    }

    func succeeded(deliveries: Int = 0) {
        if health.set(.log, nil) { logger.notice("the log is writable again") }
        publishFigures { figures in
            figures.commits += 1
            figures.deliveries += deliveries
        }
    }

    func publishFigures(_ change: (inout Figures) -> Void) {
        figures.withLock { figures in
            change(&figures)
            figures.lastPosition = lastPosition
        }
    }

    /// Answers everything that was accepted, then closes the log. Not on a queue of the store; blocks.
    func close() {
        pending.close()
        // Each drain queues the next one behind itself until nothing is left.
        while !pending.isEmpty { queue.sync {} }
        queue.sync {}
    }

    /// After the last reader has gone: the journal and the WAL are emptied, so that the log is one file.
    func closeWriter() {
        queue.sync { checkpoints?.pause() }
        checkpoints?.close()
        queue.sync {
            if !isInDoubt, writer != nil {
                // What cannot be moved now is in the journal for the next start.
                if (try? transaction { (_) throws(SQLiteError) in }) != nil { journal?.remove() }
                _ = try? writer?.database.checkpoint(truncating: true)
            }
            writer?.close()
            writer = nil
            isInDoubt = false
        }
    }

    /// One try to become writable again, some time from now, unless one is due already.
    func scheduleProbe() {
        guard !probeScheduled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        queue.asyncAfter(deadline: .now() + .milliseconds(options.probeMilliseconds)) {
            self.probeScheduled.store(false, ordering: .releasing)
            self.probe()
        }
    }
}
