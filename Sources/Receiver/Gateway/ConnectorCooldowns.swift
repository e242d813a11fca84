package import Base
package import SessionModel

/// When sessions were last started, by connector: a value, told the time.
package struct ConnectorCooldowns: Sendable {
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
        if let startedAt = starts[key] {
            let left = startedAt.adding(seconds: seconds).microseconds(since: now)
            // A clock that was set back must not lock a connector for longer than the cooldown.
            if left > 0, left <= seconds * 1_000_000 { return (left + 999_999) / 1_000_000 }
        }
        restore(connectorId, startedAt: now)
        return nil
    }

    /// Notes a start of which the time is known.
    package mutating func restore(_ connectorId: String, startedAt: Instant) {
        guard seconds > 0 else { return }
        let key = SessionKey(connectorId)
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
