internal import Base

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
        func total(_ counter: KeyPath<WorkerCounters, Counter>) -> Int {
            workers.reduce(0) { $0 + Int($1[keyPath: counter].value) }
        }
        connectionsAccepted = total(\.accepted)
        connectionsOpen = total(\.accepted) - total(\.closed)
        requests = total(\.requests)
        bytesIn = total(\.bytesIn)
        bytesOut = total(\.bytesOut)
        timeouts = total(\.timeouts)
        connectionsShed = total(\.shed)
        acceptPauses = total(\.acceptPauses)
        streams = total(\.streams)
        errors = HTTPError.Code.allCases.map { (HTTPError($0), total(\.errors[$0.rawValue])) }
    }
}
