import Glibc
package import SessionModel

/// The wall clock and a monotonic one. Only the wiring reads them; everything below takes its time as a parameter.
package enum SystemClock {
    /// The wall clock's time (`CLOCK_REALTIME`).
    package static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }

    /// Nanoseconds of the monotonic clock, for durations.
    package static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
