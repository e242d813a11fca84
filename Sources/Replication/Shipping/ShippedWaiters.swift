internal import Base
internal import Dispatch

/// Whether a delivery is in the shared log.
package enum Durability: String, Sendable {
    /// Synced here, committed there.
    case replicated
    /// Synced here; it is shipped when the database answers.
    case local
}

/// Who waits for a delivery to be shipped, and for how long.
///
/// An outage costs each waiter the time that it brought along, once: as soon as one of them has waited in vain the shared
/// log counts as away, and nobody waits until the shipper has caught up with everything.
final class ShippedWaiters: Sendable {
    /// What can be expected of the shared log.
    enum Reach: Sendable, Equatable {
        /// Everything is shipped soon.
        case near
        /// It does not answer in time, or much is still to be shipped.
        case away
    }

    private struct Waiter {
        let origin: Identity
        let sequence: Int64
        let end: ContinuousClock.Instant
        let completion: @Sendable (Durability) -> Void
    }

    private struct State {
        var reach = Reach.away
        var origin = Identity.none
        var confirmed: Int64 = 0
        /// In the order of their sequences, nearly always; so the first ones are done first.
        var waiters: ArraySlice<Waiter> = []
        var isTimed = false
    }

    private let state = Locked(State())
    /// When somebody has waited long enough.
    private let deadlines = DispatchQueue(label: "chargefold.replication.deadlines", qos: .userInitiated)

    var reach: Reach { state.withLock { $0.reach } }

    /// Calls back once, at once or from another thread.
    func wait(
        for sequence: Int64, of origin: Identity, milliseconds: Int,
        completion: @escaping @Sendable (Durability) -> Void
    ) {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        let (answer, isFirst): (Durability?, Bool) = state.withLock { state in
            if state.origin == origin, state.confirmed >= sequence { return (.replicated, false) }
            guard state.reach == .near else { return (.local, false) }
            state.waiters.append(Waiter(origin: origin, sequence: sequence, end: end, completion: completion))
            defer { state.isTimed = true }
            return (nil, !state.isTimed)
        }
        if let answer { return completion(answer) }
        if isFirst { expire(in: milliseconds) }
    }

    /// Everything up to `sequence` is shipped and confirmed.
    func confirm(_ sequence: Int64, of origin: Identity) {
        let done: ArraySlice<Waiter> = state.withLock { state in
            (state.origin, state.confirmed) = (origin, sequence)
            let count = state.waiters.prefix { $0.origin == origin && $0.sequence <= sequence }.count
            defer { state.waiters = state.waiters.count == count ? [] : state.waiters.dropFirst(count) }
            return state.waiters.prefix(count)
        }
        for waiter in done { waiter.completion(.replicated) }
    }

    /// From now on nobody waits, and who waits is let go.
    func becomeAway() {
        let waiters = state.withLock { state in
            state.reach = .away
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.completion(.local) }
    }

    /// Everything is shipped: it is worth waiting again.
    func becomeNear() { state.withLock { $0.reach = .near } }

    private func expire(in milliseconds: Int) {
        deadlines.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { [weak self] in self?.expire() }
    }

    private func expire() {
        let now = ContinuousClock.now
        let next: ContinuousClock.Instant? = state.withLock { state in
            let next = state.waiters.lazy.map(\.end).min()
            state.isTimed = next.map { $0 > now } ?? false
            return next
        }
        guard let next else { return }
        if next <= now { return becomeAway() }
        let left = (next - now).components
        expire(in: Int(left.seconds * 1_000 + left.attoseconds / 1_000_000_000_000_000 + 1))
    }
}
