package import Base
internal import Dispatch
package import Logging
internal import SQLite
package import SessionModel

/// The store on two SQLite files in one data directory: `log.sqlite`, the truth, and `sessions.sqlite`, which follows.
package final class SQLiteSessionStore: SessionStore {
    let parts: StoreParts
    /// nil when open for reading only.
    let eraser: Eraser?
    private let closing = Locked(false)

    /// Opens a data directory (and makes it, mode 0700), and folds what the derived rows do not cover yet.
    ///
    /// - Parameters:
    ///   - readOnly: for tools, while no server runs: nothing is written but the lock, and `append` refuses.
    ///   - progress: called now and then while a long tail, or the whole log, is folded.
    package init(
        directory: String, options: StoreOptions = StoreOptions(), readOnly: Bool = false, logger: Logger,
        progress: ((_ position: Int64, _ last: Int64) -> Void)? = nil
    ) throws(StoreError) {
        parts = try StoreParts(
            directory: directory, options: options, readOnly: readOnly, logger: logger, progress: progress)
        eraser = Eraser(parts: parts)
        if options.resumesErasures { whenCaughtUp { [weak self] in self?.eraser?.resume() } }
    }

    deinit {
        close()
    }

    // MARK: Writing

    package func append(_ delivery: consuming Delivery, completion: @escaping IngestCompletion) -> Bool {
        guard let committer = parts.committer, parts.writeBehind?.takesMore ?? false else { return false }
        return committer.add(PendingItem(delivery, completion))
    }

    package var isUnderPressure: Bool { parts.committer?.pending.isUnderPressure ?? false }

    package func flush() throws(StoreError) {
        try parts.settle()
        try parts.writeBehind?.flush()
    }

    /// Not from a completion: it waits for them.
    package func close() {
        let isFirst = closing.withLock { closed in
            defer { closed = true }
            return !closed
        }
        guard isFirst else { return }
        eraser?.stop()
        parts.close()
    }

    // MARK: Reading

    package var isCatchingUp: Bool { parts.folder.isBehind }

    package func whenCaughtUp(_ body: @escaping @Sendable () -> Void) { parts.whenReady(body) }

    package func session(_ id: String, completion: @escaping @Sendable (Result<SessionRecord?, StoreError>) -> Void) {
        if isCatchingUp { return completion(.failure(.catchingUp)) }
        parts.sessionReader.session(id, completion: completion)
    }

    package func select(
        _ selection: SessionSelection, completion: @escaping @Sendable (Result<SessionPage, StoreError>) -> Void
    ) {
        if isCatchingUp { return completion(.failure(.catchingUp)) }
        parts.indexReader.select(selection, completion: completion)
    }

    @discardableResult
    package func observe(_ observer: FoldObserver?) -> Int64 { parts.folder.observe(observer) }

    @discardableResult
    package func scanLog(
        after position: Int64, visit: (LogEntry) throws(StoreError) -> Bool
    ) throws(StoreError) -> Int64 {
        var position = position
        while true {
            var entries: [LogEntry] = []
            var reached: Int64?
            try parts.readLog { (reader) throws(SQLiteError) in
                do throws(LogReadError<Never>) {
                    reached = try reader.chunk(after: position) { (row) throws(Never) in
                        if row.isErased { return }
                        entries.append(
                            LogEntry(
                                position: row.position, receivedAt: row.receivedAt, source: row.source ?? .webhook,
                                body: [UInt8](row.body)))
                    }
                } catch {
                    if case .sqlite(let error) = error { throw error }
                }
            }
            guard let reached else { return position }
            for entry in entries {
                guard try visit(entry) else { return entry.position }
            }
            position = reached
        }
    }

    package func check(progress: (CheckProgress) -> Void) throws(StoreError) -> CheckReport {
        try LogCheck(parts: parts).run(progress: progress)
    }

    // MARK: Condition

    package var isWritable: Bool { unavailability == nil }

    package var unavailability: StoreError? {
        guard let writeBehind = parts.writeBehind else {
            return StoreError(.readOnly, "the store is open for reading only")
        }
        if closing.withLock({ $0 }) { return StoreError(.closed, "the store is closed") }
        if let error = parts.health.error(.log) ?? parts.health.error(.fold) { return error }
        if let seconds = parts.committer?.stall.seconds {
            return StoreError(.unavailable, "the disk has not answered for \(seconds) s")
        }
        if writeBehind.takesMore { return nil }
        return parts.health.error(.derived) ?? StoreError(.queueFull, "derived rows lag behind")
    }

    package var statistics: StoreStatistics { parts.statistics }
}
