/// A point in time, exact to the nanosecond, between the years 0000 and 9999 (what RFC 3339 can write).
///
/// Time zones do not exist here: text forms with different offsets that mean the same moment are equal instants.
package struct Instant: Hashable, Comparable, Sendable {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    package let seconds: Int64
    /// 0 to 999,999,999.
    package let nanoseconds: Int32

    /// 0000-01-01T00:00:00Z
    package static let earliest = Instant(seconds: earliestSeconds)
    /// 9999-12-31T23:59:59.999999999Z
    package static let latest = Instant(seconds: latestSeconds, nanoseconds: 999_999_999)
    /// 1970-01-01T00:00:00Z
    package static let epoch = Instant(seconds: 0)

    package static let earliestSeconds: Int64 = -62_167_219_200
    package static let latestSeconds: Int64 = 253_402_300_799

    /// Nanoseconds outside 0..<1,000,000,000 are carried into the seconds; what lies outside the years 0000 to 9999
    /// becomes the nearest instant inside them.
    package init(seconds: Int64, nanoseconds: Int32 = 0) {
        var carry = Int64(nanoseconds) / 1_000_000_000
        var rest = nanoseconds % 1_000_000_000
        if rest < 0 {
            rest += 1_000_000_000
            carry -= 1
        }
        let (sum, overflow) = seconds.addingReportingOverflow(carry)
        if overflow || sum > Self.latestSeconds || sum < Self.earliestSeconds {
            let isLate = overflow ? carry > 0 : sum > 0
            self.seconds = isLate ? Self.latestSeconds : Self.earliestSeconds
            self.nanoseconds = isLate ? 999_999_999 : 0
        } else {
            self.seconds = sum
            self.nanoseconds = rest
        }
    }

    /// Outside the years 0000 to 9999 this becomes the nearest instant inside them.
    package init(microsecondsSince1970: Int64) {
        var seconds = microsecondsSince1970 / 1_000_000
        var rest = microsecondsSince1970 % 1_000_000
        if rest < 0 {
            rest += 1_000_000
            seconds -= 1
        }
        self.init(seconds: seconds, nanoseconds: Int32(rest) * 1000)
    }

    /// Rounded down to the microsecond.
    package var microsecondsSince1970: Int64 {
        seconds * 1_000_000 + Int64(nanoseconds) / 1000
    }

    /// Rounded down to the millisecond.
    package var millisecondsSince1970: Int64 {
        seconds * 1000 + Int64(nanoseconds) / 1_000_000
    }

    package static func < (left: Instant, right: Instant) -> Bool {
        left.seconds != right.seconds ? left.seconds < right.seconds : left.nanoseconds < right.nanoseconds
    }

    /// Later by that many seconds (earlier, where negative); stops at the bounds of the years 0000 and 9999.
    package func adding(seconds delta: Int64) -> Instant {
        let (sum, overflow) = seconds.addingReportingOverflow(delta)
        if overflow { return delta > 0 ? .latest : .earliest }
        return Instant(seconds: sum, nanoseconds: nanoseconds)
    }

    /// Microseconds from `other` to this instant; negative where this one is the earlier.
    package func microseconds(since other: Instant) -> Int64 {
        microsecondsSince1970 - other.microsecondsSince1970
    }
}
