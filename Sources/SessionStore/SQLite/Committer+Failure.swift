internal import Base
internal import Dispatch
internal import Logging
internal import SQLite

extension Committer {
    /// The writer, opened again first if its last outcome is in doubt.
    func readyWriter() throws(StoreError) -> LogWriter {
        dispatchPrecondition(condition: .onQueue(queue))
        if pendingClosure { throw StoreError(.closed, "the store is closed") }
        if let writer, !isInDoubt { return writer }
        return try reopen()
    }

    private var pendingClosure: Bool { writer == nil && !isInDoubt }

    /// A batch failed: nothing of it is visible, and nothing of it may be acknowledged.
    func failed(_ failure: LogWriter.Failure) -> StoreError {
        if failure.leavesDoubt { isInDoubt = true }
        return failed(isFull: failure.error.isFull, "\(failure.error)")
    }

    func failed(_ failure: JournalError) -> StoreError {
        isInDoubt = true
        return failed(isFull: failure.isFull, "\(failure)")
    }

    private func failed(isFull: Bool, _ reason: String) -> StoreError {
        let error = StoreError(
            .unavailable, isFull ? "no room on disk for the log" : "the log cannot be written: \(reason)")
        publishFigures { $0.failures += 1 }
        report(error)
        return error
    }

    private func report(_ error: StoreError) {
        if health.set(.log, error) {
            logger.error("callbacks are refused", metadata: ["reason": "\(error.message)"])
        }
    }

    /// Closes the connection whose outcome is in doubt, opens the log anew, and writes a probe.
    ///
    /// Rows of a batch that was answered as failed may turn out to be in the log. They stay and are folded: the state
    /// is always the fold of the log. What the WAL holds is written to the file anew and the WAL is emptied, because after
    /// a failed sync nobody knows what of it is on disk; then what only the journal is known to have is added again.
    private func reopen() throws(StoreError) -> LogWriter {
        isInDoubt = true
        checkpoints?.pause()
        writer?.close()
        writer = nil
        do {
            let opened = try LogWriter(path: path, virtualFileSystem: options.virtualFileSystem, queue: queue)
            guard opened.lastPosition >= movedPosition else {
                opened.close()
                throw StoreError(
                    .damaged, "the log ends at position \(opened.lastPosition), but \(movedPosition) was written")
            }
            try stall.during { () throws(StoreError) in try prove(opened) }
            if opened.lastPosition > lastPosition {
                logger.notice(
                    "the log holds rows of a failed commit; they are folded",
                    metadata: ["from": "\(lastPosition + 1)", "to": "\(opened.lastPosition)"])
            }
            writer = opened
            isInDoubt = false
            checkpoints?.resume(with: opened)
            moved(to: opened)
            journal?.settled(through: movedPosition)
            journal?.restart()
            succeeded()
            let position = lastPosition
            if !folder.postpones(upTo: position) { folder.queue.async { self.folder.catchUp(to: position) } }
            return opened
        } catch let error as StoreError {
            report(error)
            throw error
        } catch let error as SchemaError {
            let unavailable = StoreError(
                .unavailable, "the log cannot be opened again: \(error.storeError(path).message)")
            report(unavailable)
            throw unavailable
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
    }

    /// Shows that what is written to the log stays, closing it if not.
    private func prove(_ opened: LogWriter) throws(StoreError) {
        let entries = unmoved.entries
        do {
            _ = try opened.database.checkpoint(truncating: true)
            guard FileSystem.size(path + "-wal") == 0 else {
                throw StoreError(.unavailable, "the log cannot be written: its WAL is in use")
            }
            try opened.transaction { (writer) throws(SQLiteError) in
                for entry in entries { try writer.add(entry) }
                try writer.probe()
            }
        } catch {
            opened.close()
            let reason = (error as? LogWriter.Failure)?.error ?? error
            throw error as? StoreError ?? StoreError(.unavailable, "the log cannot be written: \(reason)")
        }
    }

    /// Tries to become healthy without a callback having to fail for it.
    func probe() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard !pendingClosure else { return }
        if health.error(.log) != nil {
            do throws(StoreError) {
                try transaction { (writer) throws(SQLiteError) in try writer.probe() }
            } catch {
                scheduleProbe()
            }
        }
        let position = lastPosition
        guard !folder.postpones(upTo: position) else { return }
        folder.queue.async {
            if self.folder.isStalled && !self.folder.catchUp(to: position) { self.scheduleProbe() }
        }
    }
}
