internal import Base

/// Durations counted in buckets, as Prometheus' classic histogram. Safe from any thread.
package final class DurationHistogram: Sendable {
    /// Upper bounds of the buckets in microseconds, as the metrics page shows them in seconds.
    package static let boundsMicroseconds: [UInt64] = [
        250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000, 5_000_000,
        10_000_000, 30_000_000,
    ]

    private let buckets: [Counter]
    private let sumMicroseconds = Counter()

    package init() {
        buckets = (0...Self.boundsMicroseconds.count).map { _ in Counter() }
    }

    package func record(microseconds: UInt64) {
        let index = Self.boundsMicroseconds.firstIndex { microseconds <= $0 } ?? Self.boundsMicroseconds.count
        buckets[index].increment()
        sumMicroseconds.increment(by: microseconds)
    }

    /// The number of durations at or under each bound, the last one being all of them; and their sum.
    package func snapshot() -> (cumulative: [UInt64], sumMicroseconds: UInt64) {
        var total: UInt64 = 0
        let cumulative = buckets.map { bucket in
            total += bucket.value
            return total
        }
        return (cumulative, sumMicroseconds.value)
    }
}
