internal import Base

/// Unverified bodies that are not on disk yet, oldest first, within bounds (``UnverifiedShares``).
final class UnverifiedRing: Sendable {
    /// The entries of one lane, oldest first.
    private struct Queue {
        private var items: [QuarantineEntry] = []
        private var head = 0

        var first: QuarantineEntry? { head < items.count ? items[head] : nil }
        var all: ArraySlice<QuarantineEntry> { items[head...] }

        mutating func append(_ entry: QuarantineEntry) { items.append(entry) }

        mutating func removeFirst() -> QuarantineEntry? {
            guard let first else { return nil }
            head += 1
            if head > 64, head > items.count / 2 {
                items.removeFirst(head)
                head = 0
            }
            return first
        }
    }

    private struct State {
        var queues: [UnverifiedLane: Queue] = [:]
        var shares: UnverifiedShares
        var dropped: Int64 = 0
        var isWriteDue = false

        var isEmpty: Bool { queues.isEmpty }
        var entries: [QuarantineEntry] { queues.values.flatMap(\.all).sorted { $0.id < $1.id } }
        /// Of the oldest entry.
        var oldest: UnverifiedLane? {
            queues.min { $0.value.first?.id ?? .max < $1.value.first?.id ?? .max }?.key
        }

        mutating func add(_ entry: QuarantineEntry) {
            let lane = UnverifiedLane(entry.content)
            queues[lane, default: Queue()].append(entry)
            shares.add(lane, count: 1, bytes: entry.content.cost)
        }

        mutating func removeFirst(of lane: UnverifiedLane) -> QuarantineEntry? {
            guard let entry = queues[lane]?.removeFirst() else { return nil }
            if queues[lane]?.first == nil { queues[lane] = nil }
            shares.add(lane, count: -1, bytes: -entry.content.cost)
            return entry
        }

        mutating func replaceAll(with entries: [QuarantineEntry]) {
            queues = [:]
            shares = UnverifiedShares(countMax: shares.countMax, bytesMax: shares.bytesMax)
            for entry in entries { add(entry) }
        }

        mutating func trim() {
            while let lane = shares.lane, removeFirst(of: lane) != nil { dropped += 1 }
        }
    }

    private let state: Locked<State>

    init(countMax: Int, bytesMax: Int) {
        state = Locked(State(shares: UnverifiedShares(countMax: countMax, bytesMax: bytesMax)))
    }

    /// - Returns: whether the caller must arrange for a write.
    func add(_ entry: QuarantineEntry) -> Bool {
        state.withLock { state in
            state.add(entry)
            state.trim()
            defer { state.isWriteDue = true }
            return !state.isWriteDue
        }
    }

    /// Takes the oldest entries, at least one if there is any, up to `bytesMax` bytes.
    func take(bytesMax: Int) -> [QuarantineEntry] {
        state.withLock { state in
            var taken: [QuarantineEntry] = []
            var bytes = 0
            while let lane = state.oldest, let next = state.queues[lane]?.first {
                bytes += next.content.cost
                if !taken.isEmpty, bytes > bytesMax { break }
                if let entry = state.removeFirst(of: lane) { taken.append(entry) }
            }
            return taken
        }
    }

    /// Puts entries back that could not be written.
    func putBack(_ entries: [QuarantineEntry]) {
        state.withLock { state in
            state.replaceAll(with: entries + state.entries)
            state.trim()
        }
    }

    /// Removes entries.
    /// - Returns: how many there were.
    func remove(where isRemoved: (QuarantineEntry) -> Bool) -> Int {
        state.withLock { state in
            let (before, kept) = (state.shares.all.count, state.entries.filter { !isRemoved($0) })
            if kept.count < before { state.replaceAll(with: kept) }
            return before - kept.count
        }
    }

    /// A write has ended. Returns whether another one is due.
    func writeEnded() -> Bool {
        state.withLock { state in
            state.isWriteDue = !state.isEmpty
            return state.isWriteDue
        }
    }

    var entries: [QuarantineEntry] { state.withLock { $0.entries } }

    var figures: (count: Int, bytes: Int, dropped: Int64) {
        state.withLock { ($0.shares.all.count, $0.shares.all.bytes, $0.dropped) }
    }
}
