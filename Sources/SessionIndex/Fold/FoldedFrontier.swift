package import Base
internal import EventLog
internal import SessionModel

/// Up to which places every delivery is in the records, and who waits for more. From any thread.
///
/// A lower bound: while a part of the log is still being folded it stays where it was. It outlives an index, so that who
/// waits goes on waiting while another one takes its place.
package final class FoldedFrontier: Sendable {
    private struct Waiter {
        let frontier: [Identity: Int64]
        let body: @Sendable () -> Void
    }

    private struct State {
        var places = LogPlaces.empty
        var waiters: [UInt64: Waiter] = [:]
        var lastTicket: UInt64 = 0
    }

    private let state = Locked(State())

    package init() {}

    package var now: [Identity: Int64] { state.withLock { $0.places.frontier } }

    package func covers(_ frontier: [Identity: Int64]) -> Bool { state.withLock { $0.places.covers(frontier) } }

    /// Runs `body` once everything up to a frontier is in the records: now, or on the log's queue.
    /// - Returns: cancels that, and returns false where it was too late; nil where it has run already.
    package func wait(
        for frontier: [Identity: Int64], _ body: @escaping @Sendable () -> Void
    ) -> (@Sendable () -> Bool)? {
        let ticket: UInt64? = state.withLock { state in
            if state.places.covers(frontier) { return nil }
            state.lastTicket += 1
            state.waiters[state.lastTicket] = Waiter(frontier: frontier, body: body)
            return state.lastTicket
        }
        guard let ticket else {
            body()
            return nil
        }
        return { self.state.withLock { $0.waiters.removeValue(forKey: ticket) != nil } }
    }

    /// Damage had taken a delivery, perhaps before it was folded: whoever asks for it from now on waits until it is in the
    /// records again.
    func retreat(from place: Place) {
        state.withLock { state in
            guard state.places.has(place.origin, place.sequence) else { return }
            state.places.noteMissing(place.sequence...place.sequence, of: place.origin)
        }
    }

    func advance(to places: LogPlaces) {
        let done: [Waiter] = state.withLock { state in
            state.places = places
            guard !state.waiters.isEmpty else { return [] }
            let covered = state.waiters.filter { places.covers($0.value.frontier) }
            for ticket in covered.keys { state.waiters[ticket] = nil }
            return Array(covered.values)
        }
        for waiter in done { waiter.body() }
    }
}
