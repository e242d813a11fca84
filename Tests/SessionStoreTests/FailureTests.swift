import Base
import CSQLite
import Dispatch
import Glibc
import SQLite
import SessionModel
import Testing

@testable import SessionStore

struct FailureTests {
    let directory = TemporaryDirectory()

    /// What every failure test promises in the end: what was acknowledged is in the log, and the state is its fold.
    private func expectKept(_ acknowledged: [IngestOutcome], in store: SQLiteSessionStore) async throws {
        let log = try store.log()
        let positions = Set(log.map(\.position))
        for outcome in acknowledged { #expect(positions.contains(outcome.position)) }
        for (id, record) in try pureFold(log) {
            #expect(try await store.record(id)?.encoded == record.encoded)
        }
        #expect(try store.check { _ in }.differenceCount == 0)
    }

    private func setPageMax(_ count: Int, _ store: SQLiteSessionStore) throws {
        let committer = try #require(store.parts.committer)
        try committer.queue.sync { try committer.writer?.database.execute("PRAGMA max_page_count = \(count)") }
    }

    @Test(arguments: [0, 64 << 10])
    func withoutRoomNothingIsAcknowledgedAndWithRoomItGoesOn(journalBytes: Int) async throws {
        let store = try openStore(directory, manualOptions { $0.journalBytes = journalBytes })
        var acknowledged = [try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))]
        // As small as the file is now.
        try setPageMax(1, store)
        var refused = 0
        for index in 0..<200 {
            do {
                acknowledged.append(
                    try await store.ingest(
                        try delivery("SESSION_X", "a", at: Int64(index), extra: #","n":"\#(index)""#)))
            } catch let error as StoreError {
                #expect(error.code == .unavailable)
                refused += 1
            }
        }
        #expect(refused > 0)
        #expect(!store.isWritable && store.unavailability?.message.contains("no room") == true)
        #expect(store.statistics.lastPosition == Int64(acknowledged.count))
        #expect(try await store.record("a")?.received == acknowledged.count)

        try setPageMax(1_000_000, store)
        acknowledged.append(try await store.ingest(try delivery("SESSION_STOPPED", "a", at: 500)))
        #expect(store.isWritable)
        #expect(acknowledged.map(\.position) == Array(1...Int64(acknowledged.count)))
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    @Test func itBecomesWritableByItselfOnceThereIsRoom() async throws {
        let store = try openStore(directory)
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        try setPageMax(1, store)
        await #expect(throws: StoreError.self) {
            for index in 0..<200 { _ = try await store.ingest(delivery("SESSION_X", "a", at: Int64(index))) }
        }
        let committer = try #require(store.parts.committer)
        try setPageMax(1_000_000, store)
        // What the timer does, without the timer.
        committer.queue.sync { committer.probe() }
        #expect(store.isWritable)
        store.close()
    }

    enum Fault: CaseIterable { case fullDisk, writeError, syncError }

    /// Without a journal, where each commit writes the WAL. With one: `JournalTests`.
    @Test(arguments: Fault.allCases)
    func anErrorOfTheLogIsNeverAcknowledged(_ fault: Fault) async throws {
        let faults = Faults("log.sqlite")
        let store = try openStore(
            directory,
            manualOptions {
                $0.virtualFileSystem = faults.name
                $0.journalBytes = 0
            })
        var acknowledged: [IngestOutcome] = []
        for index in 0..<5 {
            acknowledged.append(try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)))
        }
        for round in 0..<3 {
            switch fault {
            case .fullDisk: faults.failWrites(Faults.wal, SQLITE_FULL)
            case .writeError: faults.failWrites(Faults.wal, SQLITE_IOERR | 3 << 8)
            case .syncError: faults.failSyncs(Faults.wal, SQLITE_IOERR | 4 << 8)
            }
            for index in 0..<4 {
                let error = await #expect(throws: StoreError.self) {
                    try await store.ingest(delivery("SESSION_STOPPED", "s\(index)", at: Int64(10 + round)))
                }
                #expect(error?.code == .unavailable)
            }
            #expect(!store.isWritable)
            // Nothing of the failed batches is visible.
            #expect(try await store.record("s0")?.received == 1 + round)
            faults.failWrites(0, 0)
            faults.failSyncs(0, 0)
            for index in 0..<5 {
                acknowledged.append(
                    try await store.ingest(try delivery("SESSION_STOPPED", "s\(index)", at: Int64(10 + round))))
            }
            #expect(store.isWritable)
            // As after a power cut now.
            let crashed = try openStore(directory.copyAsAfterCrash())
            try await expectKept(acknowledged, in: crashed)
            crashed.close()
        }
        #expect(faults.count > 0)
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    @Test func afterAFailedSyncAnAcknowledgedDeliverySurvivesACrash() async throws {
        let faults = Faults("log.sqlite")
        let store = try openStore(
            directory,
            manualOptions {
                $0.virtualFileSystem = faults.name
                $0.journalBytes = 0
            })
        var acknowledged = [try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))]
        faults.failSyncs(Faults.wal, SQLITE_IOERR | 4 << 8)
        await #expect(throws: StoreError.self) { try await store.ingest(delivery("SESSION_STOPPED", "a", at: 2)) }
        // The failed batch is whole in the WAL: a crash now brings it back. It was not acknowledged, and it is folded.
        let crashed = try openStore(directory.copyAsAfterCrash())
        #expect(try crashed.log().count == 2)
        try await expectKept(acknowledged, in: crashed)
        crashed.close()
        faults.failSyncs(0, 0)
        acknowledged.append(try await store.ingest(try delivery("SESSION_COMPLETE", "a", at: 3)))
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    @Test func rowsThatComeBackAreFolded() async throws {
        let store = try openStore(directory, manualOptions { $0.journalBytes = 0 })
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        let committer = try #require(store.parts.committer)
        // As if a commit had reached the disk although it was reported as failed.
        let bytes = body("SESSION_STOPPED", "a", at: 2)
        let other = try Database(path: directory.file("log.sqlite"), mode: .readWriteCreate)
        let insert = try other.prepare("INSERT INTO deliveries VALUES(2, 5, 0, ?1)")
        try bytes.withUnsafeBytes { bytes in
            insert.bindBorrowed(1, blob: bytes)
            try insert.run()
        }
        insert.finalize()
        other.close()
        committer.queue.sync { committer.isInDoubt = true }
        let outcome = try await store.ingest(try delivery("SESSION_COMPLETE", "a", at: 3))
        #expect(outcome.position == 3 && outcome.version == 3)
        try await expectKept([outcome], in: store)
        store.close()
    }

    @Test func derivedRowsMayFailForAWhile() async throws {
        let faults = Faults("sessions.sqlite")
        let store = try openStore(
            directory,
            manualOptions {
                $0.virtualFileSystem = faults.name
                $0.unwrittenRecordsMax = 10
            })
        var acknowledged: [IngestOutcome] = []
        faults.failWrites(Faults.wal, SQLITE_FULL)
        for index in 0..<10 {
            acknowledged.append(try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)))
        }
        #expect(throws: StoreError.self) { try store.flush() }
        // The backlog is at its bound: no more is accepted than fits in memory.
        await #expect(throws: Refused.self) { try await store.ingest(delivery("SESSION_STARTED", "x", at: 1)) }
        #expect(!store.isWritable && store.unavailability?.message.contains("derived") == true)
        faults.failWrites(0, 0)
        try store.flush()
        #expect(store.isWritable)
        acknowledged.append(try await store.ingest(try delivery("SESSION_STARTED", "x", at: 1)))
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    /// More come than rows can be written: they wait, and none is refused while the queue has room.
    @Test func deliveriesWaitForDerivedRows() async throws {
        let store = try openStore(
            directory,
            manualOptions {
                $0.writesBehindAutomatically = true
                $0.writeBehindCount = .max
                $0.writeBehindMilliseconds = 3_600_000
                $0.unwrittenRecordsMax = 10
            })
        let writer = try #require(store.parts.writeBehind)
        writer.queue.suspend()
        let outcomes = Guarded<[IngestOutcome]>([])
        let group = DispatchGroup()
        // One batch each, until there is no room.
        for index in 0..<10 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)) }
        for index in 10..<60 {
            group.enter()
            #expect(
                store.append(try delivery("SESSION_STARTED", "s\(index)", at: 1)) { result in
                    if case .success(let outcome) = result { outcomes.withLock { $0.append(outcome) } }
                    group.leave()
                })
        }
        store.parts.committer?.queue.sync {}
        #expect(store.isWritable && outcomes.withLock { $0.count } == 0)
        writer.queue.resume()
        await withCheckedContinuation { continuation in group.notify(queue: .global()) { continuation.resume() } }
        #expect(outcomes.withLock { $0.count } == 50)
        try await expectKept(outcomes.withLock { $0 }, in: store)
        store.close()
    }

    /// Without an error: the call does not return.
    @Test func aDiskThatDoesNotAnswerIsNoticed() async throws {
        let entered = DispatchSemaphore(value: 0)
        let released = DispatchSemaphore(value: 0)
        let hangs = Guarded(true)
        let store = try openStore(
            directory,
            manualOptions {
                $0.stallMilliseconds = 1
                $0.journalHook = { step in
                    guard step == .sync, hangs.withLock({ $0 }) else { return 0 }
                    hangs.withLock { $0 = false }
                    entered.signal()
                    released.wait()
                    return 0
                }
            })
        let item = try delivery("SESSION_STARTED", "a", at: 1)
        let done = DispatchSemaphore(value: 0)
        #expect(store.append(item) { _ in done.signal() })
        await Task.detached { entered.waitForTest() }.value
        while store.isWritable { sched_yield() }
        #expect(store.unavailability?.message.contains("has not answered") == true)
        // Callbacks are taken all the same: this one may still come through.
        #expect(store.append(try delivery("SESSION_STOPPED", "a", at: 2)) { _ in done.signal() })
        released.signal()
        await Task.detached { for _ in 0..<2 { done.waitForTest() } }.value
        store.parts.committer?.queue.sync {}
        #expect(store.isWritable)
        #expect(try await store.record("a")?.state.version == 2)
        store.close()
    }

    @Test func aReadErrorStallsTheFoldButNotTheLog() async throws {
        let faults = Faults("sessions.sqlite")
        let options = manualOptions { $0.virtualFileSystem = faults.name }
        var store = try openStore(directory, options)
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        store.close()
        store = try openStore(directory, options)
        faults.failReads(Faults.database | Faults.wal, SQLITE_IOERR | 1 << 8)
        await #expect(throws: StoreError.self) { try await store.ingest(delivery("SESSION_STOPPED", "a", at: 2)) }
        #expect(!store.isWritable)
        faults.failReads(0, 0)
        let outcome = try await store.ingest(try delivery("SESSION_COMPLETE", "a", at: 3))
        // The delivery that was refused is in the log, and folded now.
        #expect(outcome.version == 3 && store.isWritable)
        try await expectKept([outcome], in: store)
        store.close()
    }

    @Test func aFullQueueRefusesAndFreesItselfAgain() async throws {
        let store = try openStore(directory, manualOptions { $0.queueCountMax = 3 })
        let committer = try #require(store.parts.committer)
        committer.queue.suspend()
        let group = DispatchGroup()
        for index in 0..<3 {
            group.enter()
            let item = try delivery("SESSION_STARTED", "s\(index)", at: 1)
            #expect(store.append(item) { _ in group.leave() })
        }
        let more = try delivery("SESSION_STARTED", "x", at: 1)
        #expect(!store.append(more) { _ in Issue.record("refused, so never called") })
        #expect(store.statistics.queueCount == 3)
        committer.queue.resume()
        try store.flush()
        #expect(store.statistics.queueCount == 0)
        _ = try await store.ingest(more)
        // One commit for what waited together.
        #expect(store.statistics.commits == 2)
        #expect(store.statistics.deliveriesCommitted == 4)
        store.close()
    }

    @Test func theQueueIsBoundedInBytesToo() async throws {
        let store = try openStore(directory, manualOptions { $0.queueBytesMax = 2_000 })
        let big = try delivery("SESSION_X", "a", at: 1, extra: ",\"n\":\"\(String(repeating: "x", count: 2_000))\"")
        #expect(!store.append(big) { _ in Issue.record("refused, so never called") })
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        store.close()
    }
}

extension DispatchSemaphore {
    fileprivate func waitForTest() { wait() }
}
