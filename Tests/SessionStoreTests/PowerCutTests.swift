import Base
import Dispatch
import Glibc
import SQLite
import SessionModel
import Testing

@testable import SessionStore

/// An acknowledged delivery is found after a power cut at any moment, whatever the server did before it: crashes and
/// orderly stops, erasures, transactions that change nothing.
struct PowerCutTests {
    /// A server's directory, and beside it what of it a power cut would leave: of the log's files what was there at their
    /// last syncs, of the journal everything.
    private final class Machine {
        let faults = Faults("log.sqlite")
        let options: StoreOptions
        private(set) var directory = TemporaryDirectory()
        private(set) var store: SQLiteSessionStore
        private let synced = TemporaryDirectory()
        private var syncs: [Int32: Int32] = [:]
        private static let files = [Faults.wal: "log.sqlite-wal", Faults.database: "log.sqlite"]

        init(_ change: (inout StoreOptions) -> Void) throws {
            let faults = faults
            options = manualOptions {
                $0.virtualFileSystem = faults.name
                change(&$0)
            }
            store = try openStore(directory, options)
            noteSyncs()
        }

        /// After everything that runs beside the commits has had its turn.
        func noteSyncs() {
            if let committer = store.parts.committer {
                committer.queue.sync {}
                committer.checkpoints?.settle()
                committer.queue.sync {}
            }
            for (kind, name) in Self.files where faults.syncCount(kind) != syncs[kind] {
                syncs[kind] = faults.syncCount(kind)
                TemporaryDirectory.write(TemporaryDirectory.read(directory.file(name)), to: synced.file(name))
            }
        }

        /// kill -9: the kernel keeps what was written, and syncs nothing.
        func killAndRestart() throws {
            let left = directory.copyAsAfterCrash()
            store.close()
            for kind in Self.files.keys { syncs[kind] = faults.syncCount(kind) }
            directory = left
            store = try openStore(directory, options)
            noteSyncs()
        }

        func stopAndRestart() throws {
            store.close()
            noteSyncs()
            store = try openStore(directory, options)
            noteSyncs()
        }

        /// What a power cut now would leave.
        func cut() -> TemporaryDirectory {
            let cut = synced.copyAsAfterCrash()
            let journal = directory.file(JournalLayout.fileName)
            if FileSystem.exists(journal) {
                TemporaryDirectory.write(TemporaryDirectory.read(journal), to: cut.file(JournalLayout.fileName))
            }
            return cut
        }
    }

    @Test(arguments: [1, 3, 50], [UInt64(1), 2, 3])
    func nothingAcknowledgedIsLost(moveCount: Int, seed: UInt64) async throws {
        var random = Seeded(seed)
        let machine = try Machine {
            $0.moveCount = moveCount
            $0.checkpointFrames = 16
        }
        var acknowledged: [IngestOutcome] = []
        for step in 0..<120 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0: try machine.killAndRestart()
            case 1: try machine.stopAndRestart()
            case 2: _ = try await machine.store.erase("nobody")
            case 3: try machine.store.commitNothing()
            default:
                acknowledged += try await ingest(
                    Int.random(in: 1...4, using: &random), from: 10 * step, into: machine.store)
            }
            machine.noteSyncs()
            guard step % 6 == 5 else { continue }
            let opened = try openStore(machine.cut())
            try await expectKept(acknowledged, in: opened)
            #expect(opened.statistics.lastPosition == Int64(acknowledged.count))
            opened.close()
        }
        try await expectKept(acknowledged, in: machine.store)
        machine.store.close()
    }

    /// What a killed server has moved to the log without a sync is synced before the journal is written anew.
    @Test func aCrashBeforeIt() async throws {
        let machine = try Machine { $0.moveCount = 1 }
        var acknowledged = try await ingest(2, into: machine.store)
        machine.noteSyncs()
        try machine.killAndRestart()
        acknowledged += try await ingest(1, from: 2, into: machine.store)
        machine.noteSyncs()
        let opened = try openStore(machine.cut())
        try await expectKept(acknowledged, in: opened)
        opened.close()
        machine.store.close()
    }

    /// SQLite syncs nothing for a transaction that changes nothing; the journal must not let go of anything for it.
    @Test func aTransactionThatChangesNothing() async throws {
        let machine = try Machine { $0.moveCount = 1 }
        _ = try await ingest(2, into: machine.store)
        machine.noteSyncs()
        let before = machine.faults.syncCount(Faults.wal)
        try machine.store.commitNothing()
        #expect(machine.faults.syncCount(Faults.wal) == before + 1)
        // Once is enough.
        try machine.store.commitNothing()
        #expect(machine.faults.syncCount(Faults.wal) == before + 1)
        machine.store.close()
    }

    /// The journal's head was overwritten, or not: nothing may be written behind it.
    @Test(arguments: [false, true])
    func anErasureThatCannotWipeTheJournal(whileSyncing: Bool) async throws {
        let directory = TemporaryDirectory()
        let faults = JournalFaults()
        let store = try openStore(
            directory,
            manualOptions {
                $0.moveCount = .max
                $0.erasureRetryMilliseconds = 3_600_000
                $0.journalHook = { faults.hook($0) }
                $0.erasureHook = {
                    if $0 == .forgotten { faults.fail(write: whileSyncing ? 0 : EIO, sync: whileSyncing ? EIO : 0) }
                }
            })
        var acknowledged = try await ingest(3, into: store)
        await #expect(throws: StoreError.self) { _ = try await store.erase("nobody") }
        faults.fail()
        acknowledged += try await ingest(3, from: 3, into: store)
        let crashed = try openStore(directory.copyAsAfterCrash())
        try await expectKept(acknowledged, in: crashed)
        crashed.close()
        store.close()
    }
}

extension SQLiteSessionStore {
    /// A durable transaction of the log that changes nothing.
    fileprivate func commitNothing() throws {
        guard let committer = parts.committer else { return }
        try committer.queue.sync { try committer.transaction { (_) throws(SQLiteError) in } }
    }
}
