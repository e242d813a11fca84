internal import Base
internal import Dispatch
internal import Logging
internal import SQLite

/// From the journal to the log.
extension Committer {
    /// Makes a batch durable in the journal.
    /// - Returns: nil when it has to go to the log at once: the journal has no room.
    func appendToJournal(_ batch: [PendingItem]) throws(StoreError) -> JournalEntry? {
        guard let journal else { return nil }
        do throws(JournalError) {
            switch try journal.append(batch, firstPosition: lastPosition + 1) {
            case .written(let entry): return entry
            case .noRoom: return nil
            }
        } catch {
            throw failed(error)
        }
    }

    /// Runs `body` in a durable transaction of the log, behind everything that only the journal has.
    func transaction<Value>(_ body: (LogWriter) throws(SQLiteError) -> Value) throws(StoreError) -> Value {
        let value = try move(durably: true, then: body)
        journal?.settled(through: movedPosition)
        journal?.restart()
        succeeded()
        return value
    }

    /// One transaction for what has gathered in the journal, and `body`.
    private func move<Value>(
        durably: Bool, then body: (LogWriter) throws(SQLiteError) -> Value
    ) throws(StoreError) -> Value {
        let writer = try readyWriter()
        let entries = unmoved.entries
        do throws(LogWriter.Failure) {
            let value = try stall.during { () throws(LogWriter.Failure) in
                try writer.transaction(durably: durably) { (writer) throws(SQLiteError) in
                    for entry in entries { try writer.add(entry) }
                    return try body(writer)
                }
            }
            moved(to: writer)
            checkpoints?.committed()
            return value
        } catch {
            throw failed(error)
        }
    }

    /// Takes note of what is in the log.
    func moved(to writer: LogWriter) {
        movedPosition = writer.lastPosition
        lastPosition = max(lastPosition, movedPosition)
        unmoved.remove(through: movedPosition)
        unmovedCount = unmoved.entries.reduce(0) { $0 + $1.count }
    }

    /// After a batch: moves what has gathered if it is enough, or sees to it that it is moved soon.
    func moveIfDue() {
        if unmovedCount >= options.moveCount { return moveNow() }
        guard unmovedCount > 0, !isMoveScheduled else { return }
        isMoveScheduled = true
        queue.asyncAfter(deadline: .now() + .milliseconds(options.moveMilliseconds)) { [weak self] in
            guard let self else { return }
            isMoveScheduled = false
            if unmovedCount > 0, health.error(.log) == nil { moveNow() }
        }
    }

    private func moveNow() {
        do throws(StoreError) {
            // Without a sync: the journal keeps it until the checkpointer has synced the WAL.
            try move(durably: false) { (_) throws(SQLiteError) in }
            settleIfDue()
        } catch {
            // It is safe where it is; but nothing more is taken until this works again.
            scheduleProbe()
        }
    }

    private func settleIfDue() {
        guard let journal, journal.wantsSettling, !isInDoubt, !isSettling, let checkpoints else { return }
        let position = movedPosition
        isSettling = true
        checkpoints.syncLog { [self] error in
            isSettling = false
            if let error {
                doubt(error)
            } else {
                self.journal?.settled(through: position)
            }
        }
    }

    /// A sync of the log has failed beside the commits. What the kernel could not write it may have forgotten: the file
    /// must be written anew before the journal lets go of anything.
    func doubt(_ error: SQLiteError) {
        _ = failed(LogWriter.Failure(stage: .committing, error: error))
        scheduleProbe()
    }

    /// Copies everything to the log's file, and empties WAL and journal, so that no page of the past is left in them.
    /// - Returns: false when a checkpoint runs or a reader is in the way: try again soon.
    func emptyLog() throws -> Bool {
        try transaction { (_) throws(SQLiteError) in }
        guard try checkpoints?.emptyLog() ?? false else { return false }
        do throws(JournalError) {
            try journal?.wipe()
        } catch {
            throw failed(error)
        }
        return true
    }
}
