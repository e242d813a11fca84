/// The instant that `X-HMAC-SHA512-SignedAt` names.
///
/// Upstream does not document the format (domain.md, "Authenticity"): RFC 3339, Unix seconds (with an optional
/// fraction) and Unix milliseconds are read. The header is not covered by the signature and proves nothing.
package struct SignedAt: Sendable, Equatable {
    /// The header, as the Drive API spells it.
    package static let headerName = "X-HMAC-SHA512-SignedAt"

    /// Whole seconds since 1970 UTC, rounded down.
    package let secondsSince1970: Int64
    /// The fraction of the second: 0 to 999,999,999.
    package let nanoseconds: Int32

    /// - Returns: `nil` when `text` is in none of the three formats. Surrounding white space is ignored.
    package init?(_ text: UnsafeRawBufferPointer) {
        let text = text.trimmingOptionalWhitespace
        guard !text.isEmpty, text.count <= 64 else { return nil }
        var reader = FieldReader(text)
        guard let parsed = text.contains(UInt8(ascii: ":")) ? reader.rfc3339() : reader.unixTime() else { return nil }
        (secondsSince1970, nanoseconds) = parsed
    }

    /// See ``init(_:)-(UnsafeRawBufferPointer)``.
    package init?(_ text: String) {
        var text = text
        guard let parsed = text.withUTF8({ SignedAt(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = parsed
    }
}

/// How far `X-HMAC-SHA512-SignedAt` may be from the receiver's clock, in either direction.
package struct FreshnessWindow: Sendable, Equatable {
    /// What the window says about a header.
    package enum Verdict: Sendable, Equatable {
        case fresh, stale, malformed, missing
    }

    /// Half the width of the window, in seconds.
    package let seconds: Int64

    package init(seconds: Int64) {
        self.seconds = seconds
    }

    /// Judges the header's value at the time `nowSeconds` (seconds since 1970).
    package func verify(signedAt: UnsafeRawBufferPointer?, nowSeconds: Int64) -> Verdict {
        guard let signedAt, !signedAt.trimmingOptionalWhitespace.isEmpty else { return .missing }
        guard let instant = SignedAt(signedAt) else { return .malformed }
        let (distance, overflow) = nowSeconds.subtractingReportingOverflow(instant.secondsSince1970)
        return !overflow && distance.magnitude <= UInt64(clamping: seconds) ? .fresh : .stale
    }
}

private struct FieldReader {
    private let bytes: UnsafeRawBufferPointer
    private var index = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Digits with an optional fraction. From 10^11 on a whole number counts as milliseconds: as seconds that would
    /// be the year 5138, and as milliseconds everything below it is before March 1973.
    mutating func unixTime() -> (Int64, Int32)? {
        let start = index
        while index < bytes.count, isDigit(bytes[index]) { index += 1 }
        guard (1...15).contains(index - start), let whole = number(in: start..<index) else { return nil }
        if whole >= 100_000_000_000 {
            guard index == bytes.count else { return nil }
            return (whole / 1000, Int32(whole % 1000) * 1_000_000)
        }
        guard let fraction = fraction(), index == bytes.count else { return nil }
        return (whole, fraction)
    }

    /// RFC 3339 section 5.6, with a space allowed for the `T` and a leap second read as the second after it.
    mutating func rfc3339() -> (Int64, Int32)? {
        guard let year = digits(4), take(UInt8(ascii: "-")), let month = digits(2), take(UInt8(ascii: "-")),
            let day = digits(2), (1...12).contains(month), (1...Self.days(month: month, year: year)).contains(day),
            take(UInt8(ascii: "T")) || take(UInt8(ascii: "t")) || take(0x20),
            let hour = digits(2), take(UInt8(ascii: ":")), let minute = digits(2), take(UInt8(ascii: ":")),
            let second = digits(2), hour < 24, minute < 60, second <= 60,
            let fraction = fraction(), let offset = offsetSeconds(), index == bytes.count
        else { return nil }
        let seconds =
            Self.daysSince1970(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second
        return (seconds - offset, second == 60 ? 0 : fraction)
    }

    private mutating func offsetSeconds() -> Int64? {
        if take(UInt8(ascii: "Z")) || take(UInt8(ascii: "z")) { return 0 }
        let sign: Int64
        if take(UInt8(ascii: "+")) { sign = 1 } else if take(UInt8(ascii: "-")) { sign = -1 } else { return nil }
        guard let hours = digits(2), take(UInt8(ascii: ":")), let minutes = digits(2), hours < 24, minutes < 60 else {
            return nil
        }
        return sign * (hours * 3600 + minutes * 60)
    }

    /// `.` and digits, as nanoseconds (what is finer is cut off); 0 when there is no point.
    private mutating func fraction() -> Int32? {
        guard take(UInt8(ascii: ".")) else { return 0 }
        let start = index
        var nanoseconds: Int32 = 0
        while index < bytes.count, isDigit(bytes[index]) {
            if index - start < 9 { nanoseconds = nanoseconds * 10 + Int32(bytes[index] - UInt8(ascii: "0")) }
            index += 1
        }
        guard index > start else { return nil }
        for _ in min(index - start, 9)..<9 { nanoseconds *= 10 }
        return nanoseconds
    }

    private mutating func digits(_ count: Int) -> Int64? {
        guard index + count <= bytes.count, let value = number(in: index..<(index + count)) else { return nil }
        index += count
        return value
    }

    private func number(in range: Range<Int>) -> Int64? {
        var value: Int64 = 0
        for position in range {
            guard isDigit(bytes[position]) else { return nil }
            value = value * 10 + Int64(bytes[position] - UInt8(ascii: "0"))
        }
        return value
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private static func days(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
