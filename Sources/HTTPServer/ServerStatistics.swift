import Synchronization

/// A number that one worker writes and anybody reads.
final class Counter: Sendable {
    private let value = Atomic<Int>(0)

    var current: Int { value.load(ordering: .relaxed) }

    /// Only the owning worker may call this: load and store are cheaper than an atomic addition.
    func add(_ count: Int = 1) {
        value.store(value.load(ordering: .relaxed) &+ count, ordering: .relaxed)
    }
}

/// The counters of one worker.
final class WorkerCounters: Sendable {
    let accepted = Counter()
    let closed = Counter()
    let requests = Counter()
    let bytesIn = Counter()
    let bytesOut = Counter()
    let timeouts = Counter()
    let shed = Counter()
    let acceptPauses = Counter()
    let streams = Counter()
    let errors: [Counter] = HTTPError.Code.allCases.map { _ in Counter() }
}

/// What the server has done since it was started; for metrics.
package struct ServerStatistics: Sendable {
    package var connectionsAccepted = 0
    package var connectionsOpen = 0
    /// Requests that were given to the handler, or refused by it.
    package var requests = 0
    package var bytesIn = 0
    package var bytesOut = 0
    /// Connections closed because a deadline passed.
    package var timeouts = 0
    /// Connections answered 503 or closed because too many were open.
    package var connectionsShed = 0
    /// How often accepting paused because descriptors ran out.
    package var acceptPauses = 0
    /// Streams opened.
    package var streams = 0
    /// Requests that never reached the handler, by reason, in the order of `HTTPError.Code.allCases`.
    package var errors: [(error: HTTPError, count: Int)] = []

    init(_ workers: [WorkerCounters]) {
        for worker in workers {
            connectionsAccepted += worker.accepted.current
            connectionsOpen += worker.accepted.current - worker.closed.current
            requests += worker.requests.current
            bytesIn += worker.bytesIn.current
            bytesOut += worker.bytesOut.current
            timeouts += worker.timeouts.current
            connectionsShed += worker.shed.current
            acceptPauses += worker.acceptPauses.current
            streams += worker.streams.current
        }
        errors = HTTPError.Code.allCases.map { code in
            (HTTPError(code), workers.reduce(0) { $0 + $1.errors[code.rawValue].current })
        }
    }
}
