/// Deliveries by their time of arrival, the earliest first; those of the same time in the order in which they came in.
/// A binary heap.
struct DeliveryQueue: Sendable {
    private struct Entry: Sendable {
        let delivery: GeneratedDelivery
        let number: Int

        func isBefore(_ other: Entry) -> Bool {
            delivery.deliveredAt != other.delivery.deliveredAt
                ? delivery.deliveredAt < other.delivery.deliveredAt : number < other.number
        }
    }

    private var heap: [Entry] = []
    private var inserted = 0

    var count: Int { heap.count }
    var first: GeneratedDelivery? { heap.first?.delivery }

    mutating func insert(_ delivery: GeneratedDelivery) {
        heap.append(Entry(delivery: delivery, number: inserted))
        inserted += 1
        var index = heap.count - 1
        while index > 0, heap[index].isBefore(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func removeFirst() -> GeneratedDelivery? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first.delivery }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
                least = child
            }
            guard least != index else { return first.delivery }
            heap.swapAt(index, least)
            index = least
        }
    }
}
