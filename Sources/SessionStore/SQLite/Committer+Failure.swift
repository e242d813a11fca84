internal import Dispatch
internal import Logging

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
        let error = StoreError(
            .unavailable,
            failure.error.isFull ? "no room on disk for the log" : "the log cannot be written: \(failure.error)")
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
    /// is always the fold of the log. The probe's own frames follow the last valid one, so once it is durable no
    /// frames of a failed batch can come back in a later recovery.
    private func reopen() throws(StoreError) -> LogWriter {
        isInDoubt = true
        checkpoints?.pause()
        writer?.close()
        writer = nil
        do {
            let opened = try LogWriter(path: path, virtualFileSystem: options.virtualFileSystem, queue: queue)
            guard opened.lastPosition >= lastPosition else {
                opened.close()
                throw StoreError(
                    .damaged, "the log ends at position \(opened.lastPosition), but \(lastPosition) was durable")
            }
            do throws(LogWriter.Failure) {
                try opened.probe()
            } catch {
                opened.close()
                throw StoreError(.unavailable, "the log cannot be written: \(error.error)")
            }
            if opened.lastPosition > lastPosition {
                logger.notice(
                    "the log holds rows of a failed commit; they are folded",
                    metadata: ["from": "\(lastPosition + 1)", "to": "\(opened.lastPosition)"])
            }
            writer = opened
            isInDoubt = false
            checkpoints?.resume(with: opened)
            succeeded(opened)
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

    /// Tries to become healthy without a callback having to fail for it.
    func probe() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard !pendingClosure else { return }
        if health.error(.log) != nil {
            do throws(StoreError) {
                let writer = try readyWriter()
                do throws(LogWriter.Failure) {
                    try writer.probe()
                } catch {
                    throw failed(error)
                }
                succeeded(writer)
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
