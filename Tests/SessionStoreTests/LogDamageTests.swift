import Base
import Dispatch
import Glibc
import Ledger
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import EventLog
@testable import SessionStore

/// The log is damaged, gone, or another one: what is sound is kept, what is not is never believed, and both are said.
struct LogDamageTests {
    let directory = TemporaryDirectory()

    private func filled(_ count: Int = 60) async throws -> (store: DiskSessionStore, acknowledged: [IngestOutcome]) {
        let store = try openStore(directory)
        return (store, try await ingest(count, into: store))
    }

    @Test(arguments: 0..<40)
    func `a flipped bit anywhere in the log costs at most the row that it is in`(seed: Int) async throws {
        let (store, acknowledged) = try await filled()
        let before = try pureFold(store.log)
        let copy = directory.copyAsAfterCrash()
        store.close()
        var random = Seeded(UInt64(seed))
        let name = try #require(copy.segments.first)
        copy.change(name) { bytes in
            let used = (bytes.lastIndex { $0 != 0 } ?? 0) + 1
            // The first seeds: the header.
            let range = seed < 4 ? 0..<92 : 0..<used
            bytes[Int.random(in: range, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        let lines = LogLines()
        let opened = try openStore(copy, manualOptions(), lines)
        let entries = try opened.entries()
        #expect(entries.count >= acknowledged.count - 1)
        let lost = Set(acknowledged.map(\.position)).subtracting(entries.map(\.position))
        for entry in entries {
            #expect(try SessionEvent.decode(entry.body).sessionId == "s\((entry.position - 1) % 7)")
        }
        _ = try opened.check { _ in }
        #expect(lines.lines.contains { $0.contains("damaged") })
        // It goes on, and the sessions are the fold of what there is.
        let next = try await ingest(3, from: 100, into: opened)
        #expect(next.map(\.position) == [61, 62, 63])
        try await expectFoldOfLog(opened)
        if lost.isEmpty {
            for (key, record) in before where !["s2", "s3", "s4"].contains(key.sessionId) {
                #expect(try await opened.record(key.sessionId)?.encoded() == record.encoded())
            }
        }
        opened.close()
    }

    @Test func `a flipped user id is not believed`() async throws {
        let store = try openStore(directory)
        for user in ["alice", "bobby"] {
            try await store.ingest(
                try delivery("SESSION_STARTED", "of-\(user)", at: 1, extra: #","userId":"\#(user)""#))
        }
        try store.flush()
        let copy = directory.copyAsAfterCrash()
        store.close()
        copy.change(try #require(copy.segments.first)) { bytes in
            let place = bytes.firstRange(of: Array("alice".utf8))?.lowerBound ?? 0
            bytes.replaceSubrange(place..<place + 5, with: Array("bobby".utf8))
        }
        let opened = try openStore(copy)
        #expect(try opened.entries().map(\.position) == [2])
        // The row knows better than the log, which says that it is damaged.
        #expect(try await opened.page(SessionSelection(.user("bobby"), limit: 9)).records.count == 1)
        let report = try opened.check { _ in }
        #expect(!report.isClean && report.damagedFiles.count == 1 && report.missingDeliveries >= 1)
        opened.close()
    }

    enum Loss: CaseIterable { case directory, files, emptied, zeroed }

    private func lose(_ loss: Loss) {
        for name in directory.segments {
            switch loss {
            case .directory, .files: unlink(directory.file(name))
            case .emptied: TemporaryDirectory.write([], to: directory.file(name))
            case .zeroed:
                directory.change(name) { for index in 4_096..<$0.count { $0[index] = 0 } }
            }
        }
        if loss == .directory { rmdir(directory.file("log")) }
    }

    @Test(arguments: Loss.allCases)
    func `a log that is gone beside rows and ledger is refused, and nothing is touched`(_ loss: Loss) async throws {
        let (store, _) = try await filled()
        let before = try pureFold(store.log)
        store.close()
        lose(loss)
        let contents = directory.contents
        for _ in 0..<2 {
            let error = #expect(throws: StoreError.self) { try openStore(directory) }
            #expect(error?.code == .lostLog)
            #expect(error?.message.contains("--accept-lost-log") == true)
            let isSame =
                directory.contents.filter { $0.key.hasPrefix("log/") || $0.key == "sessions.sqlite" }
                == contents.filter { $0.key.hasPrefix("log/") || $0.key == "sessions.sqlite" }
            #expect(isSame)
        }
        // Either of the two that remember is enough.
        for name in ["ledger.sqlite", "sessions.sqlite"] {
            let copy = directory.copyAsAfterCrash()
            unlink(copy.file(name))
            #expect { try openStore(copy) } throws: { ($0 as? StoreError)?.code == .lostLog }
        }
        let accepted = try openStore(directory, manualOptions { $0.acceptsLostLog = true })
        #expect(try accepted.entries().isEmpty)
        #expect(try await accepted.record("s1") == nil)
        // The rows, the last copy, are kept.
        #expect(directory.names.contains("sessions.sqlite.unusable-1"))
        #expect(before.count == 7)
        let acknowledged = try await ingest(5, from: 200, into: accepted)
        accepted.close()
        // From here on as ever.
        let again = try openStore(directory)
        try await expectKept(acknowledged, in: again)
        again.close()
    }

    /// The ledger notes the log's end now and then only: that there was a log is known from the first moment.
    @Test func `a log that is gone before its end was noted is refused too`() async throws {
        let (store, _) = try await filled(3)
        let copy = directory.copyAsAfterCrash()
        store.close()
        for name in copy.segments + ["sessions.sqlite", "sessions.sqlite-wal", "sessions.sqlite-shm"] {
            TemporaryDirectory.removeFile(copy.file(name))
        }
        #expect { try openStore(copy) } throws: { ($0 as? StoreError)?.code == .lostLog }
        let accepted = try openStore(copy, manualOptions { $0.acceptsLostLog = true })
        #expect(try await ingest(1, into: accepted).map(\.position) == [1])
        accepted.close()
    }

    /// Puts the log of another directory in the place of ours.
    private func expectRefusal(ofLogWith events: Int) async throws {
        let other = TemporaryDirectory()
        let foreign = try openStore(other)
        _ = try await ingest(events, into: foreign)
        foreign.close()
        let name = try #require(directory.segments.first)
        let bytes = TemporaryDirectory.read(other.file(name))
        TemporaryDirectory.write(bytes, to: directory.file(name))
        #expect { try openStore(directory) } throws: { ($0 as? StoreError)?.code == .lostLog }
        let isSame = TemporaryDirectory.read(directory.file(name)) == bytes
        #expect(isSame)
    }

    @Test func `another log in the place of ours is refused, and left as it is`() async throws {
        let (store, _) = try await filled()
        store.close()
        try await expectRefusal(ofLogWith: 99)
    }

    @Test func `an older copy of the log is refused; rows of another history of it are not believed`() async throws {
        let (store, _) = try await filled(20)
        try store.flush()
        let old = directory.copyAsAfterCrash()
        _ = try await ingest(20, from: 500, into: store)
        store.close()
        // The older log alone, beside what remembers the newer one.
        let mixed = directory.copyAsAfterCrash()
        for name in old.segments {
            TemporaryDirectory.write(TemporaryDirectory.read(old.file(name)), to: mixed.file(name))
        }
        #expect { try openStore(mixed) } throws: { ($0 as? StoreError)?.code == .lostLog }
        // The older copy was continued; then somebody puts the newer rows and ledger beside it.
        let continued = try openStore(old)
        let acknowledged = try await ingest(30, from: 900, into: continued)
        continued.close()
        for name in ["sessions.sqlite", "ledger.sqlite"] {
            TemporaryDirectory.write(TemporaryDirectory.read(directory.file(name)), to: old.file(name))
        }
        let opened = try openStore(old)
        try await expectKept(acknowledged, in: opened)
        #expect(try opened.check { _ in }.isClean)
        #expect(old.names.contains("sessions.sqlite.unusable-1"))
        opened.close()
    }

    @Test(arguments: [false, true], [false, true])
    func `files that are removed while running cost nothing`(isCrash: Bool, everything: Bool) async throws {
        let (store, first) = try await filled(20)
        var acknowledged = first
        try store.flush()
        for name in directory.names where everything || name.hasPrefix("log/") { unlink(directory.file(name)) }
        rmdir(directory.file("log"))
        // Nobody has noticed yet.
        acknowledged += try await ingest(5, from: 100, into: store)
        if isCrash {
            store.log.queue.sync { store.log.watch() }
            #expect(!store.isWritable)
            acknowledged += try await ingest(5, from: 200, into: store)
            store.log.queue.sync { store.log.watch() }
            #expect(store.isWritable)
            let opened = try openStore(directory.copyAsAfterCrash())
            try await expectKept(acknowledged, in: opened)
            opened.close()
            store.close()
        } else {
            store.close()
        }
        let again = try openStore(directory)
        try await expectKept(acknowledged, in: again)
        again.close()
    }

    @Test(arguments: [false, true])
    func `a start that is refused changes nothing`(isLockRemoved: Bool) async throws {
        let (store, first) = try await filled(10)
        if isLockRemoved { unlink(directory.file("lock")) }
        let before = directory.contents
        let error = #expect(throws: StoreError.self) { try openStore(directory) }
        #expect(error?.code == .locked)
        let isSame = directory.contents == before
        #expect(isSame)
        let more = try await ingest(5, from: 50, into: store)
        store.log.queue.sync { store.log.watch() }
        store.log.queue.sync { store.log.watch() }
        #expect(store.isWritable)
        try await expectKept(first + more, in: store)
        store.close()
    }

    @Test func `what was to be redone is not written into another log`() async throws {
        let (store, _) = try await filled(30)
        let intent = try await store.ledger.addErasure(userId: "nobody", sessions: nil, through: 5)
        let patches = try store.log.plan((3...5).map { RowErasure(position: $0, body: nil) })
        try await store.ledger.setRedo(patches.encoded, of: intent)
        store.close()
        try await expectRefusal(ofLogWith: 40)
    }
}
