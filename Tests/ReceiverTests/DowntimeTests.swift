import Base
import CSQLite
import HTTPClient
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import TestSupport
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

    /// An account of a receiver that was killed at 0 and listens again at 20, with a ledger that cannot be written meanwhile.
    private struct Crashed {
        let directory = TestDirectory()
        let faults = Faults("ledger.sqlite")
        let clock = Clock()
        let log: LogCapture
        let ledger: Ledger
        let account: DowntimeLedger

        final class Clock: Sendable {
            let now = Locked(DowntimeTests.at(0))
        }

        init() async throws {
            log = LogCapture(in: directory)
            var options = LedgerOptions()
            options.virtualFileSystem = faults.name
            ledger = try Ledger(directory: directory.path, options: options, logger: log.logger())
            try await ledger.beat(at: DowntimeTests.at(0), isClean: false)
            account = DowntimeLedger(
                ledger: ledger, store: FakeStore(), logger: log.logger(),
                clock: { [clock] in clock.now.withLock { $0 } })
            faults.failWrites(Faults.wal, SQLITE_FULL)
            clock.now.withLock { $0 = DowntimeTests.at(20) }
            await account.began(lastDelivery: nil)
        }

        func tick(at second: Int64) async {
            clock.now.withLock { $0 = DowntimeTests.at(second) }
            await account.tick()
        }

        func recorded() async throws -> [Downtime] { try await ledger.downtimes(limit: 10) }
    }

    @Test func `a downtime that cannot be written is written when it can`() async throws {
        let crashed = try await Crashed()
        let expected = OpenDowntime(beganAt: Self.at(0), endedAt: Self.at(20), cause: .crashed)
        for second in 21...40 {
            await crashed.tick(at: Int64(second))
            #expect(crashed.account.open == [expected])
        }
        #expect(try await crashed.recorded().isEmpty)
        // As long as it is missing, the last sign of life is the one before it, for the next start.
        #expect(try await crashed.ledger.lastHeartbeat()?.at == Self.at(0))
        #expect(crashed.log.lines("the downtime could not be recorded").count == 1)
        crashed.faults.failWrites(0, 0)
        await crashed.tick(at: 41)
        await crashed.tick(at: 42)
        let found = try await crashed.recorded()
        #expect(found.map(\.beganAt) == [Self.at(0)] && found.map(\.endedAt) == [Self.at(20)])
        #expect(found.map(\.cause) == [.crashed])
        #expect(crashed.account.open.isEmpty)
        await crashed.tick(at: 50)
        #expect(try await crashed.ledger.lastHeartbeat()?.at == Self.at(50))
        await crashed.account.stop()
        await crashed.ledger.close()
    }

    @Test func `what could not be written until the end is found by the next start`() async throws {
        let crashed = try await Crashed()
        await crashed.tick(at: 30)
        await crashed.account.stop()
        crashed.faults.failWrites(0, 0)
        let next = DowntimeLedger(
            ledger: crashed.ledger, store: FakeStore(), logger: crashed.log.logger(), clock: { Self.at(60) })
        await next.began(lastDelivery: nil)
        let found = try await crashed.recorded()
        #expect(found.map(\.beganAt) == [Self.at(0)] && found.map(\.endedAt) == [Self.at(60)])
        await crashed.ledger.close()
    }

    @Test func `a search that was interrupted goes on`() async throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server in
            for index in 0..<3 { _ = try server.post(Callback.body("SESSION_STARTED", "open\(index)")) }
        }
        let faults = Faults("ledger.sqlite")
        let log = LogCapture(in: directory)
        var options = StoreOptions()
        options.ledger.virtualFileSystem = faults.name
        let store = try DiskSessionStore(
            directory: directory.file("data"), options: options, logger: log.logger())
        defer { store.close() }
        let ledger = try store.ledger
        let account = DowntimeLedger(
            ledger: ledger, store: store, logger: log.logger(), clock: { testTime.adding(seconds: 100) })
        await account.began(lastDelivery: nil)
        // The first tick begins the search.
        faults.failWrites(Faults.wal, SQLITE_FULL)
        await account.tick()
        await account.searching?.value
        #expect(try await ledger.downtimes(limit: 1).first?.isSearched == false)
        for _ in 0..<3 * DowntimeLedger.searchRetrySeconds {
            await account.tick()
            await account.searching?.value
        }
        #expect(log.lines("sessions that may have missed events are not all noted").count == 1)
        faults.failWrites(0, 0)
        for _ in 0...DowntimeLedger.searchRetrySeconds {
            await account.tick()
            await account.searching?.value
        }
        let downtime = try #require(try await ledger.downtimes(limit: 10).last)
        #expect(downtime.isSearched)
        let noted = try await ledger.affected(by: downtime.id, limit: 100).map(\.sessionId)
        #expect(noted == ["open0", "open1", "open2"])
        await account.stop()
    }

    @Test func `a downtime that lasts is shown`() throws {
        let store = FakeStore(.fails(FakeStore.diskFull))
        try withReceiver(store, access: .operators()) { server, _ in
            try BackgroundExecutor.wait { [account = server.features.downtime] in
                await account.began(lastDelivery: nil)
            }
            func open() throws -> [CanonicalJSON] {
                try #require(try server.get("/v1/downtime").json?.member("open")).elements
            }
            #expect(try open().isEmpty)
            #expect(try server.post(Callback.body("SESSION_STARTED")).status == 503)
            let downtime = try #require(try open().first)
            #expect(downtime.instant("from") == testTime && downtime.member("to") == nil)
            #expect(downtime.string("cause") == "store-unavailable")
            store.behave(.works)
            try BackgroundExecutor.wait { [account = server.features.downtime] in
                await account.tick()
                await account.tick()
            }
            #expect(try open().isEmpty)
            #expect(try server.get("/v1/downtime").json?.member("downtimes")?.elements.count == 1)
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
