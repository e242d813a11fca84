internal import Base
import SessionModel

/// Streams whose reader's token ends, by when it does.
///
/// Of a stream that closes before that, an empty entry stays; these are thrown out before they outnumber the others.
struct LiveExpiries<Subscriber: AnyObject & Sendable>: Sendable {
    private struct Entry: Sendable {
        let at: Instant
        weak let subscriber: Subscriber?
    }

    private var heap = Heap<Entry> { $0.at < $1.at }

    /// Entries, the empty ones included.
    var count: Int { heap.count }

    /// - Parameter openCount: streams that are open now.
    mutating func add(_ subscriber: Subscriber, endsAt: Instant, openCount: Int) {
        heap.insert(Entry(at: endsAt, subscriber: subscriber))
        if heap.count > 2 * openCount + 1024 { heap.removeAll { $0.subscriber == nil } }
    }

    /// A stream whose token has ended, and is no longer in here; nil: there is none.
    mutating func takeExpired(_ now: @autoclosure () -> Instant) -> Subscriber? {
        guard heap.first != nil else { return nil }
        let now = now()
        while let first = heap.first, first.at <= now {
            heap.removeFirst()
            if let subscriber = first.subscriber { return subscriber }
        }
        return nil
    }
}
