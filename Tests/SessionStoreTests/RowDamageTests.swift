import Base
import Dispatch
import EventLog
import Glibc
import SQLite
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

/// A damaged row harms its session alone, for a moment; a damaged file of rows is made anew. Nobody has to do anything.
struct RowDamageTests {
    let directory = TemporaryDirectory()

    /// Twenty sessions of one user on disk, none in memory; one row's record has a flipped byte.
    private func damaged() async throws -> DiskSessionStore {
        let store = try openStore(directory)
        for index in 0..<20 {
            for (second, name) in ["SESSION_STARTED", "SESSION_COMPLETE"].enumerated() {
                try await store.ingest(
                    try delivery(name, "s\(index)", at: Int64(index * 10 + second), extra: #","userId":"u""#))
            }
        }
        store.close()
        try flip("s7")
        return try openStore(directory)
    }

    /// Flips a bit of a session's record.
    private func flip(_ session: String) throws {
        let database = try Database(path: directory.rows, mode: .readWriteCreate)
        defer { database.close() }
        var record: [UInt8] = []
        try database.query(
            "SELECT record FROM sessions WHERE session_id = ?1", bind: { $0.bind(1, text: session) },
            row: { record = $0.array(0) })
        record[20] ^= 1
        let update = try database.prepare("UPDATE sessions SET record = ?2 WHERE session_id = ?1")
        defer { update.finalize() }
        update.bind(1, text: session)
        try record.withUnsafeBytes { bytes in
            update.bindBorrowed(2, blob: bytes)
            try update.run()
        }
    }

    /// Asks until it is folded again, which happens by itself.
    private func recordOnceRefolded(_ store: DiskSessionStore, _ id: String) async throws -> SessionRecord? {
        while true {
            do {
                return try await store.record(id)
            } catch let error as StoreError where error == .catchingUp {
                await Task.yield()
            }
        }
    }

    private func expectRight(_ store: DiskSessionStore) async throws {
        _ = try await recordOnceRefolded(store, "s7")
        try await expectFoldOfLog(store)
        #expect(try await store.page(SessionSelection(.user("u"), limit: 50)).records.count == 20)
        #expect(store.isWritable && store.needsRestart == nil)
    }

    @Test func `met by the fold, its session waits and all callbacks are answered`() async throws {
        let store = try await damaged()
        let told = Told()
        store.observe(told.observer)
        let outcome = try await store.ingest(try delivery("SESSION_NOTE", "s7", at: 900))
        #expect(outcome.sessionId == "s7" && outcome.status == .unknown && outcome.version == 0)
        #expect(outcome.position == 41 && !outcome.duplicate)
        let other = try await store.ingest(try delivery("SESSION_NOTE", "s8", at: 900))
        #expect(other.version == 3 && other.status == .complete)
        try await expectRight(store)
        #expect(try await store.record("s7")?.state.version == 3)
        store.log.queue.sync {}
        // Each change once.
        #expect(told.positions.sorted() == [41, 42])
        store.close()
    }

    @Test func `met by a query, only that session is answered as catching up`() async throws {
        let store = try await damaged()
        await #expect(throws: StoreError.catchingUp) { try await store.record("s7") }
        #expect(try await store.record("s8")?.state.version == 2)
        #expect(!store.isCatchingUp)
        try await expectRight(store)
        store.close()
    }

    @Test func `met by a selection, it is folded again and the list is whole`() async throws {
        let store = try await damaged()
        let selection = SessionSelection(.user("u"), limit: 50)
        await #expect(throws: StoreError.catchingUp) { try await store.page(selection) }
        while (try? await store.page(selection)) == nil { await Task.yield() }
        try await expectRight(store)
        store.close()
    }

    @Test func `met by the search for old sessions, it is folded again, and goes with the others`() async throws {
        let store = try await damaged()
        let first = try await store.removeEnded(before: Instant(seconds: 1_780_000_000))
        #expect(first.sessions == 19)
        #expect(try await recordOnceRefolded(store, "s7")?.state.version == 2)
        #expect(try await store.removeEnded(before: Instant(seconds: 1_780_000_000)).sessions == 1)
        #expect(try store.entries().isEmpty)
        try await expectFoldOfLog(store)
        store.close()
    }

    @Test func `one that is in memory when it is found is told of once`() async throws {
        let store = try await damaged()
        try await store.ingest(try delivery("SESSION_NOTE", "s8", at: 900))
        try store.flush()
        try flip("s8")
        let told = Told()
        store.observe(told.observer)
        _ = try? await store.page(SessionSelection(.user("u"), limit: 50))
        for index in 0..<20 { try await store.ingest(try delivery("SESSION_NOTE", "s8", at: 1_000 + Int64(index))) }
        while (try? await store.page(SessionSelection(.user("u"), limit: 50))) == nil { await Task.yield() }
        try await expectRight(store)
        store.log.queue.sync {}
        #expect(told.positions == told.positions.sorted())
        #expect(Set(told.positions).count == told.positions.count)
        #expect(told.positions.count == 20)
        store.close()
    }

    @Test func `a row that says that it is another session's is not shown as that one's`() async throws {
        // In the table alone, as a flipped bit would have it: the index still has the old id.
        let store = try openStore(directory)
        for index in 0..<20 {
            try await store.ingest(
                try delivery("SESSION_STARTED", "session-\(index)-abc", at: Int64(index), extra: #","userId":"u""#))
        }
        store.close()
        // More than one page of the file may have it: the record has it, too, under its checksum.
        directory.change("sessions.sqlite") { bytes in
            let needle = Array("session-7-abc".utf8)
            for place in bytes.ranges(of: needle).map(\.lowerBound) { bytes[place + 8] = UInt8(ascii: "8") }
        }
        let opened = try openStore(directory)
        await opened.caughtUp()
        _ = try? await opened.record("session-7-abc")
        _ = try? await opened.page(SessionSelection(.user("u"), limit: 50))
        while (try? await opened.record("session-7-abc")) ?? nil == nil { await Task.yield() }
        try await expectFoldOfLog(opened)
        opened.close()
    }

    @Test func `a row that stands where another one has to go makes the rows anew`() async throws {
        let store = try openStore(directory)
        var acknowledged = try await ingest(8, into: store)
        try store.flush()
        try directory.editRows(
            """
            INSERT INTO sessions(
                number, partition, session_id, order_key, skewed, ongoing, anomalies, status, status_since, tie,
                expectation, record)
                VALUES(1000, 2, 'new', 0, 0, 1, 0, 0, 0, 1, 0, x'00');
            """)
        acknowledged.append(try await store.ingest(try delivery("SESSION_STARTED", "new", at: 1)))
        #expect(throws: StoreError.self) { try store.flush() }
        while !directory.names.contains("sessions.sqlite.unusable-1") { await Task.yield() }
        while store.isCatchingUp { await Task.yield() }
        await store.caughtUp()
        acknowledged += try await ingest(4, from: 100, into: store)
        try await expectKept(acknowledged, in: store)
        #expect(store.isWritable)
        store.close()
    }

    @Test func `a damaged row whose first delivery the log has lost is folded from the others`() async throws {
        let store = try openStore(directory)
        for second in 0..<3 {
            try await store.ingest(
                try delivery("SESSION_STARTED", "s7", at: Int64(second), extra: #","userId":"u""#))
        }
        store.close()
        try flip("s7")
        directory.change(try #require(directory.segments.first)) { bytes in
            bytes[(bytes.firstRange(of: Array("STARTED".utf8))?.lowerBound ?? 0)] ^= 1
        }
        let opened = try openStore(directory)
        while (try? await opened.page(SessionSelection(.user("u"), limit: 50))) == nil { await Task.yield() }
        #expect(try await recordOnceRefolded(opened, "s7")?.state.version == 2)
        try await expectFoldOfLog(opened)
        opened.close()
    }

    /// Pages of the file, but for the first, while the store runs: SQLite comes upon them.
    private func destroyPages() {
        directory.change("sessions.sqlite") { bytes in
            for start in stride(from: 4_096, to: bytes.count, by: 4_096) {
                for offset in 0..<64 { bytes[start + offset] = 0xA5 }
            }
        }
    }

    @Test func `a file that is damaged while it is used is made anew, and nobody misses anything`() async throws {
        var store = try openStore(directory)
        var acknowledged = try await ingest(200, into: store)
        store.close()
        // Opened without the look that a small file gets.
        store = try openStore(directory, manualOptions { $0.index.recordsInMemoryMax = 32 })
        let told = Told()
        #expect(store.observe(told.observer) == 200)
        destroyPages()
        let waited = Locked(false)
        for index in 0..<60 {
            acknowledged.append(
                try await store.ingest(
                    try delivery("SESSION_X", "s\(index % 9)", at: 5_000 + Int64(index), extra: #","n":"\#(index)""#)))
            if index == 10 {
                // Whatever has been noticed by now.
                store.whenCaughtUp { waited.withLock { $0 = true } }
            }
        }
        while store.isCatchingUp { await Task.yield() }
        await store.caughtUp()
        store.log.queue.sync {}
        #expect(waited.withLock { $0 })
        try await expectKept(acknowledged, in: store)
        #expect(store.isWritable && store.needsRestart == nil)
        #expect(directory.names.contains("sessions.sqlite.unusable-1"))
        #expect(told.positions == Array(201...260))
        #expect(told.reached == 260)
        store.close()
        let again = try openStore(directory)
        try await expectKept(acknowledged, in: again)
        again.close()
    }

    @Test func `a file that is damaged while a long log is folded is made anew, too`() async throws {
        var store = try openStore(directory)
        let acknowledged = try await ingest(3_000, into: store)
        store.close()
        unlink(directory.rows)
        let isDamaged = Locked(false)
        store = try openStore(
            directory,
            manualOptions {
                $0.index.tailBeforeOpeningMax = 0
                $0.index.recordsInMemoryMax = 1
                $0.index.catchUpHook = { [directory] folded in
                    guard folded > 1_000,
                        !isDamaged.withLock({ flag in
                            defer { flag = true }
                            return flag
                        })
                    else { return }
                    TemporaryDirectory.write([UInt8](repeating: 0xA5, count: 40_000), to: directory.rows)
                    TemporaryDirectory.write([], to: directory.file("sessions.sqlite-wal"))
                }
            })
        await store.caughtUp()
        // Everything that was folded is in memory: whoever opens the file first finds out, unless nothing that it reads
        // is damaged.
        do {
            _ = try store.check { _ in }
        } catch {
            while !directory.names.contains("sessions.sqlite.unusable-1") { await Task.yield() }
            while store.isCatchingUp { await Task.yield() }
            await store.caughtUp()
        }
        try await expectKept(acknowledged, in: store)
        store.close()
    }

    @Test func `what is wrong in a file too large to be looked through first is found behind the start`() async throws {
        var store = try openStore(directory)
        let acknowledged = try await ingest(200, into: store)
        store.close()
        // An entry of an index that leads to another row: a page ends with the number of the row that came first.
        let database = try Database(path: directory.rows, mode: .readOnly)
        let root = try database.integer("SELECT rootpage FROM sqlite_schema WHERE name = 'sessions_in_order'")
        database.close()
        var bytes = TemporaryDirectory.read(directory.rows)
        bytes[Int(try #require(root)) * 4096 - 1] ^= 1
        TemporaryDirectory.write(bytes, to: directory.rows)
        store = try openStore(directory, manualOptions { $0.index.checkedBeforeOpeningBytesMax = 0 })
        while !directory.names.contains("sessions.sqlite.unusable-1") { await Task.yield() }
        while store.isCatchingUp { await Task.yield() }
        await store.caughtUp()
        try await expectKept(acknowledged, in: store)
        store.close()
    }
}
