internal import Base

/// Unverified bodies that are not on disk yet, oldest first, within bounds.
final class UnverifiedRing: Sendable {
    private struct State {
        var entries: [QuarantineEntry] = []
        var head = 0
        var bytes = 0
        var dropped: Int64 = 0
        var isWriteDue = false
    }

    private let state = Locked(State())
    private let countMax: Int
    private let bytesMax: Int

    init(countMax: Int, bytesMax: Int) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    /// - Returns: whether the caller must arrange for a write.
    func add(_ entry: QuarantineEntry) -> Bool {
        state.withLock { state in
            state.entries.append(entry)
            state.bytes += entry.content.cost
            trim(&state)
            defer { state.isWriteDue = true }
            return !state.isWriteDue
        }
    }

    /// Takes the oldest entries, at least one if there is any, up to `bytesMax` bytes.
    func take(bytesMax: Int) -> [QuarantineEntry] {
        state.withLock { state in
            var taken: [QuarantineEntry] = []
            var bytes = 0
            while state.head < state.entries.count {
                let cost = state.entries[state.head].content.cost
                if !taken.isEmpty && bytes + cost > bytesMax { break }
                bytes += cost
                taken.append(state.entries[state.head])
                state.head += 1
            }
            state.bytes -= bytes
            compact(&state)
            return taken
        }
    }

    /// Puts entries back that could not be written.
    func putBack(_ entries: [QuarantineEntry]) {
        state.withLock { state in
            state.entries = entries + state.entries[state.head...]
            state.head = 0
            state.bytes += entries.reduce(0) { $0 + $1.content.cost }
            trim(&state)
        }
    }

    /// Removes entries.
    /// - Returns: how many there were.
    func remove(where isRemoved: (QuarantineEntry) -> Bool) -> Int {
        state.withLock { state in
            let before = state.entries.count - state.head
            state.entries = state.entries[state.head...].filter { !isRemoved($0) }
            state.head = 0
            state.bytes = state.entries.reduce(0) { $0 + $1.content.cost }
            return before - state.entries.count
        }
    }

    /// A write has ended. Returns whether another one is due.
    func writeEnded() -> Bool {
        state.withLock { state in
            state.isWriteDue = state.head < state.entries.count
            return state.isWriteDue
        }
    }

    var entries: [QuarantineEntry] { state.withLock { Array($0.entries[$0.head...]) } }

    var figures: (count: Int, bytes: Int, dropped: Int64) {
        state.withLock { ($0.entries.count - $0.head, $0.bytes, $0.dropped) }
    }

    private func trim(_ state: inout State) {
        while state.entries.count - state.head > countMax || state.bytes > bytesMax, state.head < state.entries.count {
            state.bytes -= state.entries[state.head].content.cost
            state.head += 1
            state.dropped += 1
        }
        compact(&state)
    }

    private func compact(_ state: inout State) {
        if state.head == state.entries.count {
            state.entries.removeAll(keepingCapacity: state.entries.count <= 64)
            state.head = 0
        } else if state.head > 64 && state.head > state.entries.count / 2 {
            state.entries.removeFirst(state.head)
            state.head = 0
        }
    }
}
