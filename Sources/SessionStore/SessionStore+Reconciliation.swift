package import SessionModel

/// Sessions of which something is still to come, in order of creation.
package struct UnsettledPage: Sendable {
    package var records: [SessionRecord] = []
    /// To go on after; nil on the last page.
    package var next: Int64?

    package init(records: [SessionRecord] = [], next: Int64? = nil) {
        self.records = records
        self.next = next
    }
}

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

    /// A store without that index.
    package func unsettledSessions(
        _ least: SessionRecord.Settlement, after: Int64, limit: Int
    ) throws(StoreError) -> UnsettledPage { UnsettledPage() }
}
