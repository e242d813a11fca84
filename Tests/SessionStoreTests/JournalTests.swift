import Base
import CSQLite
import Dispatch
import Glibc
import SessionModel
import Synchronization
import Testing

@testable import SessionStore

/// What the journal promises: an acknowledged delivery is found after a crash or a power cut at any moment, whatever of it
/// has been moved to the log by then.
struct JournalTests {
    let directory = TemporaryDirectory()

    /// Nothing is moved to the log unless the test or a lack of room makes it so.
    private func unmoving(_ change: (inout StoreOptions) -> Void = { _ in }) -> StoreOptions {
        manualOptions {
            $0.moveCount = .max
            $0.journalBytes = 1 << 20
            change(&$0)
        }
    }

    @Test func whatIsOnlyInTheJournalIsRead() async throws {
        let store = try openStore(directory, unmoving())
        let acknowledged = try await ingest(20, into: store)
        let committer = try #require(store.parts.committer)
        #expect(committer.queue.sync { committer.unmovedCount } == 20)
        try await expectKept(acknowledged, in: store)
        #expect(try store.log().count == 20)
        var limited: [Int64] = []
        _ = try store.scanLog(after: 3) { entry in
            limited.append(entry.position)
            return limited.count < 4
        }
        #expect(limited == [4, 5, 6, 7])
        store.close()
    }

    @Test func aCrashBeforeAnythingIsMovedLosesNothing() async throws {
        let store = try openStore(directory, unmoving())
        let acknowledged = try await ingest(20, into: store)
        let copy = directory.copyAsAfterCrash()
        store.close()
        // For reading: nothing is written, and everything is there.
        let journal = TemporaryDirectory.read(copy.file(JournalLayout.fileName))
        let reader = try openStore(copy, unmoving(), readOnly: true)
        try await expectKept(acknowledged, in: reader)
        reader.close()
        #expect(TemporaryDirectory.read(copy.file(JournalLayout.fileName)) == journal)
        let opened = try openStore(copy, unmoving())
        try await expectKept(acknowledged, in: opened)
        let more = try await ingest(5, from: 20, into: opened)
        #expect(more.map(\.position) == Array(21...25))
        try await expectKept(acknowledged + more, in: opened)
        opened.close()
    }

    @Test func afterClosingTheLogIsOneFile() async throws {
        var store = try openStore(directory, unmoving())
        let acknowledged = try await ingest(9, into: store)
        store.close()
        #expect(!FileSystem.exists(directory.file(JournalLayout.fileName)))
        store = try openStore(directory, manualOptions { $0.journalBytes = 0 })
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    /// A batch that came to the disk in part was not acknowledged; everything before it was.
    @Test func aTornEntryEndsTheJournal() async throws {
        let store = try openStore(directory, unmoving())
        let acknowledged = try await ingest(12, into: store)
        let copy = directory.copyAsAfterCrash()
        store.close()
        let whole = TemporaryDirectory.read(copy.file(JournalLayout.fileName))
        var random = Seeded(7)
        for torn in [3, 11] {
            // One entry is one block.
            let start = torn * JournalLayout.blockBytes
            for _ in 0..<5 {
                var bytes = whole
                let entryBytes = JournalLayout.headerBytes + JournalEntry.rowHeaderBytes + 90
                bytes[start + Int.random(in: 0..<entryBytes, using: &random)] ^= 0x10
                let damaged = copy.copyAsAfterCrash()
                TemporaryDirectory.write(bytes, to: damaged.file(JournalLayout.fileName))
                let opened = try openStore(damaged, unmoving())
                #expect(try opened.log().count == torn)
                try await expectKept(Array(acknowledged.prefix(torn)), in: opened)
                let more = try await ingest(1, from: 50, into: opened)
                try await expectKept(Array(acknowledged.prefix(torn)) + more, in: opened)
                opened.close()
            }
        }
    }

    @Test(arguments: [false, true])
    func anErrorOfTheJournalIsNeverAcknowledged(whileSyncing: Bool) async throws {
        let faults = JournalFaults()
        let store = try openStore(directory, unmoving { $0.journalHook = { faults.hook($0) } })
        var acknowledged = try await ingest(6, into: store)
        for round in 0..<3 {
            faults.fail(write: whileSyncing ? 0 : EIO, sync: whileSyncing ? EIO : 0)
            let error = await #expect(throws: StoreError.self) {
                _ = try await ingest(1, from: 100 * round + 50, into: store)
            }
            #expect(error?.code == .unavailable && !store.isWritable)
            #expect(try store.log().count == acknowledged.count)
            faults.fail()
            // The refused batch may be in the journal, whole; the next one takes its place.
            let before = try openStore(directory.copyAsAfterCrash(), unmoving())
            try await expectKept(acknowledged, in: before)
            before.close()
            acknowledged += try await ingest(6, from: 100 * round + 60, into: store)
            #expect(store.isWritable && acknowledged.map(\.position) == Array(1...Int64(acknowledged.count)))
            let after = try openStore(directory.copyAsAfterCrash(), unmoving())
            try await expectKept(acknowledged, in: after)
            #expect(try after.log().count == acknowledged.count)
            after.close()
        }
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    @Test func withoutRoomForTheJournalTheLogTakesEachBatch() async throws {
        let faults = JournalFaults()
        faults.fail(write: ENOSPC)
        let store = try openStore(directory, unmoving { $0.journalHook = { faults.hook($0) } })
        var acknowledged = try await ingest(5, into: store)
        #expect(store.isWritable)
        let crashed = try openStore(directory.copyAsAfterCrash(), unmoving())
        try await expectKept(acknowledged, in: crashed)
        crashed.close()
        faults.fail()
        acknowledged += try await ingest(5, from: 5, into: store)
        let committer = try #require(store.parts.committer)
        #expect(committer.queue.sync { committer.unmovedCount } == 5)
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    /// The log's disk is full, the journal still has room: what was acknowledged is kept, read, and found by the next start.
    @Test func whatCannotBeMovedStaysInTheJournal() async throws {
        let faults = Faults("log.sqlite")
        let options = unmoving {
            $0.virtualFileSystem = faults.name
            $0.moveCount = 8
        }
        let store = try openStore(directory, options)
        faults.failWrites(Faults.wal, SQLITE_FULL)
        var acknowledged = try await ingest(8, into: store)
        // The eighth was durable when the move failed. From then on nothing is taken.
        let committer = try #require(store.parts.committer)
        committer.queue.sync {}
        #expect(!store.isWritable)
        await #expect(throws: StoreError.self) { _ = try await ingest(1, from: 8, into: store) }
        try await expectKept(acknowledged, in: store)

        // A start on the full disk can answer queries, and refuses callbacks until there is room. A journal of another
        // size would be made, but this one is needed.
        let copy = directory.copyAsAfterCrash()
        var otherOptions = options
        otherOptions.journalBytes /= 2
        let restarted = try openStore(copy, otherOptions)
        try await expectKept(acknowledged, in: restarted)
        await #expect(throws: StoreError.self) { _ = try await ingest(1, from: 8, into: restarted) }
        faults.failWrites(0, 0)
        let more = try await ingest(3, from: 20, into: restarted)
        #expect(more.map(\.position) == [9, 10, 11] && restarted.isWritable)
        try await expectKept(acknowledged + more, in: restarted)
        let again = try openStore(copy.copyAsAfterCrash(), otherOptions)
        try await expectKept(acknowledged + more, in: again)
        again.close()
        restarted.close()

        acknowledged += try await ingest(3, from: 30, into: store)
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    /// Nobody knows what of a write-ahead log is on disk after its sync has failed; it is written anew before the journal
    /// lets go of anything.
    @Test(arguments: [4_096, 8])
    func afterAFailedSyncOfTheLogTheJournalKeepsEverything(checkpointFrames: Int) async throws {
        let faults = Faults("log.sqlite")
        let store = try openStore(
            directory,
            manualOptions {
                $0.virtualFileSystem = faults.name
                $0.checkpointFrames = checkpointFrames
            })
        let committer = try #require(store.parts.committer)
        var acknowledged: [IngestOutcome] = []
        let synced = directory.copyAsAfterCrash()
        faults.failSyncs(Faults.wal | Faults.database, SQLITE_IOERR | 4 << 8)
        var refused = 0
        for index in 0..<60 {
            do {
                acknowledged += try await ingest(1, from: index, into: store)
            } catch is StoreError {
                refused += 1
            }
            committer.queue.sync {}
            committer.checkpoints?.settle()
            committer.queue.sync {}
        }
        #expect(refused > 0 && !acknowledged.isEmpty && !store.isWritable)
        // The disk has what it had at first, and the journal.
        TemporaryDirectory.write(
            TemporaryDirectory.read(directory.file(JournalLayout.fileName)), to: synced.file(JournalLayout.fileName))
        let opened = try openStore(synced)
        try await expectKept(acknowledged, in: opened)
        opened.close()
        faults.failSyncs(0, 0)
        acknowledged += try await ingest(20, from: 100, into: store)
        #expect(store.isWritable)
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    @Test func anotherLogsJournalIsNotRead() async throws {
        let store = try openStore(directory, unmoving())
        _ = try await ingest(5, into: store)
        let other = TemporaryDirectory()
        let journal = TemporaryDirectory.read(directory.file(JournalLayout.fileName))
        store.close()
        TemporaryDirectory.write(journal, to: other.file(JournalLayout.fileName))
        let opened = try openStore(other, unmoving())
        #expect(try opened.log().isEmpty)
        let acknowledged = try await ingest(1, into: opened)
        try await expectKept(acknowledged, in: opened)
        opened.close()
    }

    @Test func anEntryLargerThanAHalfGoesToTheLog() async throws {
        let store = try openStore(directory, manualOptions { $0.moveCount = .max })
        var acknowledged = try await ingest(2, into: store)
        let large = #","n":"\#(String(repeating: "x", count: 40_000))""#
        acknowledged.append(try await store.ingest(try delivery("SESSION_X", "large", at: 3, extra: large)))
        acknowledged += try await ingest(2, from: 4, into: store)
        let crashed = try openStore(directory.copyAsAfterCrash())
        try await expectKept(acknowledged, in: crashed)
        crashed.close()
        store.close()
    }
}
