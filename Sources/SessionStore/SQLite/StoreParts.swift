internal import Base
internal import Dispatch
internal import Glibc
internal import Logging
internal import SQLite
internal import SessionModel
internal import Synchronization

/// The store's machinery, wired; what `SQLiteSessionStore` is made of.
///
/// `@unchecked Sendable`: everything is constant after `init`, and `logReader` belongs to `logReadQueue`.
final class StoreParts: @unchecked Sendable {
    let directory: String
    let options: StoreOptions
    let health = StoreHealth()
    let cache: RecordCache
    let folder: Folder
    let sessionDirectory: SessionDirectory
    let sessionReader: SessionReader
    let indexReader: IndexReader
    private let filterLoader: SessionFilterLoader
    let logger: Logger
    /// nil when open for reading only.
    let committer: Committer?
    let unmoved: UnmovedDeliveries
    let writeBehind: WriteBehind?

    /// How further connections for reading are opened.
    let readMode: (log: Database.Mode, derived: Database.Mode)

    private let lock: DirectoryLock
    private let logReadQueue = DispatchQueue(label: "chargefold.store.logread", qos: .utility)
    private let logReader: LogReader
    private let isClosed = Atomic(false)
    private let readiness = Locked(Readiness())

    var logPath: String { Self.join(directory, LogSchema.fileName) }
    var derivedPath: String { Self.join(directory, DerivedSchema.fileName) }

    static func join(_ directory: String, _ name: String) -> String {
        directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }

    init(
        directory: String, options: StoreOptions, readOnly: Bool, logger: Logger,
        progress: ((Int64, Int64) -> Void)?
    ) throws(StoreError) {
        self.directory = directory
        self.options = options
        self.logger = logger
        lock = try DirectoryLock(directory: directory, readOnly: readOnly)
        let cache = RecordCache(countMax: options.recordsInMemoryMax, bytesMax: options.recordBytesInMemoryMax)
        self.cache = cache
        let opening = StoreOpening(directory: directory, options: options, logger: logger)
        let files = try readOnly ? opening.openForReading() : opening.open()
        readMode = files.readMode
        unmoved = files.unmoved
        let marker = Self.join(directory, DerivedSchema.rebuildMarkerName)
        let onDamage: @Sendable (String) -> Void = { reason in
            FileSystem.touch(marker)
            logger.critical(
                "the derived rows are damaged; the log is not: a restart makes them again",
                metadata: ["reason": "\(reason)"])
        }
        let health = health
        let sessionDirectory = SessionDirectory(
            partition: SessionPart(positionsMin: options.positionsPerPart), last: files.derivedPosition)
        self.sessionDirectory = sessionDirectory
        do throws(SQLiteError) {
            try files.derivedWriter?.forEachFilter { sessionDirectory.restore($1, part: $0) }
        } catch {
            throw StoreError(.unavailable, "\(files.derivedWriter?.database.path ?? ""): \(error)")
        }
        writeBehind = files.derivedWriter.map {
            WriteBehind(
                writer: $0, cache: cache, directory: sessionDirectory, options: options, health: health,
                logger: logger, onDamage: { onDamage("\($0)") })
        }
        folder = Folder(
            cache: cache, reader: files.foldReader, directory: sessionDirectory, logReader: files.foldLogReader,
            writeBehind: writeBehind,
            derivedPosition: files.derivedPosition, options: options, health: health, logger: logger,
            onDamage: onDamage)
        filterLoader = SessionFilterLoader(directory: sessionDirectory, logger: logger)
        sessionReader = SessionReader(
            reader: files.queryReader, cache: cache, directory: sessionDirectory, countMax: options.readQueueCountMax)
        indexReader = IndexReader(
            database: files.indexDatabase, cache: cache, directory: sessionDirectory, writeBehind: writeBehind,
            options: options)
        logReader = files.logReader
        logReader.confine(to: logReadQueue)
        if let writer = files.logWriter {
            let committer = Committer(
                path: Self.join(directory, LogSchema.fileName), writer: writer, journal: files.journal,
                unmoved: files.unmoved, folder: folder, options: options, health: health, logger: logger)
            self.committer = committer
            do throws(SQLiteError) {
                let checkpoints = try LogCheckpointer(
                    committer: committer, writer: writer, options: options, logger: logger)
                committer.queue.sync {
                    committer.checkpoints = checkpoints
                    committer.moveIfDue()
                }
            } catch {
                throw StoreError(.damaged, "\(error)")
            }
        } else {
            committer = nil
        }
        if !readOnly { loadFilter() }
        try foldTail(from: files.derivedPosition, to: files.lastPosition, progress: progress)
    }

    private func loadFilter() {
        do throws(SQLiteError) {
            try filterLoader.start(
                path: derivedPath, mode: readMode.derived, virtualFileSystem: options.virtualFileSystem)
        } catch {
            logger.warning("new sessions are looked up on disk", metadata: ["reason": "\(error)"])
        }
    }

    /// Folds what the derived rows do not cover.
    private func foldTail(
        from first: Int64, to last: Int64, progress: ((Int64, Int64) -> Void)?
    ) throws(StoreError) {
        guard first < last else { return ready() }
        logger.info("folding the log's tail", metadata: ["from": "\(first + 1)", "to": "\(last)"])
        if last - first > options.tailBeforeOpeningMax {
            let logger = logger
            return folder.catchUpBehind(to: last) { position, last in
                logger.info("folding the log", metadata: ["position": "\(position)", "of": "\(last)"])
            } completion: { [self] in
                ready()
            }
        }
        var reported = DispatchTime.now()
        let done = folder.queue.sync {
            folder.catchUp(to: last) { position in
                let now = DispatchTime.now()
                guard now.uptimeNanoseconds - reported.uptimeNanoseconds > 1_000_000_000 else { return }
                reported = now
                self.logger.info("folding the log", metadata: ["position": "\(position)", "of": "\(last)"])
                progress?(position, last)
            }
        }
        progress?(last, last)
        if !done { throw health.error(.fold) ?? StoreError(.unavailable, "the log's tail cannot be folded") }
        ready()
    }

    // MARK: Once everything is folded

    private struct Readiness {
        var isReady = false
        var waiting: [@Sendable () -> Void] = []
    }

    /// Runs `body` once every delivery that was in the log at the opening is folded: now, or on the folder's queue.
    func whenReady(_ body: @escaping @Sendable () -> Void) {
        let isReady = readiness.withLock { readiness in
            if !readiness.isReady { readiness.waiting.append(body) }
            return readiness.isReady
        }
        if isReady { body() }
    }

    private func ready() {
        let waiting = readiness.withLock { readiness in
            readiness.isReady = true
            defer { readiness.waiting = [] }
            return readiness.waiting
        }
        for body in waiting { body() }
    }

    /// Runs `body` with the reader of the log, on its queue.
    func readLog<Value>(_ body: (LogReader) throws(SQLiteError) -> Value) throws(StoreError) -> Value {
        guard !isClosed.load(ordering: .acquiring) else { throw StoreError(.closed, "the store is closed") }
        do throws(SQLiteError) {
            return try logReadQueue.sync { Result { () throws(SQLiteError) in try body(logReader) } }.get()
        } catch {
            throw StoreError(error.isCorruption ? .damaged : .unavailable, "the log cannot be read: \(error)")
        }
    }

    /// Waits until everything accepted so far is committed and folded.
    func settle() throws(StoreError) {
        guard let committer else { return }
        guard !isClosed.load(ordering: .acquiring) else { throw StoreError(.closed, "the store is closed") }
        while committer.pending.load.count > 0 {
            committer.queue.sync {}
            folder.queue.sync {}
        }
    }

    func close() {
        folder.stopCatchingUp()
        filterLoader.close()
        committer?.close()
        folder.queue.sync {}
        if let writeBehind {
            do throws(StoreError) {
                try writeBehind.flush()
            } catch {
                logger.error(
                    "derived rows are left behind; the next start folds more", metadata: ["reason": "\(error)"])
            }
        }
        isClosed.store(true, ordering: .releasing)
        folder.close()
        sessionReader.close()
        indexReader.close()
        logReadQueue.sync { logReader.close() }
        writeBehind?.close()
        committer?.closeWriter()
        lock.release()
    }

    var statistics: StoreStatistics {
        var statistics = StoreStatistics()
        writeBehind?.report(into: &statistics)
        folder.report(into: &statistics)
        statistics.recordsRead += sessionReader.recordsReadCount
        if let committer {
            committer.figures.withLock { figures in
                statistics.lastPosition = figures.lastPosition
                statistics.commits = figures.commits
                statistics.commitFailures = figures.failures
                statistics.deliveriesCommitted = figures.deliveries
                statistics.checkpoints = figures.checkpoints
            }
            (statistics.queueCount, statistics.queueBytes) = committer.pending.load
        }
        statistics.logBytes += FileSystem.allocatedSize(Self.join(directory, JournalLayout.fileName))
        for suffix in ["", "-wal"] {
            statistics.logBytes += FileSystem.size(logPath + suffix)
            statistics.derivedBytes += FileSystem.size(derivedPath + suffix)
        }
        return statistics
    }
}
