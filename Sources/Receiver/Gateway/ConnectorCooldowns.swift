package import Base
import SessionIndex
import SessionModel
import SessionStore

/// When sessions were last started on each connector: what the gateway turns tries away by, and what drivers are told.
/// Safe from any thread.
package final class ConnectorCooldowns: Sendable {
    /// How long a connector cools down; 0: not at all.
    package let seconds: Int64
    private let starts: Locked<ConnectorStarts>

    /// - Parameter countMax: connectors whose last start is remembered; beyond it the oldest goes.
    package init(seconds: Int64, countMax: Int = 100_000) {
        self.seconds = seconds
        starts = Locked(ConnectorStarts(seconds: seconds, countMax: countMax))
    }

    /// Notes a start, unless the connector still cools down.
    ///
    /// - Returns: nil when it may go on, else the whole seconds to wait.
    package func begin(_ connectorId: String, now: Instant) -> Int64? {
        starts.withLock { $0.begin(connectorId, now: now) }
    }

    /// Notes a start of which the time is known.
    package func note(_ connectorId: String, startedAt: Instant) {
        starts.withLock { $0.note(connectorId, startedAt: startedAt) }
    }

    /// Takes a start back that never reached the charge point operator.
    package func cancel(_ connectorId: String, startedAt: Instant) {
        starts.withLock { $0.cancel(connectorId, startedAt: startedAt) }
    }

    /// The latest start on a connector, while it cools down.
    package func latest(_ connectorId: String, now: Instant) -> Instant? {
        starts.withLock { $0.latest(connectorId, now: now) }
    }

    /// Starts that were asked for before this process began count too.
    func restore(from store: any SessionStore, now: Instant) async throws(StoreError) {
        let requested = SessionSelection(.requested(from: now.adding(seconds: -seconds)), limit: 10_000)
        for record in try await store.select(requested).records {
            guard let connector = record.state.enrichment.string(.connectorId), let start = record.requestedAt
            else { continue }
            note(connector, startedAt: start)
        }
    }
}

/// When sessions were last started, by connector: a value, told the time.
package struct ConnectorStarts: Sendable {
    private let seconds: Int64
    private let countMax: Int
    private var starts: [SessionKey: Instant] = [:]
    /// In order of their start; entries that were taken back or overtaken are passed over.
    private var order: [(connector: SessionKey, startedAt: Instant)] = []
    private var orderStart = 0

    /// - Parameter seconds: how long a connector cools down; 0: not at all.
    package init(seconds: Int64, countMax: Int) {
        self.seconds = seconds
        self.countMax = countMax
    }

    package var count: Int { starts.count }

    /// Notes a start, unless the connector still cools down.
    ///
    /// - Returns: nil when it may go on, else the whole seconds to wait.
    package mutating func begin(_ connectorId: String, now: Instant) -> Int64? {
        forget(now)
        let key = SessionKey(connectorId)
        if let left = microsecondsLeft(key, now) { return (left + 999_999) / 1_000_000 }
        add(key, now)
        return nil
    }

    /// The latest start on a connector, while it cools down.
    package func latest(_ connectorId: String, now: Instant) -> Instant? {
        let key = SessionKey(connectorId)
        return microsecondsLeft(key, now).flatMap { _ in starts[key] }
    }

    /// nil where the connector is free.
    private func microsecondsLeft(_ key: SessionKey, _ now: Instant) -> Int64? {
        guard let startedAt = starts[key] else { return nil }
        let left = startedAt.adding(seconds: seconds).microseconds(since: now)
        // A clock that was set back must not lock a connector for longer than the cooldown.
        return left > 0 && left <= seconds * 1_000_000 ? left : nil
    }

    /// Notes a start of which the time is known.
    package mutating func note(_ connectorId: String, startedAt: Instant) {
        let key = SessionKey(connectorId)
        if let known = starts[key], known >= startedAt { return }
        add(key, startedAt)
    }

    private mutating func add(_ key: SessionKey, _ startedAt: Instant) {
        guard seconds > 0 else { return }
        starts[key] = startedAt
        order.append((key, startedAt))
        if starts.count > countMax { removeOldest() }
        if orderStart > 1024, orderStart * 2 > order.count {
            order.removeFirst(orderStart)
            orderStart = 0
        }
    }

    /// Takes a start back that never reached the charge point operator.
    package mutating func cancel(_ connectorId: String, startedAt: Instant) {
        let key = SessionKey(connectorId)
        if starts[key] == startedAt { starts[key] = nil }
    }

    private mutating func forget(_ now: Instant) {
        let limit = now.adding(seconds: -seconds)
        while orderStart < order.count, order[orderStart].startedAt <= limit { removeOldest() }
    }

    private mutating func removeOldest() {
        while orderStart < order.count {
            let oldest = order[orderStart]
            orderStart += 1
            if starts[oldest.connector] == oldest.startedAt {
                starts[oldest.connector] = nil
                return
            }
        }
    }
}
