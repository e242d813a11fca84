import Base
import SessionModel
import Testing

@Suite struct InstantTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", Int64(0), Int32(0)),
        ("2025-06-12T10:56:51Z", 1_749_725_811, 0),
        ("2025-06-12t10:56:51z", 1_749_725_811, 0),
        ("2025-06-12 10:56:51Z", 1_749_725_811, 0),
        ("2025-06-12T12:56:51+02:00", 1_749_725_811, 0),
        ("2025-06-12T05:26:51-05:30", 1_749_725_811, 0),
        ("2025-06-12T10:56:51-00:00", 1_749_725_811, 0),
        ("2025-06-12T10:56:51.5Z", 1_749_725_811, 500_000_000),
        ("2025-06-12T10:56:51.000001Z", 1_749_725_811, 1000),
        ("2025-06-12T10:56:51.123456789Z", 1_749_725_811, 123_456_789),
        ("2025-06-12T10:56:51.1234567899999999999999Z", 1_749_725_811, 123_456_789),
        ("2025-06-12T10:56:51.120000000+00:00", 1_749_725_811, 120_000_000),
        ("1969-12-31T23:59:59.25Z", -1, 250_000_000),
        ("2000-02-29T00:00:00Z", 951_782_400, 0),
        ("2024-02-29T23:59:59Z", 1_709_251_199, 0),
        ("0000-01-01T00:00:00Z", -62_167_219_200, 0),
        ("0000-02-29T00:00:00Z", -62_162_121_600, 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
        ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
        ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
        ("1990-12-31T15:59:60-08:00", 662_688_000, 0),
        ("2015-07-01T01:59:60.5+02:00", 1_435_708_800, 500_000_000),
    ])
    func `known values are read`(text: String, seconds: Int64, nanoseconds: Int32) throws {
        let instant = try instant(text)
        #expect(instant.seconds == seconds)
        #expect(instant.nanoseconds == nanoseconds)
    }

    @Test(arguments: [
        "", "2025-06-12", "2025-06-12T10:56:51", "2025-06-12T10:56Z", "2025-06-12T10:56:51.Z", "2025-06-12T10:56:51,5Z",
        "2025-13-12T10:56:51Z", "2025-00-12T10:56:51Z", "2025-06-00T10:56:51Z", "2025-06-31T10:56:51Z",
        "2025-02-29T10:56:51Z", "1900-02-29T00:00:00Z", "2025-06-12T24:00:00Z", "2025-06-12T10:60:51Z",
        "2025-06-12T10:56:61Z", "2025-06-12T10:56:60Z", "2025-06-12T23:59:60Z", "2025-06-30T23:59:60+01:00",
        "2025-06-12T10:56:51+0200", "2025-06-12T10:56:51+24:00", "2025-06-12T10:56:51+02:60", "2025-06-12T10:56:51+02",
        "2025-06-12T10:56:51Z ", " 2025-06-12T10:56:51Z", "2025-06-12T10:56:51ZZ", "2025-06-12T10:56:51.5",
        "02025-06-12T10:56:51Z", "-025-06-12T10:56:51Z", "2025-6-12T10:56:51ZZ", "2025/06/12T10:56:51Z",
        "2025-06-12T1a:56:51Z", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z",
        "1749725811", "2025-06-12T10:56:51.5+", "2025-06-12T10:56:51é", "２025-06-12T10:56:51Z",
    ])
    func `others are refused`(text: String) {
        #expect(Instant(rfc3339: text) == nil)
    }

    @Test func `canonical text is written`() throws {
        #expect(try instant("2025-06-12t12:56:51.120000+02:00").rfc3339 == "2025-06-12T10:56:51.120Z")
        #expect(try instant("2025-06-12T10:56:51.12345Z").rfc3339 == "2025-06-12T10:56:51.123450Z")
        #expect(try instant("2025-06-12T10:56:51.1234567Z").rfc3339 == "2025-06-12T10:56:51.123456700Z")
        #expect(try instant("2025-06-12T10:56:51.000Z").rfc3339 == "2025-06-12T10:56:51Z")
        #expect(Instant(seconds: 0, nanoseconds: 1).rfc3339 == "1970-01-01T00:00:00.000000001Z")
        // Our clock's times have as many digits as there are.
        #expect(SystemClock.now().rfc3339.utf8.count == 30)
        #expect(Instant.earliest.rfc3339 == "0000-01-01T00:00:00Z")
        #expect(Instant.latest.rfc3339 == "9999-12-31T23:59:59.999999999Z")
    }

    @Test func `every day of four centuries reads back and is one day later`() throws {
        var seconds = try instant("1899-12-31T12:34:56Z").seconds
        var previous = ""
        for _ in 0..<146_097 {
            seconds += 86_400
            let text = Instant(seconds: seconds).rfc3339
            guard text > previous, Instant(rfc3339: text)?.seconds == seconds else {
                Issue.record("\(text) does not read back")
                return
            }
            previous = text
        }
        #expect(previous == "2299-12-31T12:34:56Z")
    }

    @Test func `random instants read back`() throws {
        var random = SeededRandom(seed: 11)
        for _ in 0..<20_000 {
            let instant = Instant(
                seconds: random.between(-62_167_219_200, 253_402_300_799),
                nanoseconds: Int32(random.below(1_000_000_000)))
            #expect(Instant(rfc3339: instant.rfc3339) == instant)
        }
    }

    @Test func `random bytes never trap`() {
        var random = SeededRandom(seed: 12)
        let alphabet = Array("0123456789-:+TZz. ".utf8)
        for _ in 0..<20_000 {
            var bytes = Array("2025-06-12T10:56:51.123Z".utf8)
            for _ in 0..<random.below(4) { bytes[random.below(bytes.count)] = random.pick(alphabet) }
            bytes.removeLast(random.below(6))
            if let instant = Instant(rfc3339: bytes) { #expect(Instant(rfc3339: instant.rfc3339) == instant) }
        }
    }

    @Test func `sums carry, and stop at the bounds`() {
        #expect(Instant(seconds: 1, nanoseconds: -1) == Instant(seconds: 0, nanoseconds: 999_999_999))
        #expect(Instant(seconds: 1, nanoseconds: 2_000_000_001) == Instant(seconds: 3, nanoseconds: 1))
        #expect(Instant(seconds: .max, nanoseconds: .max) == .latest)
        #expect(Instant(seconds: .min, nanoseconds: .min) == .earliest)
        #expect(Instant(microsecondsSince1970: .max) == .latest)
        #expect(Instant(microsecondsSince1970: .min) == .earliest)
        #expect(Instant(microsecondsSince1970: -1) == Instant(seconds: -1, nanoseconds: 999_999_000))
        #expect(Instant(microsecondsSince1970: -1).microsecondsSince1970 == -1)
        #expect(Instant.latest.adding(seconds: .max) == .latest)
        #expect(Instant.earliest.adding(seconds: .min) == .earliest)
        #expect(Instant(seconds: 5).microseconds(since: Instant(seconds: 7)) == -2_000_000)
        #expect(Instant(seconds: 5) < Instant(seconds: 5, nanoseconds: 1))
    }
}
