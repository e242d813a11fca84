internal import Base

/// What is received here and not shipped yet, from memory as far as there is room.
///
/// Deliveries come from the log's queue while they are made durable. What does not fit is let go: it is durable when the next
/// ones come, and the shipper reads it from the log, so memory bounds what is kept and never what can wait.
final class OwnBacklog: Sendable {
    private struct State {
        var origin = Identity.none
        /// The last one; what lies between the last kept and this one is in the log only.
        var last: Int64 = 0
        /// Consecutive, of `origin`.
        var kept: ArraySlice<SharedDelivery> = []
        var keptBytes = 0
        /// When the oldest one that waits was received; nil where nothing waits or nobody knows.
        var oldestMicroseconds: Int64?
    }

    private let state = Locked(State())
    private let bytesMax: Int

    init(bytesMax: Int = 16 << 20) {
        self.bytesMax = bytesMax
    }

    /// A delivery's share of memory beside its body.
    private static let overheadBytes = 80

    /// Takes what is being made durable.
    func add(_ origin: Identity, _ deliveries: [SharedDelivery]) {
        guard let last = deliveries.last else { return }
        state.withLock { state in
            if state.origin != origin { state = State(origin: origin) }
            if state.oldestMicroseconds == nil { state.oldestMicroseconds = deliveries[0].receivedMicroseconds }
            let follows = state.kept.isEmpty || state.kept.last?.sequence == deliveries[0].sequence - 1
            let bytes = Self.bytes(deliveries)
            if !follows || state.keptBytes + bytes > bytesMax {
                state.kept = []
                state.keptBytes = 0
            }
            if bytes <= bytesMax {
                state.kept += deliveries
                state.keptBytes += bytes
            }
            state.last = max(state.last, last.sequence)
        }
    }

    /// What follows `sequence`, as far as it is here and within the bounds. Everything before it goes.
    func take(_ origin: Identity, after sequence: Int64, countMax: Int, bytesMax: Int) -> [SharedDelivery] {
        state.withLock { state in
            guard state.origin == origin else { return [] }
            let shipped = state.kept.prefix { $0.sequence <= sequence }
            state.keptBytes -= Self.bytes(shipped)
            state.kept = state.kept.dropFirst(shipped.count)
            if state.kept.isEmpty { state.kept = [] }
            guard let first = state.kept.first else {
                if sequence >= state.last { state.oldestMicroseconds = nil }
                return []
            }
            state.oldestMicroseconds =
                first.sequence == sequence + 1 ? first.receivedMicroseconds : state.oldestMicroseconds
            guard first.sequence == sequence + 1 else { return [] }
            var bytes = 0
            return Array(
                state.kept.prefix(countMax).prefix { delivery in
                    bytes += delivery.body.count
                    return bytes <= bytesMax || delivery.sequence == first.sequence
                })
        }
    }

    /// Forgets what is durable: the log has it.
    /// - Parameter last: of an origin, in the log.
    func dropDurable(last: (Identity) -> Int64) {
        state.withLock { state in
            let last = last(state.origin)
            let dropped = state.kept.prefix { $0.sequence <= last }
            state.keptBytes -= Self.bytes(dropped)
            state.kept = Array(state.kept.dropFirst(dropped.count))[...]
        }
    }

    private static func bytes(_ deliveries: some Sequence<SharedDelivery>) -> Int {
        deliveries.reduce(0) { $0 + $1.body.count + overheadBytes }
    }

    /// Notes what the log had to be asked for.
    func noteOldest(_ origin: Identity, _ microseconds: Int64) {
        state.withLock { state in
            if state.origin == .none { state.origin = origin }
            if state.origin == origin { state.oldestMicroseconds = microseconds }
        }
    }

    /// When the oldest one that waits was received; nil: nothing waits, or nobody knows.
    var oldestMicroseconds: Int64? { state.withLock { $0.oldestMicroseconds } }
}
