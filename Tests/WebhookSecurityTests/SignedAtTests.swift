import Base
import Testing
import WebhookSecurity

@Suite struct SignedAtTests {
    @Test(arguments: [
        ("2025-06-12T10:56:51Z", 1_749_725_811, 0),
        ("2025-06-12t10:56:51z", 1_749_725_811, 0),
        ("2025-06-12 10:56:51Z", 1_749_725_811, 0),
        (" 2025-06-12T12:56:51+02:00\t", 1_749_725_811, 0),
        ("2025-06-12T05:26:51.250-05:30", 1_749_725_811, 250_000_000),
        ("2025-06-12T10:56:51.123456789123Z", 1_749_725_811, 123_456_789),
        ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
        ("2016-12-31T23:59:60.5Z", 1_483_228_800, 500_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800, 0),
        ("1969-12-31T23:59:59.5Z", -1, 500_000_000),
        ("1970-01-01T00:00:00Z", 0, 0),
        ("0000-03-01T00:00:00Z", -62_162_035_200, 0),
        ("1749725811", 1_749_725_811, 0),
        ("1749725811.5", 1_749_725_811, 500_000_000),
        ("1749725811123", 1_749_725_811, 123_000_000),
        ("0", 0, 0),
        ("99999999999", 99_999_999_999, 0),
        ("100000000000", 100_000_000, 0),
    ]) func `reads the three formats`(text: String, seconds: Int64, nanoseconds: Int32) throws {
        let parsed = try #require(SignedAt(text))
        #expect(parsed.instant.seconds == seconds)
        #expect(parsed.instant.nanoseconds == nanoseconds)
    }

    @Test(arguments: [
        "", " ", "now", "2025-06-12", "2025-06-12T10:56:51", "2025-06-12T10:56Z", "2025-13-12T10:56:51Z",
        "2025-02-29T10:56:51Z", "1900-02-29T10:56:51Z", "2025-06-31T10:56:51Z", "2025-06-12T24:00:00Z",
        "2025-06-12T10:60:51Z", "2025-06-12T10:56:61Z", "2025-06-12T10:56:51.Z", "2025-06-12T10:56:51+2:00",
        "2025-06-12T10:56:51+0200", "2025-06-12T10:56:51+24:00", "2025-06-12T10:56:51ZZ", "2025-06-00T10:56:51Z",
        "-1749725811", "+1749725811", "1749725811s", "1749725811.", "1749725811123.5", "1749725811123456",
        "99999999999999999999999", "1 749 725 811", "0x10", "Thu, 12 Jun 2025 10:56:51 GMT",
    ]) func `rejects anything else`(text: String) {
        #expect(SignedAt(text) == nil)
    }

    @Test func `the freshness window counts in both directions and includes its edges`() {
        let window = FreshnessWindow(seconds: 300)
        func verdict(_ text: String?) -> FreshnessWindow.Verdict {
            withBytes(text) { window.verify(signedAt: $0, nowSeconds: 1_000_000) }
        }
        #expect(verdict("1000000") == .fresh)
        #expect(verdict("999700") == .fresh)
        #expect(verdict("1000300") == .fresh)
        #expect(verdict("999699") == .stale)
        #expect(verdict("1000301") == .stale)
        #expect(verdict("soon") == .malformed)
        #expect(verdict(" ") == .missing)
        #expect(verdict(nil) == .missing)
    }
}
