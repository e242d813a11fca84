package import Base
internal import Dispatch
package import Logging
internal import SQLite
internal import Synchronization

/// What the receiver must remember and no event could tell again, in one file, `ledger.sqlite`: the quarantine, erasures
/// under way, its own downtimes, idempotency keys and starts under way, refunds to ask about, and where the log was.
///
/// Everything small, nothing on the way of a callback that is as it should be. What a call has written would survive a
/// power cut when the call returns; unverified bodies are the exception. A damaged file never stops anybody: it is kept
/// aside, and what can still be read of it goes on in a new one (see `Salvage`). The file holds persons' ids; `scrub()`
/// leaves nothing of what was removed.
///
/// The actor's functions run on a queue of its own, because SQLite blocks. Call them with `await`. The store's queues, which block
/// anyway, use `blocking(_:)`; `perform(_:)` is for what nobody waits for.
package actor Ledger {
    private enum Connection {
        case open(Database)
        /// What is on disk is not known; the file is opened anew before anything else happens.
        case inDoubt
        case closed
    }

    private let executor: QueueExecutor
    let file: LedgerFile
    let options: LedgerOptions
    let logger: Logger
    private var connection: Connection
    /// Of the files that the connection works on.
    private var identities: LedgerFile.Identities
    let state: Locked<State>

    // The quarantine's; see there.
    let nextQuarantineId: Atomic<Int64>
    let unverified: UnverifiedRing
    let verified: VerifiedQueue

    /// What was last noted of the log, so that nothing is written twice.
    var notedLog: KnownLog?

    /// What may be read without waiting for the queue.
    struct State {
        var statistics = LedgerStatistics()
        var unavailability: StoreError?
    }

    /// Whether there was no ledger when this one was opened. Beside a log that is not new, something has been lost.
    package nonisolated let isNew: Bool

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    nonisolated var queue: DispatchQueue { executor.queue }

    /// Opens `ledger.sqlite` in the data directory, which the caller must own already, and makes it (mode 0600) where
    /// there is none. A damaged one is salvaged.
    ///
    /// - Throws: `newerSchema` where another release wrote the file, `unavailable` where it cannot be opened.
    package init(directory: String, options: LedgerOptions = LedgerOptions(), logger: Logger) throws(StoreError) {
        executor = QueueExecutor(label: "chargefold.ledger", qos: .utility)
        file = LedgerFile(directory: directory, virtualFileSystem: options.virtualFileSystem)
        self.options = options
        self.logger = logger
        isNew = file.isMissing
        var state = State()
        let opened = try file.open(logger: logger)
        if opened.isSalvaged { state.statistics.salvages += 1 }
        let last: Int64
        do throws(SQLiteError) {
            state.statistics.quarantine = try Self.quarantineCounts(opened.database)
            last = try Self.lastQuarantineId(opened.database)
        } catch {
            throw StoreError(.unavailable, "\(file.path): \(error)")
        }
        identities = file.identities
        opened.database.confine(to: executor.queue)
        connection = .open(opened.database)
        self.state = Locked(state)
        nextQuarantineId = Atomic(last + 1)
        unverified = UnverifiedRing(countMax: options.unverifiedCountMax, bytesMax: options.unverifiedBytesMax)
        verified = VerifiedQueue(countMax: options.verifiedQueueCountMax, bytesMax: options.verifiedQueueBytesMax)
    }

    /// Writes what is in memory only, and frees the file. A second call does nothing.
    package func close() {
        guard case .open(let database) = connection else {
            connection = .closed
            return
        }
        writeVerified()
        flush()
        _ = try? database.checkpoint(truncating: true)
        database.close()
        connection = .closed
    }

    /// Runs `body` on the ledger, with nothing else in between.
    package func turn<Value: Sendable>(
        _ body: @Sendable (isolated Ledger) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        try body(self)
    }

    // MARK: For queues that block anyway

    /// Runs `body` on the ledger and waits for it. Not for an event loop, and not for the ledger's own queue.
    package nonisolated func blocking<Value: Sendable>(
        _ body: @Sendable (isolated Ledger) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        try queue.sync {
            assumeIsolated { ledger in Result { () throws(StoreError) in try body(ledger) } }
        }.get()
    }

    /// Runs `body` on the ledger, soon, in the order of the calls.
    package nonisolated func perform(_ body: @escaping @Sendable (isolated Ledger) -> Void) {
        queue.async { self.assumeIsolated(body) }
    }

    /// `close()` for callers that are not async.
    package nonisolated func closeAndWait() {
        queue.sync { assumeIsolated { $0.close() } }
    }

    // MARK: Condition

    /// Why the last write failed, until one succeeds; nil while all is well. From any thread.
    package nonisolated var unavailability: StoreError? { state.withLock { $0.unavailability } }

    /// From any thread.
    package nonisolated var statistics: LedgerStatistics {
        var statistics = state.withLock { $0.statistics }
        statistics.quarantine = quarantineCounts
        statistics.fileBytes = FileSystem.size(file.path) + FileSystem.size(file.path + "-wal")
        return statistics
    }

    /// Where the file was removed or replaced while this ledger works on it, writes all that it holds to the path again.
    /// Cheap where nothing has happened: to be called once a second.
    ///
    /// - Throws: `unavailable` where that is not possible; until it is, nothing that is written is sure to stay.
    package func checkFiles() throws(StoreError) {
        guard case .open(let database) = connection, file.identities != identities else { return }
        let isReplaced = FileSystem.identity(file.path).map { $0 != identities.file } ?? false
        do throws(SQLiteError) {
            try file.makeDraft(of: database)
        } catch {
            return try recover(from: error, database)
        }
        let aside = isReplaced ? try file.keepAside() : nil
        connection = .inDoubt
        file.abandon(database)
        try file.installDraft()
        _ = try reopen()
        state.withLock { $0.statistics.rewrites += 1 }
        logger.critical(
            "the ledger was removed or replaced while it ran; what it holds has been written again",
            metadata: ["file": "\(file.path)", "aside": "\(aside ?? "")"])
    }

    // MARK: Working on the file

    /// Runs `body` on the file; once more where the file turns out damaged and was made anew.
    func run<Value>(_ body: (Database) throws(SQLiteError) -> Value) throws(StoreError) -> Value {
        let database = try ready()
        do throws(SQLiteError) { return try body(database) } catch { try recover(from: error, database) }
        let renewed = try ready()
        do throws(SQLiteError) {
            return try body(renewed)
        } catch {
            throw failure(error)
        }
    }

    /// The same in one transaction, which is durable when this returns.
    func write<Value>(_ body: (Database) throws(SQLiteError) -> Value) throws(StoreError) -> Value {
        do throws(StoreError) {
            let value = try run { (database) throws(SQLiteError) in
                try database.transaction { () throws(SQLiteError) in try body(database) }
            }
            state.withLock { $0.unavailability = nil }
            return value
        } catch {
            state.withLock { $0.unavailability = error }
            throw error
        }
    }

    private func ready() throws(StoreError) -> Database {
        switch connection {
        case .open(let database): database
        case .inDoubt: try reopen()
        case .closed: throw StoreError(.closed, "the ledger is closed")
        }
    }

    private func reopen() throws(StoreError) -> Database {
        let opened = try file.open(emptyingLog: true, logger: logger)
        if opened.isSalvaged { state.withLock { $0.statistics.salvages += 1 } }
        adopt(opened.database)
        return opened.database
    }

    /// Goes on with another connection.
    private func adopt(_ database: Database) {
        database.confine(to: queue)
        identities = file.identities
        connection = .open(database)
        notedLog = nil
        do throws(SQLiteError) {
            let counts = try Self.quarantineCounts(database)
            state.withLock { state in
                let dropped = state.statistics.quarantine.unverifiedDropped
                state.statistics.quarantine = counts
                state.statistics.quarantine.unverifiedDropped = dropped
            }
            nextQuarantineId.max(try Self.lastQuarantineId(database) + 1, ordering: .relaxed)
        } catch {
            logger.warning("the quarantine cannot be counted", metadata: ["reason": "\(error)"])
        }
    }

    /// After a call has failed.
    /// - Throws: unless the file was damaged and is sound now, so that the call may be repeated.
    private func recover(from error: SQLiteError, _ database: Database) throws(StoreError) {
        database.rollBack()
        if error.isCorruption {
            state.withLock { $0.statistics.failures += 1 }
            connection = .inDoubt
            let salvaged = try file.salvage(database, because: error, logger: logger)
            state.withLock { $0.statistics.salvages += 1 }
            return adopt(salvaged)
        }
        // After a failed write or sync of the WAL nobody knows what of it is on disk.
        if error.isInputOutput {
            connection = .inDoubt
            file.abandon(database)
        }
        throw failure(error)
    }

    private func failure(_ error: SQLiteError) -> StoreError {
        state.withLock { $0.statistics.failures += 1 }
        return StoreError(.unavailable, error.isFull ? "no room on disk for the ledger" : "the ledger: \(error)")
    }
}
