internal import Base
import SessionIndex
import SessionModel
import SessionStore

/// What a reader has seen at other receivers of what stands in this log behind a position: a delivery whose place the
/// reader's frontier covers; and a fact that was told for another of its deliveries, which came here later.
struct SeenPlaces: Sendable {
    let cursor: SharedCursor
    /// Everything up to here has been seen.
    let position: Int64
    /// Where facts stand that were told for another delivery.
    private var told: Set<Int64> = []

    /// nil where the frontier names an origin that nobody has heard of, or is behind too much to be compared.
    init?(_ frontier: Frontier, in store: any SessionStore) throws(StoreError) {
        guard let origins = store.originNumbers, let sequences = origins.sequences(frontier) else { return nil }
        cursor = SharedCursor(frontier: frontier, origins: origins)
        var first = Int64.max
        var last: Int64 = 0
        for origin in Set(sequences.keys).union(store.foldedPlaces.keys) {
            let seen = sequences[origin] ?? 0
            if let unseen = try store.position(of: origin, after: seen) { first = min(first, unseen) }
            if seen > 0, let newest = try store.position(of: origin, after: seen - 1) { last = max(last, newest) }
        }
        guard first < .max else {
            position = .max
            return
        }
        position = first - 1
        guard last > first else { return }
        guard last - first < Self.comparedMax else { return nil }
        // The first unseen delivery of each fact, in the order of this log.
        var unseen: [UInt64: Int64] = [:]
        var told: Set<Int64> = []
        let cursor = cursor
        try store.scanLog(after: position) { (entry) throws(StoreError) in
            guard entry.position <= last else { return false }
            guard let event = try? SessionEvent.decode(entry.body, source: entry.source, limits: Self.limits) else {
                return true
            }
            let fact = event.digest
            if !cursor.covers(entry.place) {
                if unseen[fact] == nil { unseen[fact] = entry.position }
            } else if let position = unseen[fact] {
                told.insert(position)
            }
            return true
        }
        self.told = told
    }

    func has(_ change: FoldedChange) -> Bool { cursor.covers(change.place) || told.contains(change.position) }

    /// Deliveries that are compared, at most: what several receivers have taken between two of their exchanges is far less.
    private static let comparedMax: Int64 = 500_000

    private static let limits: EventLimits = {
        var limits = EventLimits()
        limits.bodyBytesMax = .max
        return limits
    }()
}
