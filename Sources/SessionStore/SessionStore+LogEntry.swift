package import Base

extension SessionStore {
    /// One row of the log, or nil. Blocks: not for a worker's thread.
    package func logEntry(at position: Int64) throws(StoreError) -> LogEntry? {
        var found: LogEntry?
        try scanLog(after: position - 1) { (entry) throws(StoreError) in
            if entry.position == position { found = entry }
            return false
        }
        return found
    }
}
