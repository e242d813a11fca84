/// Which start of unknown outcome is looked for next, and when: a value, told the time (nanoseconds of a monotonic clock).
struct StartLookUps: Sendable {
    /// How a look ended.
    enum Outcome: Sendable, Equatable {
        /// The session was found, or nobody wants to know any more.
        case over
        /// The API has answered, and shows no session that could be it.
        case nothing
        /// No answer, and that was not the start's fault.
        case postponed(nanoseconds: UInt64)
    }

    private struct Entry {
        var dueAt: UInt64
        var tries = 0
    }

    /// As many as are kept durably.
    static let countMax = 10_000

    let settings: ReconciliationSettings
    private var entries: [Int64: Entry] = [:]
    /// The one that is being looked for: one after the other, as they are rare.
    private(set) var underWay: Int64?
    private var nextDueAt: UInt64 = .max

    init(_ settings: ReconciliationSettings) {
        self.settings = settings
    }

    var count: Int { entries.count }

    /// A start whose outcome is not known.
    mutating func add(_ id: Int64, now: UInt64) {
        guard entries.count < Self.countMax, entries[id] == nil else { return }
        set(id, Entry(dueAt: now + UInt64(settings.startLookUpSeconds) * 1_000_000_000))
    }

    /// The next that is due; ``ended(_:now:)`` must follow.
    mutating func takeDue(now: UInt64) -> Int64? {
        guard underWay == nil, nextDueAt <= now else { return nil }
        let due = entries.filter { $0.value.dueAt <= now }.min {
            ($0.value.dueAt, $0.key) < ($1.value.dueAt, $1.key)
        }
        underWay = due?.key
        if due == nil { findNext() }
        return underWay
    }

    /// - Returns: whether the start is given up, and can be forgotten.
    mutating func ended(_ outcome: Outcome, now: UInt64) -> Bool {
        guard let id = underWay, var entry = entries[id] else { return false }
        underWay = nil
        entries[id] = nil
        defer { findNext() }
        switch outcome {
        case .over: return true
        case .nothing:
            entry.tries += 1
            guard entry.tries < settings.startLookUpsMax else { return true }
            entry.dueAt = now + UInt64(settings.startLookUpSeconds << Int64(min(entry.tries, 20))) * 1_000_000_000
        case .postponed(let nanoseconds): entry.dueAt = now + nanoseconds
        }
        entries[id] = entry
        return false
    }

    private mutating func set(_ id: Int64, _ entry: Entry) {
        entries[id] = entry
        nextDueAt = min(nextDueAt, entry.dueAt)
    }

    private mutating func findNext() {
        nextDueAt = entries.values.lazy.map(\.dueAt).min() ?? .max
    }
}
