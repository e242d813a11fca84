import Base
import Ledger
import SessionModel
import TestSupport
import Testing

@Suite struct ErasureTests {
    let directory = TemporaryDirectory()

    private func naming(_ userId: String, filling: Int = 0) -> QuarantinedBody {
        QuarantinedBody(
            receivedAt: at(0), reason: "UNKNOWN_EVENT",
            body: Array(#"{"userId":"\#(userId)","x":"\#(String(repeating: "y", count: filling))"}"#.utf8),
            credentials: [1])
    }

    @Test func `nothing that names a user is left in any file`() async throws {
        let ledger = try openLedger(directory)
        // Rows of many lengths: pages are split, overflow and are merged again.
        for index in 0..<300 {
            let userId = index % 7 == 0 ? "marked-user" : "user-\(index)"
            _ = try await ledger.quarantineVerified(naming(userId, filling: (index * 331) % 6_000))
            let keyed = KeyedRequest(scope: "start \(userId)", key: "key-\(index)", request: "r")
            #expect(try await ledger.claim(keyed, now: at(0), since: at(-100)) == .claimed)
            _ = try await ledger.addUnansweredStart(userId: userId, connectorId: "c", at: at(0))
            try await ledger.addRefundChecks(["session-of-\(userId)-\(index)"], dueAt: at(9))
        }
        ledger.quarantineUnverified(naming("marked-user"))
        let retried = try await ledger.quarantined(limit: 20).filter { $0.content.body.contains("marked-user".utf8) }
        #expect(try await ledger.removeQuarantined(retried.map(\.id)) == retried.count)
        let sessions = (0..<300).filter { $0 % 7 == 0 }.map { "session-of-marked-user-\($0)" }
        // A damaged file may hold anything.
        TemporaryDirectory.write(Array("marked-user".utf8), to: directory.file("ledger.sqlite.damaged-3"))
        #expect(directory.holds("marked-user"))
        let removed = try await ledger.erase(userId: "marked-user", sessions: sessions) { _ in nil }
        #expect(removed == 43 - retried.count + 1)
        #expect(!directory.holds("marked-user"))
        #expect(try await ledger.quarantined(limit: 1_000).count == 257)
        #expect(ledger.quarantineCounts.verifiedCount == 257)
        #expect(try await ledger.unansweredStarts().count == 257)
        #expect(try await ledger.refundChecks(dueBy: at(10), limit: 1_000).count == 257)
        await ledger.close()
    }

    @Test func `bodies that name the user when unpacked go too`() async throws {
        let ledger = try openLedger(directory)
        _ = try await ledger.quarantineVerified(body(1))
        _ = try await ledger.quarantineVerified(body(2))
        let removed = try await ledger.erase(userId: "u", sessions: []) { packed in
            packed.first == 2 ? Array(#"{"userId":"u"}"#.utf8) : nil
        }
        #expect(removed == 1)
        #expect(try await ledger.quarantined(limit: 9).map { $0.content.body[0] } == [1])
        await ledger.close()
    }

    @Test func `an intent goes on after a crash with all that it needs`() async throws {
        let ledger = try openLedger(directory)
        let user = try await ledger.addErasure(userId: "marked-user", sessions: nil, through: 7)
        let old = try await ledger.addErasure(userId: nil, sessions: ["a", "b"], through: 9)
        #expect(user.stage == .asked && old.stage == .planned)
        try await ledger.plan(user, ["marked-session"])
        try await ledger.setRedo(Array("first".utf8), of: user)
        try await ledger.setRedo(Array("marked-bytes".utf8), of: user)

        let crashed = try openLedger(directory.copyAsAfterCrash())
        #expect(
            try await crashed.erasures().map { "\($0.id) \($0.userId ?? "-") \($0.through) \($0.stage)" } == [
                "\(user.id) marked-user 7 planned", "\(old.id) - 9 planned",
            ])
        #expect(try await crashed.plannedSessions(user) == ["marked-session"])
        #expect(try await Set(crashed.plannedSessions(old)) == ["a", "b"])
        let redos = try await crashed.redos()
        #expect(redos.map(\.intentId) == [user.id])
        #expect(redos.first?.bytes == Array("marked-bytes".utf8))
        try await crashed.removeRedo(of: user)
        #expect(try await crashed.redos().isEmpty)
        await crashed.close()

        try await ledger.forget(user)
        #expect(!directory.holds("marked-"))
        #expect(try await ledger.erasures().map(\.stage) == [.forgotten, .planned])
        #expect(try await ledger.erasures().first?.userId == nil)
        #expect(try await Set(ledger.plannedSessions(old)) == ["a", "b"])
        try await ledger.remove(user)
        #expect(try await ledger.erasures() == [old])
        await ledger.close()
    }
}
