import Base
import Glibc
import Ledger
import SQLite
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@Suite struct DamageTests {
    let directory = TemporaryDirectory()
    let log = LogLines()

    /// A ledger with something in every table, in one file.
    private func fill(_ count: Int = 400) async throws -> Ledger {
        let ledger = try openLedger(directory, log)
        try await ledger.beat(at: at(100), isClean: false)
        try await ledger.noteLog(KnownLog(identity: Identity(high: 1, low: 2), end: 77))
        _ = try await ledger.addErasure(userId: "u", sessions: ["planned"], through: 5)
        for index in 0..<count { _ = try await ledger.quarantineVerified(body(index, bytes: 500)) }
        try await ledger.addRefundChecks(
            (0..<count).map { "refund-\($0)-\(String(repeating: "z", count: 40))" }, dueAt: at(0))
        // Everything is in the file, and nothing in the WAL.
        try await ledger.scrub()
        return ledger
    }

    @Test(arguments: [false, true])
    func `a damaged page costs its rows and nothing else`(inUse: Bool) async throws {
        var ledger = try await fill()
        if !inUse { await ledger.close() }
        // Somewhere in the middle of the quarantine.
        let pages = directory.pages("ledger.sqlite", with: "INVALID_JSON")
        let damaged = pages[pages.count / 2]
        directory.damagePage("ledger.sqlite", damaged)
        if inUse {
            // What is in the connection's memory is sound.
            try ledger.blocking { (ledger) throws(StoreError) in try ledger.scrub() }
        } else {
            ledger = try openLedger(directory, log)
        }
        let kept = try await ledger.quarantined(limit: 1_000)
        #expect((380..<400).contains(kept.count))
        #expect(
            kept.allSatisfy {
                $0.content.body == body(Int($0.content.receivedAt.microsecondsSince1970), bytes: 500).body
            })
        #expect(ledger.quarantineCounts.verifiedCount == Int64(kept.count))
        #expect(ledger.quarantineCounts.verifiedBytes == Int64(kept.count * 503))
        #expect(ledger.statistics.salvages == 1)
        // All other tables are whole.
        #expect(try await ledger.refundChecks(dueBy: at(1), limit: 1_000).count == 400)
        #expect(try await ledger.newestHeartbeat() == at(100))
        #expect(try await ledger.knownLog() == KnownLog(identity: Identity(high: 1, low: 2), end: 77))
        #expect(try await ledger.erasures().map(\.userId) == ["u"])
        // It is told, and the damaged file is aside.
        #expect(log.critical.count == 1)
        #expect(log.critical.first?.contains("tablesCutShort=1") == true)
        #expect(directory.names.contains("ledger.sqlite.damaged-1"))
        // Ids go on behind those of lost rows, and the file is sound.
        #expect(try await ledger.quarantineVerified(body(1)) == 401)
        await ledger.close()
        let database = try Database(path: directory.file("ledger.sqlite"), mode: .readOnly)
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        database.close()
    }

    @Test func `an erasure goes on where a page of an index is damaged`() async throws {
        let ledger = try await fill()
        let pages = directory.pages("ledger.sqlite", with: "refund-")
        for page in pages.suffix(3) { directory.damagePage("ledger.sqlite", page) }
        try await ledger.erase(userId: "u", sessions: ["refund-1"]) { _ in nil }
        #expect(try await ledger.quarantined(limit: 1_000).count == 400)
        // What was aside is gone with the erasure: nobody knows what is in it.
        #expect(!directory.names.contains { $0.contains("damaged") })
        await ledger.close()
    }

    @Test func `damage at the beginning of the file leaves it aside and the ledger works`() async throws {
        await (try fill()).close()
        directory.change("ledger.sqlite") { bytes in for offset in 0..<100 { bytes[offset] = 0xFF } }
        let ledger = try openLedger(directory, log)
        #expect(!ledger.isNew)
        #expect(log.critical.count == 1)
        try await ledger.beat(at: at(1), isClean: false)
        let id = try await ledger.quarantineVerified(body(1))
        // Which ids were used is not known any more.
        #expect(id > 400)
        await ledger.close()
        // A second time the first file aside stays.
        directory.change("ledger.sqlite") { bytes in for offset in 0..<100 { bytes[offset] = 0xFF } }
        await (try openLedger(directory, log)).close()
        #expect(
            directory.names.filter { $0.contains("damaged") } == ["ledger.sqlite.damaged-1", "ledger.sqlite.damaged-2"])
    }

    @Test(arguments: [60, 63, 68, 71])
    func `a flipped bit in the header stops nobody`(offset: Int) async throws {
        await (try fill(20)).close()
        // The versions of schema and application: bytes 60 to 63 and 68 to 71. A newer version is another matter.
        directory.change("ledger.sqlite") { $0[offset] ^= offset < 64 ? ($0[offset] == 0 ? 0 : 1) : 0x10 }
        let ledger = try openLedger(directory, log)
        #expect(try await ledger.quarantined(limit: 100).count == 20)
        await ledger.close()
    }

    @Test func `a file of a newer release is refused and left alone`() async throws {
        await (try fill(1)).close()
        directory.change("ledger.sqlite") { $0[63] = 9 }
        let before = TemporaryDirectory.read(directory.file("ledger.sqlite"))
        let error = #expect(throws: StoreError.self) { try openLedger(directory, log) }
        #expect(error?.code == .newerSchema)
        #expect(TemporaryDirectory.read(directory.file("ledger.sqlite")) == before)
    }

    @Test func `any flipped page leaves a ledger that works`() async throws {
        await (try fill(60)).close()
        let pages = TemporaryDirectory.read(directory.file("ledger.sqlite")).count / 4_096
        for page in 0..<pages {
            let copy = directory.copyAsAfterCrash()
            copy.damagePage("ledger.sqlite", page)
            let ledger = try openLedger(copy)
            for table in ["heartbeat", "quarantine", "refund"] {
                switch table {
                case "heartbeat": try await ledger.beat(at: at(1), isClean: false)
                case "quarantine": _ = try await ledger.quarantined(limit: 1_000)
                default: _ = try await ledger.refundChecks(dueBy: at(1), limit: 1_000)
                }
            }
            try await ledger.erase(userId: "u", sessions: ["a"]) { _ in nil }
            _ = try await ledger.quarantineVerified(body(1))
            await ledger.close()
        }
    }
}

@Suite struct FileTests {
    let directory = TemporaryDirectory()
    let log = LogLines()

    @Test func `a missing or empty file is a new ledger for its owner only`() async throws {
        var ledger = try openLedger(directory)
        #expect(ledger.isNew)
        await ledger.close()
        ledger = try openLedger(directory)
        #expect(!ledger.isNew)
        try await ledger.beat(at: at(1), isClean: true)
        for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
            var status = stat()
            #expect(stat(directory.file(name), &status) == 0 && status.st_mode & 0o777 == 0o600)
        }
        await ledger.close()
        TemporaryDirectory.write([], to: directory.file("ledger.sqlite"))
        ledger = try openLedger(directory)
        #expect(ledger.isNew)
        await ledger.close()
    }

    @Test(arguments: [
        ["ledger.sqlite"], ["ledger.sqlite-wal"], ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"],
    ])
    func `what is removed while it is in use is written again`(names: [String]) async throws {
        let ledger = try openLedger(directory, log)
        let id = try await ledger.quarantineVerified(body(1))
        try await ledger.checkFiles()
        #expect(ledger.statistics.rewrites == 0)
        for name in names { unlink(directory.file(name)) }
        let second = try await ledger.quarantineVerified(body(2))
        try await ledger.checkFiles()
        #expect(ledger.statistics.rewrites == 1 && log.critical.count == 1)
        let third = try await ledger.quarantineVerified(body(3))
        try await ledger.checkFiles()
        #expect(ledger.statistics.rewrites == 1)
        let crashed = try openLedger(directory.copyAsAfterCrash())
        #expect(try await crashed.quarantined(limit: 9).map(\.id) == [id, second, third])
        await crashed.close()
        await ledger.close()
    }

    @Test func `what is replaced while it is in use is written again and the other file kept`() async throws {
        let other = TemporaryDirectory()
        await (try openLedger(other)).close()
        let ledger = try openLedger(directory, log)
        let id = try await ledger.quarantineVerified(body(1))
        rename(other.file("ledger.sqlite"), directory.file("ledger.sqlite"))
        try await ledger.checkFiles()
        #expect(directory.names.contains("ledger.sqlite.damaged-1"))
        await ledger.close()
        let again = try openLedger(directory)
        #expect(try await again.quarantined(limit: 9).map(\.id) == [id])
        await again.close()
    }

    /// At each step of a replacement, what a start finds.
    @Test func `a replacement that a crash interrupted is finished`() async throws {
        let ledger = try openLedger(directory)
        let id = try await ledger.quarantineVerified(body(1))
        await ledger.close()
        // Complete, and durable: it counts, whatever stands at the path and in its WAL.
        rename(directory.file("ledger.sqlite"), directory.file("ledger.sqlite.next"))
        TemporaryDirectory.write([1, 2, 3], to: directory.file("ledger.sqlite"))
        TemporaryDirectory.write([4, 5, 6], to: directory.file("ledger.sqlite-wal"))
        TemporaryDirectory.write([7, 8, 9], to: directory.file("ledger.sqlite.draft"))
        let again = try openLedger(directory)
        #expect(!again.isNew)
        #expect(try await again.quarantined(limit: 9).map(\.id) == [id])
        await again.close()
        #expect(directory.names == ["ledger.sqlite"])
    }
}
