/// What is due when: a binary heap. What is due at the same time comes out in the order in which it went in.
///
/// A value without a clock: tested without waiting.
struct Scheduler<Action: Sendable>: Sendable {
    private struct Entry: Sendable {
        let due: Int64
        let number: UInt64
        let action: Action

        func isBefore(_ other: Entry) -> Bool {
            due != other.due ? due < other.due : number < other.number
        }
    }

    private var heap: [Entry] = []
    private var inserted: UInt64 = 0

    var count: Int { heap.count }

    /// All that is planned, in no order.
    var actions: some Sequence<Action> { heap.lazy.map(\.action) }

    /// When the next action is due, in microseconds of the sandbox's clock.
    var nextDue: Int64? { heap.first?.due }

    mutating func insert(_ action: Action, due: Int64) {
        heap.append(Entry(due: due, number: inserted, action: action))
        inserted += 1
        var index = heap.count - 1
        while index > 0, heap[index].isBefore(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Takes the next action out, if it is due by then.
    mutating func removeFirst(dueBy time: Int64) -> (action: Action, due: Int64)? {
        guard let first = heap.first, first.due <= time else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sinkRoot()
        }
        return (first.action, first.due)
    }

    private mutating func sinkRoot() {
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            guard least != index else { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
