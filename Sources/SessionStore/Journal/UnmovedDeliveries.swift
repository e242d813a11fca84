internal import Base

/// Deliveries that are durable in the journal, but not in `log.sqlite` yet. Whoever reads the log reads them, too.
///
/// The committer adds and removes them; anybody may look.
final class UnmovedDeliveries: Sendable {
    private let list: Locked<[JournalEntry]>

    init(_ entries: [JournalEntry] = []) {
        list = Locked(entries)
    }

    /// In the order of the log.
    var entries: [JournalEntry] { list.withLock { $0 } }

    var lastPosition: Int64? { list.withLock { $0.last?.lastPosition } }

    func add(_ entry: JournalEntry) {
        list.withLock { $0.append(entry) }
    }

    /// They are in the log now.
    func remove(through position: Int64) {
        list.withLock { entries in entries.removeAll { $0.lastPosition <= position } }
    }
}
