package import Base

/// Callbacks answered since the start of the process, by outcome.
package struct CallbackCounts: Sendable, Equatable {
    package var accepted: UInt64 = 0
    package var duplicate: UInt64 = 0
    /// Could not be made durable.
    package var unavailable: UInt64 = 0
    package var refused: [ReceiverMetrics.RefusedCallback: UInt64] = [:]

    package init() {}

    package var refusedTotal: UInt64 { refused.values.reduce(0, &+) }
}

/// What callbacks came to in each minute of the last hour: the counters, as they stood when each minute began. A value, told
/// the time.
package struct CallbackMinutes: Sendable {
    package static let count = 60

    package struct Minute: Sendable, Equatable {
        package let at: Instant
        package let accepted, duplicate, refused, unavailable: UInt64
    }

    /// The latest last; the counters of the process's start stand at the first one.
    private var beginnings: [(minute: Int64, counts: CallbackCounts)] = []

    package init() {}

    /// Takes note of the counters; called at least once a minute.
    package mutating func note(_ counts: CallbackCounts, at now: Instant) {
        let minute = now.seconds / 60
        // A clock that was set back, or far ahead, begins anew.
        if let last = beginnings.last, last.minute > minute || last.minute + Int64(Self.count) < minute {
            beginnings = []
        }
        guard beginnings.last?.minute != minute else { return }
        beginnings.append((minute, counts))
        if beginnings.count > Self.count { beginnings.removeFirst(beginnings.count - Self.count) }
    }

    /// The last hour, minute by minute, the one that `now` is in at the end.
    package func minutes(_ counts: CallbackCounts, now: Instant) -> [Minute] {
        let last = now.seconds / 60
        var found: [Int64: Minute] = [:]
        for (index, beginning) in beginnings.enumerated() {
            let end = index + 1 < beginnings.count ? beginnings[index + 1].counts : counts
            found[beginning.minute] = Minute(
                at: Instant(seconds: beginning.minute * 60), accepted: end.accepted - beginning.counts.accepted,
                duplicate: end.duplicate - beginning.counts.duplicate,
                refused: end.refusedTotal - beginning.counts.refusedTotal,
                unavailable: end.unavailable - beginning.counts.unavailable)
        }
        return (last - Int64(Self.count) + 1...last).map { minute in
            found[minute]
                ?? Minute(at: Instant(seconds: minute * 60), accepted: 0, duplicate: 0, refused: 0, unavailable: 0)
        }
    }

    /// The counters as they stood an hour ago, or at the start.
    package func anHourAgo(now: Instant) -> CallbackCounts {
        let first = now.seconds / 60 - Int64(Self.count) + 1
        return beginnings.first { $0.minute >= first }?.counts ?? beginnings.last?.counts ?? CallbackCounts()
    }
}

extension ReceiverMetrics {
    package var callbackCounts: CallbackCounts {
        var counts = CallbackCounts()
        counts.accepted = accepted.value
        counts.duplicate = duplicates.value
        counts.unavailable = unavailable.value
        counts.refused = refusedCallbacks.mapValues(\.value)
        return counts
    }
}
