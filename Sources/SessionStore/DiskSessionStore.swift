package import Base
internal import Dispatch
package import Logging
internal import SQLite
package import SessionModel

/// The store on two SQLite files in one data directory: `log.sqlite`, the truth, and `sessions.sqlite`, which follows.
package final class DiskSessionStore: SessionStore {
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
        directory: String, options: IndexOptions = IndexOptions(), readOnly: Bool = false, logger: Logger,
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
        return committer.add(.delivery(PendingDelivery(delivery, completion)))
    }

    package var isUnderPressure: Bool { parts.committer?.pending.isUnderPressure ?? false }

    package func quarantineVerified(
        _ body: consuming QuarantinedBody, completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void
    ) -> Bool {
        parts.committer?.add(.quarantine(PendingQuarantine(body, completion))) ?? false
    }

    package func quarantineUnverified(_ body: consuming QuarantinedBody) {
        parts.committer?.addUnverified(body)
    }

    package func removeQuarantined(
        _ ids: [Int64], completion: @escaping @Sendable (Result<Int, StoreError>) -> Void
    ) {
        guard let committer = parts.committer else {
            completion(.failure(StoreError(.readOnly, "the store is open for reading only")))
            return
        }
        committer.removeQuarantined(ids, completion: completion)
    }

    package func flush() throws(StoreError) {
        try parts.settle()
        parts.committer?.flushUnverified()
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

    package func quarantined(
        after id: Int64, limit: Int, kind: QuarantineKind?
    ) throws(StoreError) -> [QuarantineEntry] {
        parts.committer?.flushUnverified()
        var entries = try parts.readLog { (reader) throws(SQLiteError) in
            try reader.quarantined(after: id, limit: limit, kind: kind)
        }
        // What could not be written (a full disk) is still in the ring.
        if kind != .verified, let ring = parts.committer?.unverified.entries.filter({ $0.id > id }), !ring.isEmpty {
            let known = Set(entries.map(\.id))
            entries += ring.filter { !known.contains($0.id) }
            entries.sort { $0.id < $1.id }
        }
        return Array(entries.prefix(limit))
    }

    package func quarantined(id: Int64) throws(StoreError) -> QuarantineEntry? {
        guard id > 0 else { return nil }
        let found = try quarantined(after: id - 1, limit: 1, kind: nil).first
        return found?.id == id ? found : nil
    }

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
