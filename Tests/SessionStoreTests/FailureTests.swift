import Base
import CSQLite
import Dispatch
import EventLog
import Glibc
import Ledger
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex
@testable import SessionStore

struct FailureTests {
    let directory = TemporaryDirectory()

    /// Says what becomes of the log's writes and syncs.
    private final class Disk: Sendable {
        private let faults = Locked((write: Int32(0), sync: Int32(0)))

        func fail(write: Int32 = 0, sync: Int32 = 0) { faults.withLock { $0 = (write, sync) } }

        func hook(_ step: LogOptions.WriteStep) -> Int32 {
            faults.withLock { step == .sync ? $0.sync : $0.write }
        }
    }

    enum Fault: CaseIterable { case fullDisk, writeError, syncError }

    @Test(arguments: Fault.allCases)
    func `an error of the log is never acknowledged, and it goes on when the disk does`(_ fault: Fault) async throws {
        let disk = Disk()
        let store = try openStore(directory, manualOptions { $0.log.writeHook = { disk.hook($0) } })
        var acknowledged = try await ingest(5, into: store)
        for round in 1...3 {
            switch fault {
            case .fullDisk: disk.fail(write: ENOSPC)
            case .writeError: disk.fail(write: EIO)
            case .syncError: disk.fail(sync: EIO)
            }
            for index in 0..<4 {
                let error = await #expect(throws: StoreError.self) {
                    _ = try await ingest(1, from: 1_000 + index, into: store)
                }
                #expect(error?.code == .unavailable)
            }
            #expect(!store.isWritable)
            #expect(store.unavailability?.message.contains("no room") == (fault == .fullDisk))
            // Nothing of what failed is shown.
            #expect(store.statistics.durable == Int64(acknowledged.count))
            try await expectKept(acknowledged, in: store)
            // A crash now may find what failed, and has everything else.
            let before = try openStore(directory.copyAsAfterCrash())
            try await expectKept(acknowledged, in: before)
            before.close()
            disk.fail()
            acknowledged += try await ingest(5, from: round * 10, into: store)
            #expect(store.isWritable)
            let after = try openStore(directory.copyAsAfterCrash())
            try await expectKept(acknowledged, in: after)
            #expect(after.statistics.durable == Int64(acknowledged.count))
            after.close()
        }
        #expect(acknowledged.map(\.position) == Array(1...Int64(acknowledged.count)))
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    @Test func `it becomes writable by itself once the disk works again`() async throws {
        let disk = Disk()
        let store = try openStore(
            directory,
            manualOptions {
                $0.log.writeHook = { disk.hook($0) }
                $0.log.probeMilliseconds = 1
            })
        disk.fail(write: ENOSPC)
        await #expect(throws: StoreError.self) { _ = try await ingest(1, into: store) }
        #expect(!store.isWritable)
        disk.fail()
        // Nobody appends meanwhile.
        while !store.isWritable { await Task.yield() }
        store.close()
    }

    @Test func `session rows may fail for a while`() async throws {
        let faults = Faults("sessions.sqlite")
        let store = try openStore(
            directory,
            manualOptions {
                $0.index.virtualFileSystem = faults.name
                $0.index.unwrittenRecordsMax = 10
            })
        var acknowledged: [IngestOutcome] = []
        faults.failWrites(Faults.wal, SQLITE_FULL)
        for index in 0..<10 {
            acknowledged.append(try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)))
        }
        #expect(throws: StoreError.self) { try store.flush() }
        // The backlog is at its bound: no more is accepted than fits in memory.
        await #expect(throws: StoreError.self) { try await store.ingest(delivery("SESSION_STARTED", "x", at: 1)) }
        #expect(store.unavailability?.message.contains("session rows") == true)
        faults.failWrites(0, 0)
        try store.flush()
        #expect(store.isWritable)
        acknowledged.append(try await store.ingest(try delivery("SESSION_STARTED", "x", at: 1)))
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    /// More come than rows can be written: they wait, and none is refused while the queue has room.
    @Test func `deliveries wait for session rows`() async throws {
        let store = try openStore(
            directory,
            manualOptions {
                $0.index.writesBehindAutomatically = true
                $0.index.writeBehindCount = .max
                $0.index.writeBehindMilliseconds = 3_600_000
                $0.index.unwrittenRecordsMax = 10
            })
        let writer = try #require(store.index.writeBehind)
        writer.queue.suspend()
        let outcomes = Locked<[IngestOutcome]>([])
        let group = DispatchGroup()
        // One batch each, until there is no room.
        for index in 0..<10 { try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)) }
        for index in 10..<60 {
            group.enter()
            store.append(try delivery("SESSION_STARTED", "s\(index)", at: 1)) { result in
                if case .success(let outcome) = result { outcomes.withLock { $0.append(outcome) } }
                group.leave()
            }
        }
        store.log.queue.sync {}
        #expect(store.isWritable && outcomes.withLock { $0.count } == 0)
        writer.queue.resume()
        await withCheckedContinuation { continuation in group.notify(queue: .global()) { continuation.resume() } }
        #expect(outcomes.withLock { $0.count } == 50)
        try await expectKept(outcomes.withLock { $0 }, in: store)
        store.close()
    }

    /// Without an error: the call does not return.
    @Test func `a disk that does not answer is noticed`() async throws {
        let entered = DispatchSemaphore(value: 0)
        let released = DispatchSemaphore(value: 0)
        let hangs = Locked(false)
        let store = try openStore(
            directory,
            manualOptions {
                $0.log.stallMilliseconds = 1
                $0.log.writeHook = { step in
                    let isNow = hangs.withLock { hangs in
                        defer { if step == .sync { hangs = false } }
                        return hangs && step == .sync
                    }
                    guard isNow else { return 0 }
                    entered.signal()
                    released.wait()
                    return 0
                }
            })
        hangs.withLock { $0 = true }
        let done = DispatchGroup()
        for name in ["SESSION_STARTED", "SESSION_STOPPED"] {
            done.enter()
            // Callbacks are taken all the same: they may still come through.
            store.append(try delivery(name, "a", at: 1)) { _ in done.leave() }
        }
        await Task.detached { entered.waitForTest() }.value
        while store.isWritable { await Task.yield() }
        #expect(store.unavailability?.message.contains("has not answered") == true)
        released.signal()
        await withCheckedContinuation { continuation in done.notify(queue: .global()) { continuation.resume() } }
        store.log.queue.sync {}
        #expect(store.isWritable)
        #expect(try await store.record("a")?.state.version == 2)
        store.close()
    }

    @Test func `a read error of the rows stalls the fold but not the log`() async throws {
        let faults = Faults("sessions.sqlite")
        let options = manualOptions { $0.index.virtualFileSystem = faults.name }
        var store = try openStore(directory, options)
        try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
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

    @Test func `a full queue refuses and frees itself again`() async throws {
        let store = try openStore(directory, manualOptions { $0.log.queueCountMax = 3 })
        let refused = Locked<StoreError?>(nil)
        store.log.queue.suspend()
        for index in 0..<3 { store.append(try delivery("SESSION_STARTED", "s\(index)", at: 1)) { _ in } }
        let more = try delivery("SESSION_STARTED", "x", at: 1)
        // At once, on this thread.
        store.append(more) { result in
            if case .failure(let error) = result { refused.withLock { $0 = error } }
        }
        #expect(refused.withLock { $0 }?.code == .queueFull)
        #expect(store.statistics.queueCount == 3 && store.isUnderPressure)
        store.log.queue.resume()
        try store.flush()
        #expect(store.statistics.queueCount == 0 && !store.isUnderPressure)
        try await store.ingest(more)
        // One commit for what waited together.
        #expect(store.statistics.log.commits == 2)
        #expect(store.statistics.log.rows == 4)
        store.close()
    }

    @Test func `the queue is bounded in bytes too`() async throws {
        let store = try openStore(directory, manualOptions { $0.log.queueBytesMax = 2_000 })
        let big = try delivery("SESSION_X", "a", at: 1, extra: ",\"n\":\"\(String(repeating: "x", count: 2_000))\"")
        let error = await #expect(throws: StoreError.self) { try await store.ingest(big) }
        #expect(error?.code == .queueFull)
        try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        store.close()
    }

    @Test func `a ledger that cannot be written for a while is said once`() async throws {
        let faults = Faults("ledger.sqlite")
        let lines = LogLines()
        let store = try openStore(
            directory,
            manualOptions {
                $0.ledger.virtualFileSystem = faults.name
                $0.noteMilliseconds = 1
            }, lines)
        faults.failWrites(Faults.wal, SQLITE_FULL)
        func said(_ text: String) -> Int { lines.lines.count { $0.contains(text) } }
        let acknowledged = try await ingest(1, into: store)
        while said("the ledger cannot be written") == 0 { await Task.yield() }
        let before = faults.count
        while faults.count < before + 20 { await Task.yield() }
        #expect(said("the ledger cannot be written") == 1)
        faults.failWrites(0, 0)
        while said("the ledger is written again") == 0 { await Task.yield() }
        try await expectKept(acknowledged, in: store)
        store.close()
        #expect(said("the ledger cannot be written") == 1 && said("the ledger is written again") == 1)
    }

    @Test func `a ledger that cannot be written is said, and callbacks are taken all the same`() async throws {
        let faults = Faults("ledger.sqlite")
        let store = try openStore(directory, manualOptions { $0.ledger.virtualFileSystem = faults.name })
        faults.failWrites(Faults.wal, SQLITE_FULL)
        let ledger = try store.ledger
        await #expect(throws: StoreError.self) {
            _ = try await ledger.quarantineVerified(
                QuarantinedBody(receivedAt: .epoch, reason: "X", body: [1], credentials: []))
        }
        #expect(store.unavailability?.message.contains("ledger") == true)
        let acknowledged = try await ingest(3, into: store)
        try await expectKept(acknowledged, in: store)
        faults.failWrites(0, 0)
        store.close()
    }
}

extension DispatchSemaphore {
    fileprivate func waitForTest() { wait() }
}
