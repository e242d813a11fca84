internal import Base

/// Verified bodies that wait for their commit, within bounds: what arrives while one commit runs shares the next.
final class VerifiedQueue: Sendable {
    struct Item: Sendable {
        let body: QuarantinedBody
        let completion: @Sendable (Result<Int64, StoreError>) -> Void
    }

    enum Admission { case refused, queued, mustSchedule }

    private struct State {
        var items: [Item] = []
        var bytes = 0
    }

    private let state = Locked(State())
    private let countMax: Int
    private let bytesMax: Int

    init(countMax: Int, bytesMax: Int) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    func add(_ item: Item) -> Admission {
        state.withLock { state in
            guard state.items.count < countMax, state.bytes + item.body.cost <= bytesMax else { return .refused }
            state.items.append(item)
            state.bytes += item.body.cost
            return state.items.count == 1 ? .mustSchedule : .queued
        }
    }

    /// Everything that waits; the next one added must schedule a commit again.
    func takeAll() -> [Item] {
        state.withLock { state in
            defer { state = State() }
            return state.items
        }
    }
}
