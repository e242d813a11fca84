import Base
import Ledger
import SessionModel
import TestSupport
import Testing

@Suite struct OwnTableTests {
    let directory = TemporaryDirectory()

    @Test func `the newest heartbeat stays whatever the clock says`() async throws {
        var ledger = try openLedger(directory)
        #expect(try await ledger.newestHeartbeat() == nil)
        try await ledger.beat(at: at(100), isClean: false)
        try await ledger.beat(at: at(50), isClean: true)
        await ledger.close()
        ledger = try openLedger(directory)
        #expect(try await ledger.lastHeartbeat()?.at == at(50))
        #expect(try await ledger.lastHeartbeat()?.isClean == true)
        #expect(try await ledger.newestHeartbeat() == at(100))
        _ = try await ledger.addDowntime(from: at(100), to: at(200), cause: .crashed)
        #expect(try await ledger.newestHeartbeat() == at(200))
        await ledger.close()
    }

    @Test func `the end of a log only rises while it is the same log`() async throws {
        let (first, second) = (Identity.random(), Identity.random())
        var ledger = try openLedger(directory)
        #expect(try await ledger.knownLog() == nil)
        try await ledger.noteLog(KnownLog(identity: first, end: 10))
        try await ledger.noteLog(KnownLog(identity: first, end: 7))
        #expect(try await ledger.knownLog() == KnownLog(identity: first, end: 10))
        await ledger.close()
        ledger = try openLedger(directory)
        try await ledger.noteLog(KnownLog(identity: first, end: 8))
        #expect(try await ledger.knownLog() == KnownLog(identity: first, end: 10))
        try await ledger.noteLog(KnownLog(identity: second, end: 3))
        #expect(try await ledger.knownLog() == KnownLog(identity: second, end: 3))
        await ledger.close()
    }

    @Test func `a key is claimed once and its answer kept`() async throws {
        var ledger = try openLedger(directory)
        let keyed = KeyedRequest(scope: "start u", key: "k", request: "r")
        let answer = KeptAnswer(status: 201, contentType: "application/json", body: [1, 2])
        #expect(try await ledger.claim(keyed, now: at(0), since: at(-9)) == .claimed)
        await ledger.close()
        ledger = try openLedger(directory)
        #expect(try await ledger.claim(keyed, now: at(1), since: at(-9)) == .withoutAnswer)
        try await ledger.keepAnswer(answer, of: keyed)
        #expect(try await ledger.claim(keyed, now: at(1), since: at(-9)) == .answered(answer))
        let other = KeyedRequest(scope: "start u", key: "k", request: "s")
        #expect(try await ledger.claim(other, now: at(1), since: at(-9)) == .otherRequest)
        try await ledger.keepAnswer(nil, of: keyed)
        #expect(try await ledger.claim(other, now: at(1), since: at(-9)) == .claimed)
        #expect(try await ledger.claim(keyed, now: at(20), since: at(19)) == .claimed)
        await ledger.close()
    }

    /// One user's keys push out that user's, and what is over is taken from whoever has most.
    @Test func `keys of one scope push out no others`() async throws {
        let ledger = try openLedger(directory)
        func claim(_ user: String, _ key: String) async throws -> KeyClaim {
            try await ledger.claim(
                KeyedRequest(scope: "start \(user)", key: key, request: "r"), now: at(0), since: at(-9), keysMax: 5,
                keysOfScopeMax: 3)
        }
        #expect(try await claim("u", "k") == .claimed)
        for number in 1...9 { #expect(try await claim("eve", "\(number)") == .claimed) }
        #expect(try await claim("u", "k") == .withoutAnswer)
        #expect(try await claim("eve", "7") == .withoutAnswer)
        #expect(try await claim("eve", "6") == .claimed)
        for user in ["v", "w"] { #expect(try await claim(user, "k") == .claimed) }
        // Six in all: one too many, and eve has most.
        #expect(try await claim("u", "k") == .withoutAnswer)
        #expect(try await claim("v", "k") == .withoutAnswer)
        #expect(try await claim("eve", "8") == .claimed)
        await ledger.close()
    }

    @Test func `starts of one user push out no others`() async throws {
        let ledger = try openLedger(directory)
        func add(_ user: String) async throws -> Int64 {
            try await ledger.addUnansweredStart(userId: user, connectorId: "c", at: at(0), countMax: 4, ofUserMax: 3)
        }
        let first = try await add("u")
        for _ in 0..<9 { _ = try await add("eve") }
        #expect(try await ledger.unansweredStarts(id: first).count == 1)
        #expect(try await ledger.unansweredStarts().count == 4)
        _ = try await add("v")
        #expect(try await ledger.unansweredStarts().map(\.userId).sorted() == ["eve", "eve", "u", "v"])
        await ledger.close()
    }

    @Test func `starts cool down and are forgotten`() async throws {
        let ledger = try openLedger(directory)
        try await ledger.setStart(connectorId: "a", at(0), forgetBefore: at(-10))
        try await ledger.setStart(connectorId: "b", at(5), forgetBefore: at(-10))
        #expect(try await ledger.starts(since: at(-1)).map(\.connectorId).sorted() == ["a", "b"])
        try await ledger.setStart(connectorId: "b", nil, forgetBefore: at(1))
        #expect(try await ledger.starts(since: at(-1)).isEmpty)
        await ledger.close()
    }

    @Test func `a session without answers is asked about less and less and then no more`() async throws {
        let ledger = try openLedger(directory)
        try await ledger.addRefundChecks(["a", "b"], dueAt: at(0))
        try await ledger.addRefundChecks(["a"], dueAt: at(99))
        #expect(try await ledger.refundChecks(dueBy: at(0), limit: 9) == ["a", "b"])
        try await ledger.removeRefundCheck("b")
        try await ledger.postponeRefundCheck("a", now: at(0))
        #expect(try await ledger.refundChecks(dueBy: at(3_599), limit: 9).isEmpty)
        #expect(try await ledger.refundChecks(dueBy: at(3_600), limit: 9) == ["a"])
        for _ in 1..<5 { try await ledger.postponeRefundCheck("a", now: at(0)) }
        #expect(try await ledger.refundChecks(dueBy: .latest, limit: 9).isEmpty)
        await ledger.close()
    }

    @Test func `callers that are not async wait or are called in order`() async throws {
        let ledger = try openLedger(directory)
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.beat(at: at(1), isClean: false) }
        let order = Locked<[Int]>([])
        for index in 0..<10 { ledger.perform { _ in order.withLock { $0.append(index) } } }
        let last = try ledger.blocking { (ledger) throws(StoreError) in try ledger.lastHeartbeat()?.at }
        #expect(last == at(1))
        #expect(order.withLock { $0 } == Array(0..<10))
        await ledger.close()
    }
}
