internal import Base
internal import Synchronization

/// One delivery to make durable, and whom to tell. A reference, so that passing it on costs one count instead of one for
/// every string and array of a delivery.
final class PendingItem: Sendable {
    let delivery: Delivery
    let completion: IngestCompletion

    init(_ delivery: consuming Delivery, _ completion: @escaping IngestCompletion) {
        self.delivery = delivery
        self.completion = completion
    }

    /// Bytes it counts for against the queue's bound: the body, and a guess at everything around it.
    var cost: Int { delivery.body.count + 512 }

    func fail(_ error: StoreError) {
        completion(.failure(error))
    }
}

/// What waits for the next commit. Its bounds count everything that has no answer yet, wherever it is on its way.
final class PendingQueue: Sendable {
    private struct State {
        var items: [PendingItem] = []
        var itemBytes = 0
        var unansweredCount = 0
        var unansweredBytes = 0
        /// A drain is queued or running.
        var isScheduled = false
        var isClosed = false
    }

    enum Admission { case refused, queued, mustSchedule }

    private let state = Locked(State())
    private let pressed = Atomic(false)
    private let countMax: Int
    private let bytesMax: Int

    init(countMax: Int, bytesMax: Int) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    func add(_ item: PendingItem) -> Admission {
        let cost = item.cost
        return state.withLock { state in
            guard !state.isClosed, state.unansweredCount < countMax, state.unansweredBytes + cost <= bytesMax else {
                return .refused
            }
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

    /// Takes the next batch, or nil when nothing waits: then the next `add` must schedule a drain again.
    func takeBatch(countMax: Int, bytesMax: Int) -> [PendingItem]? {
        state.withLock { state in
            guard !state.items.isEmpty else {
                state.isScheduled = false
                return nil
            }
            if state.items.count <= countMax && state.itemBytes <= bytesMax {
                var batch: [PendingItem] = []
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
    }

    /// Gives back the room of items that have their answer.
    func release(count: Int, bytes: Int) {
        state.withLock { state in
            state.unansweredCount -= count
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

    var isEmpty: Bool { state.withLock { $0.items.isEmpty } }

    var load: (count: Int, bytes: Int) {
        state.withLock { ($0.unansweredCount, $0.unansweredBytes) }
    }
}
