import Base
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

@Suite struct GatewayCooldownTests {
    private static func at(_ seconds: Int64, _ nanoseconds: Int32 = 0) -> Instant {
        Instant(seconds: 1_000 + seconds, nanoseconds: nanoseconds)
    }

    @Test func `waits are rounded up and end`() {
        var cooldowns = ConnectorStarts(seconds: 60, countMax: 10)
        #expect(cooldowns.begin("c", now: Self.at(0)) == nil)
        #expect(cooldowns.begin("c", now: Self.at(0)) == 60)
        #expect(cooldowns.begin("c", now: Self.at(0, 1_000)) == 60)
        #expect(cooldowns.begin("c", now: Self.at(59, 500_000_000)) == 1)
        #expect(cooldowns.begin("c", now: Self.at(60)) == nil)
        #expect(cooldowns.begin("c", now: Self.at(61)) == 59)
    }

    @Test func `a clock that is set back locks nothing`() {
        var cooldowns = ConnectorStarts(seconds: 60, countMax: 10)
        #expect(cooldowns.begin("c", now: Self.at(10_000)) == nil)
        #expect(cooldowns.begin("c", now: Self.at(0)) == nil)
    }

    @Test func `what is taken back no longer counts`() {
        var cooldowns = ConnectorStarts(seconds: 60, countMax: 10)
        _ = cooldowns.begin("c", now: Self.at(0))
        cooldowns.cancel("c", startedAt: Self.at(1))
        #expect(cooldowns.begin("c", now: Self.at(2)) == 58)
        cooldowns.cancel("c", startedAt: Self.at(0))
        #expect(cooldowns.begin("c", now: Self.at(2)) == nil)
    }

    @Test func `memory is bounded by time and by count`() {
        var cooldowns = ConnectorStarts(seconds: 60, countMax: 100)
        for second in 0..<10_000 as Range<Int64> { _ = cooldowns.begin("c\(second)", now: Self.at(second)) }
        #expect(cooldowns.count <= 60)
        for number in 0..<1_000 { _ = cooldowns.begin("d\(number)", now: Self.at(20_000)) }
        #expect(cooldowns.count == 100)
        var off = ConnectorStarts(seconds: 0, countMax: 100)
        #expect(off.begin("c", now: Self.at(0)) == nil)
        #expect(off.begin("c", now: Self.at(0)) == nil)
    }

    @Test func `a claim without an answer stays claimed until it is old`() async throws {
        let directory = TestDirectory()
        let logger = LogCapture(in: directory).logger()
        let keyed = KeyedRequest(scope: "s", key: "k", request: "r")
        var ledger = try Ledger(directory: directory.path, logger: logger)
        #expect(try await ledger.claim(keyed, now: Self.at(0), since: Self.at(0)) == .claimed)
        await ledger.close()
        ledger = try Ledger(directory: directory.path, logger: logger)
        #expect(try await ledger.claim(keyed, now: Self.at(0), since: Self.at(0)) == .withoutAnswer)
        #expect(
            try await ledger.claim(KeyedRequest(scope: "s", key: "k", request: "x"), now: Self.at(0), since: Self.at(0))
                == .otherRequest)
        #expect(try await ledger.claim(keyed, now: Self.at(0), since: Self.at(1)) == .claimed)
        await ledger.close()
    }
}
