internal import SessionModel

/// Merges what the sources of a page have. A page ends at the selection's limit, or where its records would take too many
/// bytes: what follows is the next page's.
struct PageBuilder {
    private let order: SelectionOrder
    private let bytesMax: Int
    private var found: [(sortKey: SortKey, record: SessionRecord, bytes: Int)] = []
    private var ids: Set<SessionKey> = []
    /// The last sort key of a page that is full, and one more.
    private var last: SortKey?
    /// The first sort key that was not looked at, because a source had too many rows.
    private var end: SortKey?

    init(order: SelectionOrder, bytesMax: Int) {
        self.order = order
        self.bytesMax = bytesMax
    }

    mutating func addFromMemory(_ record: SessionRecord) {
        guard let sortKey = order.sortKey(of: record) else { return }
        add(record, sortKey)
    }

    /// - Parameter sortKey: where the row stands in the index.
    /// - Returns: whether the record belongs to the page, and there.
    mutating func add(_ record: SessionRecord, at sortKey: SortKey) -> Bool {
        // A record newer than its row may belong somewhere else, or nowhere. Every page takes it where it is now.
        guard let current = order.sortKey(of: record) else { return false }
        return add(record, current) && current == sortKey
    }

    @discardableResult
    private mutating func add(_ record: SessionRecord, _ sortKey: SortKey) -> Bool {
        if let after = order.selection.after, !order.precedes(after, sortKey) { return false }
        guard order.admits(record), ids.insert(SessionKey(record.sessionId)).inserted else { return false }
        found.append((sortKey, record, RecordSize.estimate(record)))
        return true
    }

    /// Whether neither this sort key nor any after it can come into the page, which is full of others.
    func isBeyondEnd(_ sortKey: SortKey) -> Bool {
        last.map { order.precedes($0, sortKey) } ?? false
    }

    /// Between two sources: keeps what the page can hold, and one more, which tells whether there is a next page.
    mutating func trim() {
        guard let count = sortedCount() else { return }
        found.removeSubrange((count + 1)...)
        last = found[count].sortKey
    }

    /// Sorts what was found.
    /// - Returns: how much of it the page can hold; nil where that is all.
    private mutating func sortedCount() -> Int? {
        found.sort { order.precedes($0.sortKey, $1.sortKey) }
        var bytes = 0
        for (index, item) in found.enumerated() {
            bytes += item.bytes
            if index == order.selection.limit || index > 0 && bytes > bytesMax { return index }
        }
        return nil
    }

    mutating func stop(before sortKey: SortKey) {
        if end.map({ order.precedes(sortKey, $0) }) ?? true { end = sortKey }
    }

    consuming func finish() -> SessionPage {
        var page = SessionPage()
        if let end { found.removeAll { !order.precedes($0.sortKey, end) } }
        if let count = sortedCount() {
            page.records = found[..<count].map(\.record)
            page.next = found[count - 1].sortKey
        } else {
            page.records = found.map(\.record)
            // Everything before the end has been looked at: the next page begins with that sort key itself.
            page.next = end.map {
                SortKey(key: $0.key, tie: order.isDescending ? $0.tie + 1 : $0.tie - 1)
            }
        }
        return page
    }
}
