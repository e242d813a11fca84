internal import Base
internal import Synchronization

extension LogItem {
    /// Bytes it counts for against the queue's bound: the body, and a guess at everything around it.
    var cost: Int { body.count + 512 }
}

/// What waits for the next commit. Its bounds count everything that has no answer yet, wherever it is on its way.
final class PendingQueue: Sendable {
    private struct State {
        var items: [any LogItem] = []
        var itemBytes = 0
        /// What others have received: whoever brings it waits for each piece, so these are few.
        var pulled: [PulledRows] = []
        var unansweredCount = 0
        var unansweredBytes = 0
        /// A drain is queued or running.
        var isScheduled = false
        var isClosed = false
    }

    enum Admission { case full, closed, queued, mustSchedule }

    private let state = Locked(State())
    private let pressed = Atomic(false)
    private let countMax: Int
    private let bytesMax: Int

    init(countMax: Int, bytesMax: Int) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    func add(_ item: any LogItem) -> Admission {
        let cost = item.cost
        return state.withLock { state in
            guard !state.isClosed else { return .closed }
            guard state.unansweredCount < countMax, state.unansweredBytes + cost <= bytesMax else { return .full }
            state.items.append(item)
            state.itemBytes += cost
            state.unansweredCount += 1
            state.unansweredBytes += cost
            updatePressure(state)
            if state.isScheduled { return .queued }
            state.isScheduled = true
            return .mustSchedule
        }
    }

    /// Pieces that may wait.
    private static let pulledMax = 16

    func add(_ pulled: PulledRows) -> Admission {
        state.withLock { state in
            guard !state.isClosed else { return .closed }
            guard state.pulled.count < Self.pulledMax else { return .full }
            state.pulled.append(pulled)
            if state.isScheduled { return .queued }
            state.isScheduled = true
            return .mustSchedule
        }
    }

    /// What goes into one commit.
    struct Batch {
        var items: [any LogItem]
        var pulled: PulledRows?
    }

    /// Takes the next batch, or nil when nothing waits: then the next `add` must schedule a drain again.
    func takeBatch(countMax: Int, bytesMax: Int) -> Batch? {
        state.withLock { state in
            guard !state.items.isEmpty || !state.pulled.isEmpty else {
                state.isScheduled = false
                return nil
            }
            let pulled = state.pulled.isEmpty ? nil : state.pulled.removeFirst()
            return Batch(items: Self.takeItems(&state, countMax, bytesMax), pulled: pulled)
        }
    }

    private static func takeItems(_ state: inout State, _ countMax: Int, _ bytesMax: Int) -> [any LogItem] {
        if state.items.count <= countMax && state.itemBytes <= bytesMax {
            var batch: [any LogItem] = []
            // The next batch is likely to be as large as this one.
            batch.reserveCapacity(state.items.count)
            swap(&batch, &state.items)
            state.itemBytes = 0
            return batch
        }
        var count = 0
        var bytes = 0
        while count < state.items.count, count < countMax {
            let cost = state.items[count].cost
            if count > 0 && bytes + cost > bytesMax { break }
            bytes += cost
            count += 1
        }
        let batch = Array(state.items[..<count])
        state.items.removeFirst(count)
        state.itemBytes -= bytes
        return batch
    }

    /// Gives back the room of items that have their answer.
    func release(_ items: [any LogItem]) {
        let bytes = items.reduce(0) { $0 + $1.cost }
        state.withLock { state in
            state.unansweredCount -= items.count
            state.unansweredBytes -= bytes
            updatePressure(state)
        }
    }

    /// Half of either bound is taken: what can wait, such as queries, should make way.
    var isUnderPressure: Bool { pressed.load(ordering: .relaxed) }

    private func updatePressure(_ state: State) {
        let isPressed = state.unansweredCount * 2 >= countMax || state.unansweredBytes * 2 >= bytesMax
        if isPressed != pressed.load(ordering: .relaxed) { pressed.store(isPressed, ordering: .relaxed) }
    }

    /// From here on nothing is admitted.
    func close() {
        state.withLock { $0.isClosed = true }
    }

    var isClosed: Bool { state.withLock { $0.isClosed } }

    var isEmpty: Bool { state.withLock { $0.items.isEmpty && $0.pulled.isEmpty } }

    var load: (count: Int, bytes: Int) {
        state.withLock { ($0.unansweredCount, $0.unansweredBytes) }
    }
}
