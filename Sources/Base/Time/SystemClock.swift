internal import Glibc

/// The wall clock and a monotonic one. Only the wiring reads them; everything below takes its time as a parameter, or a
/// clock as a value, so that tests choose it.
package enum SystemClock {
    /// The wall clock's time (`CLOCK_REALTIME`), to the odd nanosecond: as text it always has nine digits of a fraction.
    package static func now() -> Instant {
        let time = read(CLOCK_REALTIME)
        return Instant(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec | 1))
    }

    /// Nanoseconds of the monotonic clock, for durations.
    package static func monotonicNanoseconds() -> UInt64 {
        let time = read(CLOCK_MONOTONIC)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Whole seconds of the wall clock, as of the kernel's last tick: for those that ask in each turn of a loop.
    package static func coarseSeconds() -> Int {
        read(CLOCK_REALTIME_COARSE).tv_sec
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        clock_gettime(clock, &time)
        return time
    }
}
