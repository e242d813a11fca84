package import Base

/// The instant that `X-HMAC-SHA512-SignedAt` names.
///
/// Upstream does not document the format (domain.md, "Authenticity"): RFC 3339, Unix seconds (with an optional
/// fraction) and Unix milliseconds are read. The header is not covered by the signature and proves nothing.
package struct SignedAt: Sendable, Equatable {
    /// The header, as the Drive API spells it.
    package static let headerName = "X-HMAC-SHA512-SignedAt"

    package let instant: Instant

    /// - Returns: `nil` when `text` is in none of the three formats. Surrounding white space is ignored.
    package init?(_ text: UnsafeRawBufferPointer) {
        let text = text.trimmingOptionalWhitespace
        guard !text.isEmpty, text.count <= 64 else { return nil }
        let isText = text.contains(UInt8(ascii: ":"))
        guard let instant = isText ? Instant(rfc3339: text) : Self.unixTime(text) else { return nil }
        self.instant = instant
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
        guard let signed = SignedAt(signedAt) else { return .malformed }
        let (distance, overflow) = nowSeconds.subtractingReportingOverflow(signed.instant.seconds)
        return !overflow && distance.magnitude <= UInt64(clamping: seconds) ? .fresh : .stale
    }
}

extension SignedAt {
    /// Digits with an optional fraction. From 10^11 on a whole number counts as milliseconds: as seconds that would
    /// be the year 5138, and as milliseconds everything below it is before March 1973.
    fileprivate static func unixTime(_ text: UnsafeRawBufferPointer) -> Instant? {
        let end = text.firstIndex { !ASCII.isDigit($0) } ?? text.count
        guard (1...15).contains(end) else { return nil }
        let whole = text[..<end].reduce(Int64(0)) { $0 * 10 + Int64($1 - 0x30) }
        if whole >= 100_000_000_000 {
            return end == text.count ? Instant(microsecondsSince1970: whole * 1000) : nil
        }
        guard end < text.count else { return Instant(seconds: whole) }
        let digits = text[(end + 1)...]
        guard text[end] == UInt8(ascii: "."), !digits.isEmpty, digits.allSatisfy(ASCII.isDigit) else { return nil }
        // What is finer than a nanosecond is cut off.
        let nanoseconds = (0..<9).reduce(Int32(0)) { sum, index in
            sum * 10 + (index < digits.count ? Int32(digits[digits.startIndex + index] - 0x30) : 0)
        }
        return Instant(seconds: whole, nanoseconds: nanoseconds)
    }
}
