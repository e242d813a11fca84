internal import Base

/// Up to where the deliveries of others are folded here, and who waits for more of them.
final class FoldedFrontier: Sendable {
    private struct Waiter {
        let required: [Identity: Int64]
        let completion: @Sendable (Bool) -> Void
    }

    private struct State {
        var folded: [Identity: Int64]
        var waiters: [Int: Waiter] = [:]
        var nextWaiter = 0
    }

    private let state: Locked<State>

    /// - Parameter frontier: what the directory has at its opening, all of it folded or about to be.
    init(_ frontier: [Identity: Int64]) {
        state = Locked(State(folded: frontier))
    }

    func advance(_ origin: Identity, to sequence: Int64) {
        let done: [Waiter] = state.withLock { state in
            state.folded[origin] = max(state.folded[origin] ?? 0, sequence)
            let folded = state.folded
            let done = state.waiters.filter { Self.covers(folded, $0.value.required) }
            for key in done.keys { state.waiters[key] = nil }
            return Array(done.values)
        }
        for waiter in done { waiter.completion(true) }
    }

    /// Calls back with true once everything up to there is folded, now or later; with false where the work ends before.
    /// - Returns: to be given to `giveUp`; nil where it has called back already.
    func wait(for required: [Identity: Int64], completion: @escaping @Sendable (Bool) -> Void) -> Int? {
        let ticket: Int? = state.withLock { state in
            guard !Self.covers(state.folded, required) else { return nil }
            state.nextWaiter += 1
            state.waiters[state.nextWaiter] = Waiter(required: required, completion: completion)
            return state.nextWaiter
        }
        if ticket == nil { completion(true) }
        return ticket
    }

    /// Lets somebody go who has waited long enough.
    func giveUp(_ ticket: Int) {
        state.withLock { $0.waiters.removeValue(forKey: ticket) }?.completion(false)
    }

    func giveUpAll() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.completion(false) }
    }

    private static func covers(_ folded: [Identity: Int64], _ required: [Identity: Int64]) -> Bool {
        required.allSatisfy { folded[$0.key] ?? 0 >= $0.value }
    }
}
