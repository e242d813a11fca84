internal import Dispatch
internal import Locks
internal import Logging
internal import SessionModel
internal import Synchronization

/// Makes deliveries durable: everything that arrives while one commit runs joins the next (group commit).
///
/// A batch goes on to the folder only when it is durable, and while the folder works on it the next commit runs.
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
    /// The highest position that is known durable, kept while there is no writer.
    var lastPosition: Int64
    /// After an error whose outcome on disk is not known: nothing is written before the log was opened again.
    var isInDoubt = false
    var quarantineCounts: QuarantineCounts
    var checkpoints: LogCheckpointer?

    let nextQuarantineId: Atomic<Int64>
    let unverified: UnverifiedRing
    let figures = Locked(Figures())
    private let probeScheduled = Atomic(false)

    struct Figures {
        var commits = 0
        var failures = 0
        var deliveries = 0
        var checkpoints = 0
        var lastPosition: Int64 = 0
        var quarantine = QuarantineCounts()
    }

    init(
        path: String, writer: LogWriter, folder: Folder, options: StoreOptions, health: StoreHealth, logger: Logger
    ) {
        self.path = path
        self.writer = writer
        self.folder = folder
        self.options = options
        self.health = health
        self.logger = logger
        pending = PendingQueue(countMax: options.queueCountMax, bytesMax: options.queueBytesMax)
        unverified = UnverifiedRing(countMax: options.unverifiedCountMax, bytesMax: options.unverifiedBytesMax)
        lastPosition = writer.lastPosition
        quarantineCounts = writer.quarantine
        nextQuarantineId = Atomic(writer.lastQuarantineId + 1)
        writer.database.confine(to: queue)
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
        /// The ids of the quarantined bodies, in order.
        let quarantineIds: [Int64]
    }

    private func commit(_ batch: [PendingItem]) {
        dispatchPrecondition(condition: .onQueue(queue))
        do throws(StoreError) {
            let writer = try readyWriter()
            let first = writer.lastPosition + 1
            var ids: [Int64] = []
            do throws(LogWriter.Failure) {
                try writer.transaction { (writer) throws(SQLiteError) in
                    for item in batch {
                        switch item {
                        case .delivery(let pending): try writer.add(pending.delivery)
                        case .quarantine(let pending):
                            let id = nextQuarantineId.wrappingAdd(1, ordering: .relaxed).oldValue
                            try writer.add(QuarantineEntry(id: id, kind: .verified, content: pending.body))
                            ids.append(id)
                        }
                    }
                }
            } catch {
                throw failed(error)
            }
            succeeded(writer, deliveries: Int(writer.lastPosition - first) + 1)
            handOver(
                CommittedBatch(
                    items: batch, firstPosition: first, lastPosition: writer.lastPosition, quarantineIds: ids))
            checkpoints?.committed()
        } catch {
            for item in batch { item.fail(error) }
            release(batch)
            scheduleProbe()
        }
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

    func succeeded(_ writer: LogWriter, deliveries: Int = 0) {
        lastPosition = writer.lastPosition
        quarantineCounts = writer.quarantine
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
            figures.quarantine = quarantineCounts
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
