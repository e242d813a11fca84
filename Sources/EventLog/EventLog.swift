package import Base
package import Dispatch
package import Logging

/// The log of deliveries: append-only, self-checking, in segments. It is the only truth; everything else that is known of
/// sessions can be made again from it.
///
///     log/00000000000000000001.log      log/00000000000000000817.log
///     ┌──────────┬───────┬───────┬──┐   ┌──────────┬───────┬───────┬─────────────┐
///     │ header   │ entry │ entry │…0│   │ header   │ entry │ entry │ 0 0 0 0 0 0 │
///     └──────────┴───────┴───────┴──┘   └──────────┴───────┴───────┴─────────────┘
///       4 KiB      one origin of one      │                          written ahead with zeros
///       identity,  commit each            └ seal of the last entry before it
///       first position, next sequence of each origin, seal of the entry before it
///
///     entry:  header (76 bytes: first position, count, seal, seal of the entry before it,
///             origin, first sequence, checksum)  row  row  row …
///     row:    header (29 bytes: checksum, position, length, received, source, place)  body
///
/// It promises:
/// - **What is answered stays.** An append completes when it would survive a power cut: one direct write in place and one
///   sync, shared by all that arrived while the one before ran: what is received here, and what others have received.
/// - **What is not as it was written is not believed, and said.** Each row and each entry carry a CRC-32C that begins with
///   the log's identity; entries are chained by seals. Every read verifies. What is sound behind something damaged is read
///   all the same, row by row.
/// - **What was erased is gone**, overwritten in place; the chain still holds.
///
/// Positions count what this log holds, in the order of arrival, and never leave the receiver. (Origin, sequence) names a
/// delivery everywhere; no delivery is here twice (`EventLog+Places`).
///
/// Whoever opens it must own the data directory. `append` and the reads may be called from any thread; reads block, and are
/// not for a worker's. The consumer is called on `queue`.
package final class EventLog: Sendable {
    /// The log's queue: it takes a batch, writes, syncs, folds, answers. Whoever needs the fold to stand still runs here.
    package let queue = DispatchQueue(label: "chargefold.log")
    package let identity: Identity
    /// Nothing was there when it was opened.
    package let isNew: Bool

    let directory: String
    let options: LogOptions
    let logger: Logger
    let seed: UInt32
    let pending: PendingQueue
    let segments: Locked<[Segment]>
    let state = Locked(LogState.open)
    let figures = Locked(LogFigures())
    let stall: StallWatch
    let right: any DirectoryRight
    /// What was not where it belongs at the last look.
    let outage = Locked<StoreError?>(nil)
    /// Which deliveries are durable here, and whose the next own one is.
    let places: Locked<LogPlaces>
    let ownOrigin: Locked<Identity>
    /// See `deliveries`.
    let placeHints = Locked<[Identity: PlaceHint]>([:])
    /// What fills holes; nil until somebody asked.
    let lateRows = Locked<[LateRows]?>(nil)
    /// Held while it is looked for; true when it is known.
    let lateSearch = Locked(false)
    /// Where it is found out what damage has taken.
    private let damages = DispatchQueue(label: "chargefold.log.damage", qos: .utility)
    private let confined: Confined
    let end: Locked<LogEnd>

    /// Where the durable log ends.
    struct LogEnd {
        var position: Int64
        var seal: UInt64
        /// The first position of the last entry; `.max` where that is not known.
        var sealedFrom = Int64.max
    }

    /// What only the log's queue touches.
    ///
    /// `@unchecked Sendable`: see above; checked where it is used.
    final class Confined: @unchecked Sendable {
        /// nil when open for reading only.
        let appender: LogAppender?
        weak var consumer: (any LogConsumer)?
        var ownObserver: OwnObserver?
        /// Somebody was told of own rows that could not be made durable: their places may have that content elsewhere.
        var mustBeginOrigin = false
        var isProbeScheduled = false
        /// Until then nobody tries again to become writable.
        var restsUntil = DispatchTime(uptimeNanoseconds: 0)

        init(_ appender: LogAppender?) { self.appender = appender }
    }

    /// Opens the log of a data directory, and makes it where there is none.
    ///
    /// - Parameters:
    ///   - directory: the data directory; the caller owns it.
    ///   - known: what others remember of the log.
    ///   - acceptsLoss: whether to go on with a log that is not the one that others remember, or is shorter.
    ///   - readOnly: for tools, while no server runs: nothing is written, and `append` refuses.
    ///   - right: the right to the directory.
    /// - Throws: `lostLog` where `known` tells of another log, or of a longer one; `damaged`, `unavailable`, `directory`.
    package init(
        directory: String, known: KnownLog? = nil, acceptsLoss: Bool = false, readOnly: Bool = false,
        right: any DirectoryRight, options: LogOptions = LogOptions(), logger: Logger
    ) throws(StoreError) {
        self.right = right
        let opened = try LogOpening(
            directory: directory, options: options, readOnly: readOnly, acceptsLoss: acceptsLoss
        ).open(known: known)
        self.directory = opened.directory
        self.options = options
        self.logger = logger
        identity = opened.identity
        seed = LogFormat.seed(opened.identity)
        isNew = opened.isNew
        segments = Locked(opened.segments)
        places = Locked(opened.end.places)
        ownOrigin = Locked(opened.end.origin)
        end = Locked(LogEnd(position: opened.end.position, seal: opened.end.seal))
        pending = PendingQueue(countMax: options.queueCountMax, bytesMax: options.queueBytesMax)
        stall = StallWatch(milliseconds: options.stallMilliseconds, logger: logger)
        confined = Confined(opened.appender)
        if readOnly {
            pending.close()
            state.withLock { $0.close() }
        }
        for damage in opened.damages { tell(damage) }
        // What a power cut took with such an end is missing at each start, until it is had again.
        if opened.segments.contains(where: \.endsTorn) { try accountMissing() }
        if !readOnly { watchByItself() }
    }

    /// What only the log's queue touches; there.
    var onQueue: Confined {
        dispatchPrecondition(condition: .onQueue(queue))
        return confined
    }

    /// Sets who takes what is durable from now on. Before the first append.
    package func setConsumer(_ consumer: any LogConsumer) {
        queue.sync { confined.consumer = consumer }
    }

    /// The position of the last durable row; 0 in an empty log.
    package var lastPosition: Int64 { end.withLock { $0.position } }

    package var figuresNow: LogFigures {
        var figures = figures.withLock { $0 }
        figures.bytes = segments.withLock { $0 }.reduce(0) { $0 + $1.allocatedBytes }
        return figures
    }

    /// Deliveries accepted and not yet answered.
    package var load: (count: Int, bytes: Int) { pending.load }
    package var isUnderPressure: Bool { pending.isUnderPressure }

    /// Why the next append would fail, as far as anybody knows; nil when it should succeed.
    package var obstacle: StoreError? {
        if let obstacle = state.withLock({ $0.obstacle }) ?? outage.withLock({ $0 }) { return obstacle }
        return stall.seconds.map { StoreError(.unavailable, "the disk has not answered for \($0) s") }
    }

    // MARK: Appending

    /// Appends a row. The consumer gets it once it is durable; `failed` of the item is called where it is refused (at
    /// once: `queueFull`, `closed`) or cannot be made durable (`unavailable`).
    package func append(_ item: any LogItem) {
        switch pending.add(item) {
        case .full: item.failed(StoreError(.queueFull, "too many deliveries wait for the disk"))
        case .closed: item.failed(StoreError(.closed, "the log is closed"))
        case .queued: break
        case .mustSchedule: queue.async { self.drain() }
        }
    }

    /// One batch, then again while there is more: other work of this queue gets its turn in between.
    private func drain() {
        let consumer = onQueue.consumer
        // What cannot be folded yet waits in the queue, whose bound refuses more when it has to.
        if !pending.isClosed, consumer?.waitsForRoom({ self.queue.async { self.drain() } }) ?? false { return }
        guard let batch = pending.takeBatch(countMax: options.batchCountMax, bytesMax: options.batchBytesMax) else {
            return
        }
        commit(batch, consumer)
        pending.release(batch.items)
        queue.async { self.drain() }
    }

    /// Appends what others have received; see `PulledRows`. What is known already is passed over.
    package func append(_ pulled: PulledRows) {
        switch pending.add(pulled) {
        case .full: pulled.completion(.failure(StoreError(.queueFull, "too much of others waits for the disk")))
        case .closed: pulled.completion(.failure(StoreError(.closed, "the log is closed")))
        case .queued: break
        case .mustSchedule: queue.async { self.drain() }
        }
    }

    private func commit(_ batch: PendingQueue.Batch, _ consumer: (any LogConsumer)?) {
        var batch = batch
        do throws(StoreError) {
            let committed = try stall.during { () throws(StoreError) in
                try proveIfDoubtful()
                return try makeDurable(runs(&batch))
            }
            if let committed { consumer?.take(committed) }
            batch.pulled?.completion(.success(()))
        } catch {
            for item in batch.items { item.failed(error) }
            batch.pulled?.completion(.failure(error))
            scheduleProbe()
        }
    }

    /// What of a batch is to be written. What others have received comes first: it may be of an earlier life of this
    /// origin, behind which own deliveries go on.
    private func runs(_ batch: inout PendingQueue.Batch) -> [LogAppender.Run] {
        var places = self.places.withLock { $0 }
        var runs: [LogAppender.Run] = []
        if let pulled = batch.pulled {
            do throws(StoreError) {
                runs = try places.runs(of: pulled)
            } catch {
                // What is received here does not suffer for it.
                pulled.completion(.failure(error))
                batch.pulled = nil
            }
        }
        if !batch.items.isEmpty {
            let origin = origin
            for run in runs { places.table.advance(run.origin, to: run.nextSequence) }
            runs.append(LogAppender.Run(batch.items[...], origin, from: places.table.next(origin), .own))
        }
        return runs
    }

    /// - Returns: nil where nothing was to be written.
    private func makeDurable(_ runs: [LogAppender.Run]) throws(StoreError) -> CommittedBatch? {
        guard let appender = confined.appender else { throw StoreError(.readOnly, "the log is open for reading only") }
        guard !runs.isEmpty else { return nil }
        var isTold = false
        do throws(LogFileError) {
            let isDamaged = segments.withLock { $0.last }?.isSalvaged ?? false
            try appender.makeRoom(for: runs, leavingSegment: isDamaged)
            try list(appender)
            let entries = try appender.append(runs) {
                guard let observer = confined.ownObserver else { return }
                for run in runs where run.flags.contains(.own) {
                    isTold = true
                    observer(run.origin, run.firstSequence, run.items)
                }
            }
            let batch = CommittedBatch(entries: entries)
            publish(appender, batch)
            figures.withLock { figures in
                figures.commits += 1
                figures.rows += batch.count
            }
            return batch
        } catch {
            if isTold { confined.mustBeginOrigin = true }
            throw failed(error.storeError)
        }
    }

    /// A segment that was begun can be read.
    private func list(_ appender: LogAppender) throws(LogFileError) {
        guard let new = appender.unlisted else { return }
        try add(new)
        appender.noteListed()
    }

    private func add(_ new: LogAppender.NewSegment) throws(LogFileError) {
        let segment = Segment(
            directory: directory, firstPosition: new.header.firstPosition, header: new.header,
            origins: segments.withLock { $0.last?.origins } ?? KnownOrigins(), seed: seed,
            file: try ReadFile(path: new.path),
            limit: LogFormat.entriesStart, lastPosition: new.header.firstPosition - 1)
        segments.withLock { $0.append(segment) }
    }

    /// What is durable can be read.
    private func publish(_ appender: LogAppender, _ batch: CommittedBatch) {
        let segment = segments.withLock { $0.last }
        if batch.entries.contains(where: { !$0.isOwn && $0.firstSequence == 1 }) {
            segment?.origins.merge(appender.table)
        }
        segment?.extend(to: appender.offset, lastPosition: appender.lastPosition)
        let sealedFrom = batch.entries.last?.firstPosition ?? .max
        end.withLock {
            $0 = LogEnd(position: appender.lastPosition, seal: appender.lastSeal, sealedFrom: sealedFrom)
        }
        places.withLock { places in
            for entry in batch.entries {
                places.table.advance(entry.origin, to: entry.lastSequence + 1)
                if entry.isLate { places.noteFound(entry.firstSequence...entry.lastSequence, of: entry.origin) }
            }
        }
        for entry in batch.entries where entry.isLate { noteLate(LateRows(entry)) }
    }

    // MARK: Origins

    /// Of what is received here from now on.
    package var origin: Identity { ownOrigin.withLock { $0 } }

    /// Which deliveries are durable here.
    package var placesNow: LogPlaces { places.withLock { $0 } }

    /// Sets who is told of own rows right before they are written; on the log's queue. Rows that could not be made durable
    /// then are followed by another origin: no place is told of twice.
    package func observeOwn(_ observer: OwnObserver?) { queue.sync { confined.ownObserver = observer } }

    package typealias OwnObserver =
        @Sendable (
            _ origin: Identity, _ firstSequence: Int64, _ items: ArraySlice<any LogItem>
        ) -> Void

    /// Gives what is received from now on a new origin, which is durable before this returns. Not on the log's queue;
    /// blocks.
    /// - Throws: `originsFull`, `unavailable`, `closed`.
    package func beginOrigin() throws(StoreError) -> Identity {
        try queue.sync { Result { () throws(StoreError) in try beginOriginOnQueue() } }.get()
    }

    private func beginOriginOnQueue() throws(StoreError) -> Identity {
        try proveIfDoubtful()
        try restoreIfMoved()
        do throws(StoreError) {
            return try renewOrigin()
        } catch {
            scheduleProbe()
            throw error
        }
    }

    private func renewOrigin() throws(StoreError) -> Identity {
        guard let appender = onQueue.appender else { throw StoreError(.readOnly, "the log is open for reading only") }
        let origin = Identity.random()
        guard places.withLock({ $0.table.hasRoom(for: origin) }) else { throw .originsFull }
        do throws(LogFileError) {
            try stall.during { () throws(LogFileError) in try appender.begin(origin) }
            try list(appender)
        } catch {
            throw failed(error.storeError)
        }
        confined.mustBeginOrigin = false
        let segment = segments.withLock { $0.last }
        segment?.replaceHeader(appender.header)
        segment?.origins.merge(appender.table)
        places.withLock { $0.table.advance(origin, to: 1) }
        ownOrigin.withLock { $0 = origin }
        logger.notice("what is received from now on has a new origin", metadata: ["origin": "\(origin)"])
        return origin
    }

    // MARK: Doubt

    /// - Returns: the error, for whoever fails with it.
    func failed(_ error: StoreError) -> StoreError {
        figures.withLock { $0.failures += 1 }
        if state.withLock({ $0.failed(error) }) == .becameDoubtful {
            logger.error("callbacks are refused", metadata: ["reason": "\(error.message)"])
        }
        return error
    }

    /// Where the log is in doubt, tries to become writable; once in `proofPauseMilliseconds`, and in between the answer is
    /// that of the last try.
    func proveIfDoubtful() throws(StoreError) {
        switch state.withLock({ $0 }) {
        case .open: return
        case .closed: throw StoreError(.closed, "the log is closed")
        case .doubt(let error):
            guard .now() >= onQueue.restsUntil else { throw error }
        }
        defer { confined.restsUntil = .now() + .milliseconds(options.proofPauseMilliseconds) }
        try restoreIfMoved()
        try prove { (appender) throws(LogFileError) in try appender.proveEnd() }
        if confined.mustBeginOrigin { _ = try renewOrigin() }
        // At last, as this is where the next commit goes.
        try prove { (appender) throws(LogFileError) in try appender.proveRoom() }
        if state.withLock({ $0.proved() }) == .becameOpen { logger.notice("the log is writable again") }
    }

    /// Sees to it that nothing stands behind the end that was answered as failed. What only writes over what is there needs
    /// no more than that: not to be able to erase on a full disk would keep it full.
    func proveEndIfDoubtful() throws(StoreError) {
        guard state.withLock({ $0 }) != .closed else { throw StoreError(.closed, "the log is closed") }
        guard onQueue.appender?.isEndDoubtful ?? false else { return }
        try restoreIfMoved()
        try prove { (appender) throws(LogFileError) in try appender.proveEnd() }
    }

    private func prove(_ body: (LogAppender) throws(LogFileError) -> Void) throws(StoreError) {
        guard let appender = onQueue.appender else { return }
        do throws(LogFileError) {
            try stall.during { () throws(LogFileError) in try body(appender) }
        } catch {
            throw failed(error.storeError)
        }
    }

    /// One try to become writable again, some time from now, unless one is due already: nobody may append meanwhile.
    func scheduleProbe() {
        let confined = onQueue
        guard !confined.isProbeScheduled else { return }
        confined.isProbeScheduled = true
        queue.asyncAfter(deadline: .now() + .milliseconds(options.probeMilliseconds)) { [weak self] in
            guard let self else { return }
            confined.isProbeScheduled = false
            do throws(StoreError) {
                try proveIfDoubtful()
            } catch {
                if error.code != .closed { scheduleProbe() }
            }
        }
    }

    // MARK: The end

    /// Answers everything that was accepted. Nothing is admitted any more. Not on the log's queue; blocks.
    package func drainAndClose() {
        pending.close()
        // Each drain queues the next one behind itself until nothing is left.
        while !pending.isEmpty { queue.sync {} }
        queue.sync {}
    }

    /// Lets the files go, after all reads and appends. Where they are not where they belong, they are written again first.
    /// Not on the log's queue; blocks.
    package func close() {
        drainAndClose()
        queue.sync {
            do throws(StoreError) {
                try restoreIfMoved()
            } catch {
                logger.critical(
                    "the log's files are gone, and cannot be written again", metadata: ["reason": "\(error)"])
            }
            state.withLock { $0.close() }
        }
        confined.appender?.close()
    }

    // MARK: Damage

    /// Says that a place is not as it was written.
    func tell(_ damage: LogDamage) {
        figures.withLock { figures in
            figures.damages += 1
            figures.missingRows += damage.missing ?? 0
        }
        var metadata: Logger.Metadata = [
            "file": "\(damage.file)", "kind": "\(damage.kind.rawValue)", "offset": "\(damage.offset)",
        ]
        if let positions = damage.positions {
            metadata["positions"] = "\(positions.lowerBound) to \(positions.upperBound)"
        }
        if let missing = damage.missing { metadata["missing"] = "\(missing)" }
        if damage.kind == .end {
            logger.warning("the log's end is torn or damaged; what is sound of it is kept", metadata: metadata)
        } else {
            logger.critical("the log is damaged; what is sound of it is kept", metadata: metadata)
            // Whoever shares the log has what is missing here.
            damages.async { [weak self] in try? self?.accountMissing() }
        }
    }
}
