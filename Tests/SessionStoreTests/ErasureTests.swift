import Base
import Ledger
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

struct ErasureTests {
    /// Derived rows are written in between, so that pages are split and rows are moved.
    private func fill(_ store: DiskSessionStore, _ deliveries: [Delivery]) async throws {
        for (index, delivery) in deliveries.enumerated() {
            _ = try await store.ingest(delivery)
            if index % 97 == 0 { try store.flush() }
        }
    }

    @Test(arguments: [1, 2, 3]) func `nothing of a user is left in any file, and nobody else has changed`(
        seed: UInt64
    ) async throws {
        var random = Seeded(seed)
        let directory = TemporaryDirectory()
        let user = UserHistories.userId(2)
        var store = try openStore(directory)
        try await fill(store, try UserHistories.deliveries(users: 6, sessions: 25, random: &random))
        for index in 0..<60 {
            let named = UserHistories.userId(index % 6)
            _ = try await store.ledger.quarantineVerified(
                quarantined(#"{"event":"X","payload":{"userId":"\#(named)"}}"#))
            try store.ledger.quarantineUnverified(quarantined("not JSON, of \(named)."))
        }
        try store.flush()
        let others = [0, 1, 3, 4, 5]
        let before = try await encodedRecords(store, of: others, sessions: 25)
        #expect(!directory.files(holding: user).isEmpty)

        let report = try await store.erase(user)
        #expect(report.sessions == 25)
        #expect(report.sessionsKept == 0)
        #expect(report.deliveriesRemoved >= 100)
        #expect(report.quarantined == 20)
        #expect(directory.files(holding: user) == [])
        for session in 0..<25 {
            let id = UserHistories.sessionId(2, session)
            #expect(directory.files(holding: id) == [])
            #expect(try await store.record(id) == nil)
        }
        #expect(try await encodedRecords(store, of: others, sessions: 25) == before)
        #expect(try await store.ledger.quarantined(after: 0, limit: 1000, kind: nil).count == 100)
        #expect(store.statistics.ledger.quarantine.verifiedCount == 50)
        #expect(try await store.erase(user) == ErasureReport())
        try expectSound(store)

        store.close()
        #expect(directory.files(holding: user) == [])
        store = try openStore(directory)
        #expect(directory.files(holding: user) == [])
        #expect(try await encodedRecords(store, of: others, sessions: 25) == before)
        try expectSound(store)
        // The whole log folded again.
        store.close()
        for suffix in ["", "-wal", "-shm"] { FileSystem.remove(directory.file("sessions.sqlite") + suffix) }
        store = try openStore(directory)
        #expect(try await encodedRecords(store, of: others, sessions: 25) == before)
        #expect(store.statistics.index.undecodableRows == 0)
        try expectSound(store)
        store.close()
    }

    @Test func `one user after the other, until nobody is left`() async throws {
        var random = Seeded(11)
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        try await fill(store, try UserHistories.deliveries(users: 8, sessions: 12, random: &random))
        for user in 0..<8 {
            let report = try await store.erase(UserHistories.userId(user))
            #expect(report.sessions == 12)
            for erased in 0...user { #expect(directory.files(holding: UserHistories.userId(erased)) == []) }
            try expectSound(store)
        }
        #expect(try store.entries() == [])
        store.close()
    }

    @Test func `a session that names two users stays for the other one`() async throws {
        let directory = TemporaryDirectory()
        var store = try openStore(directory)
        let alice = #","userId":"alice-81fe2","contact":"alice-81fe2@example.org","meter":7"#
        let bob = #","userId":"bob-33ac0""#
        _ = try await store.ingest(delivery("SESSION_STARTED", "shared", at: 1, extra: bob))
        _ = try await store.ingest(delivery("SESSION_STOPPED", "shared", at: 2, extra: alice))
        _ = try await store.ingest(delivery("SESSION_STOPPED", "shared", at: 2, extra: alice))
        _ = try await store.ingest(delivery("SESSION_FEE_INCURRING", "shared", at: 3))
        #expect(try await store.record("shared")?.state.userIdConflict == true)
        let report = try await store.erase("alice-81fe2")
        #expect(report.sessions == 0)
        #expect(report.sessionsKept == 1)
        #expect(report.deliveriesRedacted == 2)
        #expect(report.deliveriesRemoved == 0)
        for _ in 0..<2 {
            #expect(directory.files(holding: "alice") == [])
            let record = try #require(try await store.record("shared"))
            #expect(record.state.userIds == ["bob-33ac0"])
            #expect(record.state.status == .stopped)
            #expect(record.state.version == 3)
            #expect(record.received == 4)
            #expect(record.duplicates == 1)
            #expect(record.facts.contains { $0.payload.text == #"{"meter":7}"# })
            try expectSound(store)
            store.close()
            store = try openStore(directory)
        }
        store.close()
    }

    @Test func `ids that are escaped, and ids within other ids`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        _ = try await store.ingest(delivery("SESSION_STARTED", "s1", at: 1, extra: #","userId":"\u006fda-9""#))
        _ = try await store.ingest(delivery("SESSION_STARTED", "s2", at: 1, extra: #","userId":"oda-91""#))
        _ = try await store.ingest(delivery("SESSION_STARTED", "s3", at: 1, extra: #","userId":"x","friend":"oda-9""#))
        let other = try await store.record("s2")?.encoded()
        #expect(try await store.erase("oda-9").sessions == 1)
        #expect(try await store.record("s1") == nil)
        #expect(try await store.record("s2")?.encoded() == other)
        #expect(try await store.record("s3") != nil)
        store.close()
    }

    @Test func `what comes afterwards is new`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        let extra = #","userId":"carol-1""#
        _ = try await store.ingest(delivery("SESSION_STARTED", "s", at: 1, extra: extra))
        _ = try await store.erase("carol-1")
        let outcome = try await store.ingest(delivery("SESSION_STARTED", "s", at: 1, extra: extra))
        #expect(!outcome.duplicate)
        #expect(outcome.version == 1)
        #expect(outcome.position == 2)
        try expectSound(store)
        store.close()
    }

    @Test(arguments: ErasureStep.allCases) func `a crash at any step is made good by the next start`(
        step: ErasureStep
    ) async throws {
        var random = Seeded(5)
        let directory = TemporaryDirectory()
        let user = UserHistories.userId(1)
        let crashed = Locked<TemporaryDirectory?>(nil)
        let hook: @Sendable (ErasureStep) -> Void = { reached in
            guard reached == step else { return }
            crashed.withLock { if $0 == nil { $0 = directory.copyAsAfterCrash() } }
        }
        let store = try openStore(directory, manualOptions { $0.erasureHook = hook })
        // Enough for several steps of rewriting.
        try await fill(store, try UserHistories.deliveries(users: 3, sessions: 90, random: &random))
        _ = try await store.ledger.quarantineVerified(quarantined(#"{"payload":{"userId":"\#(user)"}}"#))
        let before = try await encodedRecords(store, of: [0, 2], sessions: 90)
        _ = try await store.erase(user)
        store.close()

        let copy = try #require(crashed.withLock { $0 })
        let opened = try openStore(copy)
        opened.finishErasures()
        #expect(copy.files(holding: user) == [])
        #expect(try await encodedRecords(opened, of: [0, 2], sessions: 90) == before)
        #expect(try await encodedRecords(opened, of: [1], sessions: 90) == [:])
        try expectSound(opened)
        opened.close()
        #expect(copy.files(holding: user) == [])
    }

    @Test func `ingest goes on meanwhile`() async throws {
        var random = Seeded(7)
        let directory = TemporaryDirectory()
        let options = manualOptions {
            $0.index.writesBehindAutomatically = true
            $0.index.writeBehindMilliseconds = 5
        }
        let store = try openStore(directory, options)
        let deliveries = try UserHistories.deliveries(users: 4, sessions: 60, random: &random)
        try await fill(store, deliveries)
        let user = UserHistories.userId(3)
        // Others, and sessions of the erased user without a name.
        let more = try (0..<600).map { index in
            try delivery("SESSION_X\(index)", UserHistories.sessionId(index % 4, index % 60), at: Int64(index))
        }
        async let ingested = withThrowingTaskGroup(of: Void.self) { group in
            for delivery in more { group.addTask { _ = try await store.ingest(delivery) } }
            try await group.waitForAll()
        }
        _ = try await store.erase(user)
        try await ingested
        try store.flush()
        #expect(directory.files(holding: user) == [])
        try expectSound(store)
        store.close()
        #expect(directory.files(holding: user) == [])
    }

    @Test func `old sessions that have ended are removed, the others stay`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        let base = Instant(seconds: 1_770_000_000)
        for index in 0..<30 {
            _ = try await store.ingest(delivery("SESSION_STARTED", "open-\(index)", at: 1))
            _ = try await store.ingest(delivery("SESSION_STARTED", "done-\(index)", at: 1))
            _ = try await store.ingest(delivery("SESSION_STOPPED", "done-\(index)", at: 2))
        }
        // Received a second after 1,770,000,000 at the latest.
        #expect(try await store.removeEnded(before: base) == ErasureReport())
        _ = try await store.ingest(delivery("SESSION_NOTE", "done-0", at: 10_000_000))
        try store.flush()
        let report = try await store.removeEnded(before: Instant(seconds: 1_770_000_005))
        #expect(report.sessions == 29)
        #expect(report.deliveriesRemoved == 58)
        for index in 0..<30 {
            #expect(try await store.record("open-\(index)") != nil)
            #expect(try await (store.record("done-\(index)") != nil) == (index == 0))
        }
        #expect(directory.files(holding: "done-17") == [])
        try expectSound(store)
        store.close()
    }

    private func quarantined(_ text: String) -> QuarantinedBody {
        QuarantinedBody(
            receivedAt: Instant(seconds: 1_770_000_000), reason: "TEST", body: Array(text.utf8), credentials: [1, 2])
    }

    private func expectSound(_ store: DiskSessionStore) throws {
        let report = try store.check { _ in }
        #expect(report.isClean, "\(report)")
        #expect(report.undecodableRows == 0)
    }
}
