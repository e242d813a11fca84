package import Base
package import Replication

/// A directory's log, as replication sees it: the places of all origins, in memory.
package final class LogInMemory: ReplicatedLog {
    private struct State: Sendable {
        var origin: Identity
        var places: [Identity: [SharedDelivery]] = [:]
        var observer: (@Sendable (Identity, [SharedDelivery]) -> Void)?
        var missing: [Identity: Set<Int64>] = [:]
        var waiters: [Int: (frontier: [Identity: Int64], body: @Sendable () -> Void)] = [:]
        var waitersSoFar = 0
    }

    private let state: Locked<State>

    package init(origin: Identity = .random()) { state = Locked(State(origin: origin)) }

    private init(_ state: State) {
        var state = state
        state.observer = nil
        state.waiters = [:]
        self.state = Locked(state)
    }

    /// The directory as a copy of its files would have it.
    package func copy() -> LogInMemory { LogInMemory(state.withLock { $0 }) }

    package var origin: Identity { state.withLock { $0.origin } }
    package var frontier: [Identity: Int64] { state.withLock { Self.frontier($0) } }

    private static func frontier(_ state: State) -> [Identity: Int64] {
        state.places.reduce(into: [:]) { frontier, of in
            frontier[of.key] = state.missing[of.key]?.min().map { $0 - 1 } ?? Int64(of.value.count)
        }
    }

    private static func covers(_ state: State, _ required: [Identity: Int64]) -> Bool {
        let frontier = frontier(state)
        return required.allSatisfy { frontier[$0.key] ?? 0 >= $0.value }
    }

    package func whenFolded(
        _ frontier: [Identity: Int64], _ body: @escaping @Sendable () -> Void
    ) -> (@Sendable () -> Bool)? {
        let ticket: Int? = state.withLock { state in
            if Self.covers(state, frontier) { return nil }
            state.waitersSoFar += 1
            state.waiters[state.waitersSoFar] = (frontier, body)
            return state.waitersSoFar
        }
        guard let ticket else {
            body()
            return nil
        }
        return { self.state.withLock { $0.waiters.removeValue(forKey: ticket) != nil } }
    }

    package func last(of origin: Identity) -> Int64 { Int64(places(of: origin).count) }

    /// Damage takes deliveries.
    package func lose(_ sequences: Set<Int64>, of origin: Identity) {
        state.withLock { state in
            state.missing[origin] = sequences
            for sequence in sequences {
                state.places[origin]?[Int(sequence) - 1] = .tombstone(SharedDelivery.lost, at: sequence)
            }
        }
    }

    package func places(of origin: Identity) -> [SharedDelivery] { state.withLock { $0.places[origin] ?? [] } }

    /// All bodies, whoever received them, sorted.
    package var bodies: [String] {
        state.withLock { $0.places.values.flatMap { $0 } }.filter { $0.source < SharedDelivery.lost }
            .map { String(decoding: $0.body, as: UTF8.self) }.sorted()
    }

    /// Receives deliveries here.
    /// - Returns: the last one's origin and sequence.
    @discardableResult
    package func receive(_ bodies: [String], at microseconds: Int64 = 1) -> (origin: Identity, sequence: Int64) {
        receive(bodies.map { (1, microseconds, Array($0.utf8)) })
    }

    private func receive(_ rows: [(source: UInt8, received: Int64, body: [UInt8])]) -> (Identity, Int64) {
        state.withLock { state in
            let start = Int64(state.places[state.origin]?.count ?? 0)
            let deliveries = rows.enumerated().map { index, row in
                SharedDelivery(
                    sequence: start + Int64(index) + 1, receivedMicroseconds: row.received, source: row.source,
                    body: row.body)
            }
            state.places[state.origin, default: []] += deliveries
            state.observer?(state.origin, deliveries)
            return (state.origin, start + Int64(rows.count))
        }
    }

    package func deliveries(
        of origin: Identity, after sequence: Int64, countMax: Int, bytesMax: Int
    ) throws(StoreError) -> [SharedDelivery] {
        var bytes = 0
        return Array(
            places(of: origin).dropFirst(Int(sequence)).prefix(countMax).prefix { delivery in
                bytes += delivery.body.count
                return bytes <= bytesMax || delivery.sequence == sequence + 1
            })
    }

    package func append(_ deliveries: [SharedDelivery], of origin: Identity) async throws(StoreError) {
        let isWhole = state.withLock { state in
            for delivery in deliveries {
                let count = Int64(state.places[origin]?.count ?? 0)
                if state.missing[origin]?.remove(delivery.sequence) != nil {
                    state.places[origin]?[Int(delivery.sequence) - 1] = delivery
                    if state.missing[origin]?.isEmpty == true { state.missing[origin] = nil }
                }
                if delivery.sequence <= count { continue }
                guard delivery.sequence == count + 1 else { return false }
                state.places[origin, default: []].append(delivery)
            }
            return true
        }
        let done = state.withLock { state in
            let done = state.waiters.filter { Self.covers(state, $0.value.frontier) }
            for ticket in done.keys { state.waiters[ticket] = nil }
            return done.values.map(\.body)
        }
        for body in done { body() }
        if !isWhole { throw StoreError(.damaged, "a gap") }
    }

    package func appendAnew(_ deliveries: [SharedDelivery]) async throws(StoreError) {
        _ = receive(deliveries.map { ($0.source, $0.receivedMicroseconds, $0.body) })
    }

    package func beginOrigin() throws(StoreError) -> Identity {
        let origin = Identity.random()
        state.withLock { $0.origin = origin }
        return origin
    }

    package func observeOwn(_ observer: (@Sendable (Identity, [SharedDelivery]) -> Void)?) {
        state.withLock { $0.observer = observer }
    }
}

/// What a directory remembers, in memory.
package final class MemoryInMemory: ReplicationMemory {
    private let bytes: Locked<[UInt8]?>

    package init(_ bytes: [UInt8]? = nil) { self.bytes = Locked(bytes) }

    package func copy() -> MemoryInMemory { MemoryInMemory(bytes.withLock { $0 }) }
    package func load() throws(StoreError) -> [UInt8]? { bytes.withLock { $0 } }
    package func save(_ memory: [UInt8]) throws(StoreError) { bytes.withLock { $0 = memory } }
}
