internal import Base
internal import Dispatch
internal import Logging
internal import SQLite
internal import Synchronization

extension Committer {
    /// From any thread: in memory at once, on disk soon.
    func addUnverified(_ body: QuarantinedBody) {
        let id = nextQuarantineId.wrappingAdd(1, ordering: .relaxed).oldValue
        if unverified.add(QuarantineEntry(id: id, kind: .unverified, content: body)) { scheduleUnverifiedWrite() }
    }

    private func scheduleUnverifiedWrite() {
        queue.asyncAfter(deadline: .now() + .milliseconds(options.unverifiedWriteMilliseconds)) {
            self.writeUnverified(bytesMax: self.options.unverifiedWriteBytesMax)
            if self.unverified.writeEnded() { self.scheduleUnverifiedWrite() }
        }
    }

    /// Writes the oldest unverified bodies in a transaction of their own, so that good events neither wait long for
    /// them nor fail with them.
    /// - Returns: whether any were written.
    @discardableResult
    func writeUnverified(bytesMax: Int) -> Bool {
        dispatchPrecondition(condition: .onQueue(queue))
        // With the log in trouble they stay in the ring.
        guard writer != nil, !isInDoubt, health.error(.log) == nil else { return false }
        let entries = unverified.take(bytesMax: bytesMax)
        guard !entries.isEmpty else { return false }
        do throws(StoreError) {
            try transaction { (writer) throws(SQLiteError) in
                for entry in entries { try writer.add(entry) }
                try writer.pruneUnverified(
                    countMax: options.unverifiedCountMax, bytesMax: options.unverifiedBytesMax)
            }
            return true
        } catch {
            unverified.putBack(entries)
            scheduleProbe()
            return false
        }
    }

    /// Brings everything in the ring to disk, if that is possible now. Not on a queue of the store; blocks.
    func flushUnverified() {
        queue.sync { while writeUnverified(bytesMax: options.batchBytesMax) {} }
    }

    /// The same of what is in the ring now, or it fails: where somebody counts on it. Not on a queue of the store; blocks.
    func bringUnverifiedToDisk() throws(StoreError) {
        try queue.sync { Result { () throws(StoreError) in try bringUnverifiedToDiskHere() } }.get()
    }

    private func bringUnverifiedToDiskHere() throws(StoreError) {
        guard let last = unverified.entries.last?.id else { return }
        // With the log in trouble nothing of the ring is written; whether that is over, a transaction tells.
        if isInDoubt || health.error(.log) != nil {
            try transaction { (writer) throws(SQLiteError) in try writer.probe() }
        }
        while writeUnverified(bytesMax: options.batchBytesMax) {}
        guard !unverified.entries.contains(where: { $0.id <= last }) else {
            throw StoreError(.unavailable, "quarantined bodies cannot be written now")
        }
    }

    /// Removes entries, one commit for all.
    func removeQuarantined(_ ids: [Int64], completion: @escaping @Sendable (Result<Int, StoreError>) -> Void) {
        queue.async {
            completion(
                Result { () throws(StoreError) in
                    // What is in the ring only must not come to disk after its removal.
                    try self.bringUnverifiedToDiskHere()
                    return try self.transaction { (writer) throws(SQLiteError) in
                        var count = 0
                        for id in ids where try writer.removeQuarantined(id) { count += 1 }
                        return count
                    }
                })
        }
    }

    /// Answers everything that was accepted, then closes the log. Not on a queue of the store; blocks.
    func close() {
        pending.close()
        // Each drain queues the next one behind itself until nothing is left.
        while !pending.isEmpty { queue.sync {} }
        queue.sync {}
        flushUnverified()
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
}
