package import Base
import SessionIndex
import SessionModel
package import SessionStore

/// How many callbacks a minute are usual at some hour, out of the log: it is in the order of arrival, so a week ago is found by
/// halving. Nothing has to be counted or kept, and a restart forgets nothing. All functions block.
package struct UsualRate {
    /// Deliveries of the hour that are looked at; how many of them are callbacks is taken to hold of the others.
    static let rowsMax = 2_000

    private let store: any SessionStore

    package init(_ store: any SessionStore) {
        self.store = store
    }

    /// Callbacks a minute in the hour round the same time a week ago; a day ago where the log is younger; nil where it is
    /// younger than that.
    package func callbacksPerMinute(now: Instant) throws(StoreError) -> Double? {
        for days: Int64 in [7, 1] {
            let middle = now.adding(seconds: -days * 86_400)
            let (from, to) = (middle.adding(seconds: -1800), middle.adding(seconds: 1800))
            guard let first = try entry(after: 0), first.receivedAt <= from else { continue }
            let begin = try lastPosition(before: from)
            let end = try lastPosition(before: to)
            guard end > begin else { return 0 }
            let (callbacks, rows) = try share(after: begin, through: end)
            let share = rows == 0 ? 0 : Double(callbacks) / Double(rows)
            return Double(end - begin) * share / 60
        }
        return nil
    }

    /// When the last callback was received, as far as the newest rows tell.
    package func lastCallback() throws(StoreError) -> Instant? {
        let end = store.statistics.durable
        var found: Instant?
        try store.scanLog(after: max(0, end - Int64(Self.rowsMax))) { (entry) throws(StoreError) in
            if entry.source == .webhook { found = entry.receivedAt }
            return true
        }
        return found
    }

    /// The highest position of a delivery that was received before an instant; 0: of none.
    private func lastPosition(before instant: Instant) throws(StoreError) -> Int64 {
        var (low, high) = (0 as Int64, store.statistics.durable)
        while low < high {
            let middle = low + (high - low) / 2
            // Positions may be missing where somebody was erased: the next one there is tells.
            guard let entry = try entry(after: middle), entry.receivedAt < instant else {
                high = middle
                continue
            }
            low = max(entry.position, middle + 1)
        }
        return low
    }

    private func entry(after position: Int64) throws(StoreError) -> LoggedDelivery? {
        var found: LoggedDelivery?
        try store.scanLog(after: position) { (entry) throws(StoreError) in
            found = entry
            return false
        }
        return found
    }

    private func share(after begin: Int64, through end: Int64) throws(StoreError) -> (callbacks: Int, rows: Int) {
        var (callbacks, rows) = (0, 0)
        try store.scanLog(after: begin) { (entry) throws(StoreError) in
            guard entry.position <= end else { return false }
            rows += 1
            if entry.source == .webhook { callbacks += 1 }
            return rows < Self.rowsMax
        }
        return (callbacks, rows)
    }
}
