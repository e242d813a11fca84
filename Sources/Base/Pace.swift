import Glibc

/// Leaves nine tenths of the time to others: rests nine times as long as it has worked since the last rest. Idle threads too are in
/// the way of those that work, on the other half of a core and in its cache.
package struct Pace: Sendable {
    private var since = SystemClock.monotonicNanoseconds()

    package init() {}

    /// Blocks, for a tenth of a second at most: whoever ends the work waits for that.
    package mutating func rest() {
        usleep(UInt32(restNanoseconds(max: 100_000_000) / 1_000))
        since = SystemClock.monotonicNanoseconds()
    }

    /// The same for a task, for a second at most.
    package mutating func pause() async {
        await BackgroundExecutor.pause(nanoseconds: Int(restNanoseconds(max: 1_000_000_000)))
        since = SystemClock.monotonicNanoseconds()
    }

    private func restNanoseconds(max: UInt64) -> UInt64 { min(9 * (SystemClock.monotonicNanoseconds() - since), max) }
}
