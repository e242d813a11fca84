import Base
import HTTPClient
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

@Suite struct DowntimeTests {
    private static func at(_ seconds: Int64) -> Instant { Instant(seconds: 1_000 + seconds) }

    @Test func `a receiver that accepts beats every few seconds`() {
        var tracker = DowntimeTracker(now: Self.at(0), beatSeconds: 5)
        let actions = (1...10).map { tracker.tick(now: Self.at($0), isAccepting: true) }
        #expect(actions.filter { $0 != .none } == [.beat(Self.at(5)), .beat(Self.at(10))])
    }

    @Test func `an outage is from the last good moment to the first`() {
        var tracker = DowntimeTracker(now: Self.at(0), beatSeconds: 5)
        #expect(tracker.tick(now: Self.at(1), isAccepting: true) == .none)
        for second in 2...20 { #expect(tracker.tick(now: Self.at(Int64(second)), isAccepting: false) == .none) }
        #expect(tracker.tick(now: Self.at(21), isAccepting: true) == .record(from: Self.at(1), to: Self.at(21)))
        #expect(tracker.tick(now: Self.at(22), isAccepting: true) == .none)
    }

    @Test func `a refused callback is a downtime however short`() {
        var tracker = DowntimeTracker(now: Self.at(0), beatSeconds: 5)
        let refusal = Instant(seconds: 1_001, nanoseconds: 500_000_000)
        tracker.refused(at: refusal)
        // As long as callbacks are turned away it is not over.
        #expect(tracker.tick(now: Self.at(2), isAccepting: true) == .none)
        #expect(tracker.tick(now: Self.at(3), isAccepting: true) == .record(from: refusal, to: Self.at(3)))
    }

    @Test func `the end closes what is open`() {
        var tracker = DowntimeTracker(now: Self.at(0), beatSeconds: 5)
        #expect(tracker.stopped(at: Self.at(3)) == .beat(Self.at(3)))
        _ = tracker.tick(now: Self.at(4), isAccepting: false)
        #expect(tracker.stopped(at: Self.at(9)) == .record(from: Self.at(0), to: Self.at(9)))
    }

    @Test func `a clock that is set back does not stop the beats`() {
        var tracker = DowntimeTracker(now: Self.at(1_000), beatSeconds: 5)
        #expect(tracker.tick(now: Self.at(0), isAccepting: true) == .beat(Self.at(0)))
        #expect(tracker.tick(now: Self.at(5), isAccepting: true) == .beat(Self.at(5)))
    }

    // MARK: The ledger

    private func downtimes(_ directory: TestDirectory) throws -> [CanonicalJSON] {
        try #require(
            try TestControl(directory).send("GET", "/v1/downtime").json?.member("downtimes")
        ).elements
    }

    /// There may be many: they are noted a page at a time, and what the end of the process cuts off the next one goes on
    /// with.
    @Test(arguments: [false, true]) func `open sessions are noted page by page`(isCutOff: Bool) async throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server in
            for index in 0..<7 { _ = try server.post(Callback.body("SESSION_STARTED", "open\(index)")) }
        }
        let logger = LogCapture(in: directory).logger()
        let store = try DiskSessionStore(directory: directory.file("data"), logger: logger)
        defer { store.close() }
        let ledger = try store.ledger
        for round in 1...(isCutOff ? 2 : 1) {
            let account = DowntimeLedger(
                ledger: ledger, store: store, logger: logger,
                clock: { testTime.adding(seconds: Int64(100 * round)) }, sessionsPerPage: 2)
            await account.began(lastDelivery: nil)
            await account.start()
            if !isCutOff || round == 2 { await account.searching?.value }
            await account.stop()
        }
        let found = try await ledger.downtimes(limit: 10)
        #expect(found.count == (isCutOff ? 2 : 1))
        for downtime in found {
            #expect(downtime.isSearched && !downtime.isTruncated)
            let sessions = try await ledger.affected(by: downtime.id, limit: 100).map(\.sessionId)
            #expect(sessions == (0..<7).map { "open\($0)" })
        }
    }

    @Test func `the time between end and start is in the ledger with the open sessions`() throws {
        let directory = TestDirectory()
        let started = Instant(seconds: testTime.seconds + 100)
        try withApplication(in: directory) { server in
            #expect(try downtimes(directory).isEmpty)
            _ = try server.post(Callback.body("SESSION_STARTED", "open"))
            _ = try server.post(Callback.body("SESSION_STARTED", "done"))
            _ = try server.post(Callback.body("SESSION_COMPLETE", "done", at: "2025-06-12T11:00:00Z"))
        }
        try withApplication(in: directory, clock: { started }) { server in
            try server.awaitDowntimeSearch()
            let downtime = try #require(try downtimes(directory).first)
            #expect(downtime.string("cause") == "stopped")
            #expect(downtime.instant("from") == testTime)
            #expect(downtime.instant("to") == started)
            let sessions = try #require(downtime.member("sessions"))
            #expect(sessions.member("affected")?.integer == 1)
            #expect(sessions.member("reconciled")?.integer == 0)
            #expect(sessions.member("list")?.elements.first?.string("sessionId") == "open")
            #expect(sessions.member("searched")?.bool == true)
            let found1 = try server.get("/v1/downtime").status
            #expect(found1 == 403)
        }
    }

    @Test func `answers sent afterwards reconcile and earlier ones do not`() async throws {
        let directory = TestDirectory()
        let ledger = try Ledger(directory: directory.path, logger: LogCapture(in: directory).logger())
        let first = try await ledger.addDowntime(from: Self.at(0), to: Self.at(10), cause: .crashed)
        let second = try await ledger.addDowntime(from: Self.at(20), to: Self.at(30), cause: .storeUnavailable)
        for downtime in [first, second] { try await ledger.addAffected(["a", "b"], downtime: downtime.id) }
        try await ledger.setReconciled([("a", Self.at(15)), ("b", Self.at(5))])
        #expect(try await ledger.downtimes(limit: 9).map(\.reconciledCount) == [0, 1])
        try await ledger.setReconciled([("a", Self.at(40)), ("b", Self.at(40))])
        #expect(try await ledger.downtimes(limit: 9).map(\.reconciledCount) == [2, 2])
        let affected = try await ledger.affected(by: first.id, limit: 9)
        #expect(affected.map(\.reconciledAt) == [Self.at(15), Self.at(40)])
        #expect(try await ledger.unsearchedDowntimes().count == 2)
        try await ledger.setSearched(first.id, isTruncated: false)
        #expect(try await ledger.unsearchedDowntimes().map(\.id) == [second.id])
        await ledger.close()
    }

    @Test func `the heartbeat survives and says how it ended`() throws {
        let directory = TestDirectory()
        let logger = LogCapture(in: directory).logger()
        for isClean in [false, true] {
            let ledger = try Ledger(directory: directory.path, logger: logger)
            try ledger.blocking { (ledger) throws(StoreError) in try ledger.beat(at: Self.at(1), isClean: isClean) }
            ledger.closeAndWait()
            let again = try Ledger(directory: directory.path, logger: logger)
            let last = try again.blocking { (ledger) throws(StoreError) in try ledger.lastHeartbeat() }
            #expect(last?.at == Self.at(1))
            #expect(last?.isClean == isClean)
            again.closeAndWait()
        }
    }
}
