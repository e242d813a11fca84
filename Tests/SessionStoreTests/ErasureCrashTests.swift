import Base
import EventLog
import Glibc
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

/// Crashes, failures and damage in the middle of an erasure.
struct ErasureCrashTests {
    private static let user = UserHistories.userId(1)

    private func fill(_ store: DiskSessionStore, sessions: Int) async throws {
        var random = Seeded(5)
        for delivery in try UserHistories.deliveries(users: 3, sessions: sessions, random: &random) {
            try await store.ingest(delivery)
        }
        // A session of two users: its rows are redacted, not removed.
        for user in 0...1 {
            try await store.ingest(
                try delivery("SESSION_X\(user)", "shared", at: 5, extra: #","userId":"\#(UserHistories.userId(user))""#)
            )
        }
        try store.flush()
    }

    /// Nothing is left of the user, and everything of the others.
    private func expectErased(_ store: DiskSessionStore, _ directory: TemporaryDirectory) async throws {
        #expect(directory.files(holding: Self.user) == [])
        let report = try store.check { _ in }
        #expect(report.isClean && report.undecodableRows == 0, "\(report)")
        try await expectFoldOfLog(store)
        #expect(try await store.record("shared")?.state.userIds == [UserHistories.userId(0)])
        #expect(try await store.record("shared")?.state.version == 2)
    }

    @Test(arguments: 0..<10)
    func `a crash between any two writes of it is made good by the next start`(seed: Int) async throws {
        let directory = TemporaryDirectory()
        let countdown = Locked<Int?>(nil)
        let crashed = Locked<TemporaryDirectory?>(nil)
        let store = try openStore(
            directory,
            manualOptions {
                $0.log.writeHook = { _ in
                    let isNow = countdown.withLock { count in
                        guard let left = count else { return false }
                        count = left - 1
                        return left == 0
                    }
                    if isNow { crashed.withLock { $0 = directory.copyAsAfterCrash() } }
                    return 0
                }
            })
        try await fill(store, sessions: 20)
        let before = try await encodedRecords(store, of: [0, 2], sessions: 20)
        countdown.withLock { $0 = seed * 17 }
        _ = try await store.erase(Self.user)
        store.close()
        let copy = try #require(crashed.withLock { $0 })
        let opened = try openStore(copy)
        opened.finishErasures()
        #expect(try await encodedRecords(opened, of: [0, 1, 2], sessions: 20) == before)
        try await expectErased(opened, copy)
        opened.close()
        #expect(copy.files(holding: Self.user) == [])
    }

    @Test(arguments: 0..<10)
    func `a write that fails in the middle is made good by the next try`(seed: Int) async throws {
        let directory = TemporaryDirectory()
        let countdown = Locked<Int?>(nil)
        let store = try openStore(
            directory,
            manualOptions {
                $0.log.writeHook = { _ in
                    countdown.withLock { count in
                        guard let left = count else { return 0 }
                        count = left > 0 ? left - 1 : nil
                        return left == 0 ? EIO : 0
                    }
                }
            })
        try await fill(store, sessions: 20)
        countdown.withLock { $0 = seed * 17 }
        await #expect(throws: StoreError.self) { _ = try await store.erase(Self.user) }
        // Whatever is read meanwhile.
        _ = try store.entries()
        _ = try store.check { _ in }
        let more = try await ingest(5, into: store)
        _ = try await store.erase(Self.user)
        try await expectErased(store, directory)
        try await expectKept(more, in: store)
        store.close()
    }

    @Test func `in a damaged segment nothing of the user is left, in what is sound and in what is not`() async throws {
        let directory = TemporaryDirectory()
        let first = try openStore(directory)
        try await fill(first, sessions: 20)
        first.close()
        // Rows of the user's that nobody can read any more, a header of an entry, and rows of others.
        directory.change(try #require(directory.segments.first)) { bytes in
            let places = bytes.ranges(of: Array(Self.user.utf8)).map(\.lowerBound)
            for place in places.prefix(3) { bytes[place - 30] ^= 1 }
            bytes[4_100] ^= 1
        }
        // What was kept aside for some reason.
        let text = Array(Self.user.utf8)
        let name = try #require(directory.segments.first)
        for aside in ["\(name).damaged-1", "\(name).replaced-2", "sessions.sqlite.unusable-1"] {
            TemporaryDirectory.write(text, to: directory.file(aside))
        }
        unlink(directory.rows)
        let store = try openStore(directory)
        #expect(try !store.check { _ in }.damagedFiles.isEmpty)
        let kept = try store.entries().filter { !$0.body.contains(Self.user.utf8) }.count
        _ = try await store.erase(Self.user)
        #expect(directory.files(holding: Self.user) == [])
        #expect(try store.entries().count <= kept + 1)
        try await expectFoldOfLog(store)
        let more = try await ingest(5, into: store)
        store.close()
        let again = try openStore(directory)
        try await expectKept(more, in: again)
        #expect(directory.files(holding: Self.user) == [])
        again.close()
    }

    @Test func `damage in the segment in use does not make an erasure take what came later`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        try await fill(store, sessions: 2)
        let name = try #require(directory.segments.last)
        let descriptor = open(directory.file(name), O_RDWR)
        var byte: UInt8 = 0xEE
        let place = TemporaryDirectory.read(directory.file(name)).firstRange(of: Array("SESSION_".utf8))
        #expect(pwrite(descriptor, &byte, 1, off_t(try #require(place).lowerBound)) == 1)
        close(descriptor)
        #expect(try !store.check { _ in }.damagedFiles.isEmpty)
        let later = try await ingest(20, into: store)
        _ = try await store.erase(Self.user)
        #expect(directory.files(holding: Self.user) == [])
        let positions = Set(try store.entries().map(\.position))
        #expect(later.allSatisfy { positions.contains($0.position) })
        store.close()
        let again = try openStore(directory)
        let found = Set(try again.entries().map(\.position))
        #expect(later.allSatisfy { found.contains($0.position) })
        again.close()
    }

    @Test func `who reads meanwhile takes nothing for damage`() async throws {
        let directory = TemporaryDirectory()
        let lines = LogLines()
        let store = try openStore(directory, manualOptions(), lines)
        try await fill(store, sessions: 60)
        let isDone = Locked(false)
        async let reading: Int = Task.detached {
            var readings = 0
            while !isDone.withLock({ $0 }) {
                _ = try store.entries()
                readings += 1
            }
            return readings
        }.value
        for user in 0..<3 { _ = try await store.erase(UserHistories.userId(user)) }
        isDone.withLock { $0 = true }
        #expect(try await reading > 0)
        #expect(lines.critical == [])
        #expect(store.statistics.log.damages == 0)
        #expect(try store.check { _ in }.isClean)
        store.close()
    }
}
