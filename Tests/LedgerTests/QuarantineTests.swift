import Base
import CSQLite
import Ledger
import SessionModel
import TestSupport
import Testing

@Suite struct QuarantineTests {
    let directory = TemporaryDirectory()

    @Test func `verified bodies are durable in order and complete`() async throws {
        var ledger = try openLedger(directory)
        var ids: [Int64] = []
        for index in 0..<5 { ids.append(try await ledger.quarantineVerified(body(index))) }
        let crashed = try openLedger(directory.copyAsAfterCrash())
        let found = try await crashed.quarantined(limit: 10)
        #expect(found.map(\.id) == ids)
        #expect(found[2].kind == .verified && found[2].content.body == body(2).body)
        #expect(found[2].content.reason == "INVALID_JSON" && found[2].content.credentials == [1, 2, 3])
        #expect(found[2].content.receivedAt == body(2).receivedAt)
        #expect(crashed.quarantineCounts.verifiedCount == 5)
        #expect(crashed.quarantineCounts.verifiedBytes == 5 * 13)
        await crashed.close()

        // Pages.
        #expect(try await ledger.quarantined(after: ids[1], limit: 2, kind: .verified).map(\.id) == [ids[2], ids[3]])
        #expect(try await ledger.quarantined(id: ids[4])?.content.body == body(4).body)
        #expect(try await ledger.removeQuarantined([ids[0], ids[4], 999]) == 2)
        #expect(try await ledger.quarantined(id: ids[4]) == nil)
        await ledger.close()

        // An id is never used twice, not even the highest one that was removed.
        ledger = try openLedger(directory)
        #expect(try await ledger.quarantineVerified(body(9)) > ids[4])
        #expect(ledger.quarantineCounts.verifiedCount == 4)
        #expect(ledger.quarantineCounts.verifiedBytes == 4 * 13)
        await ledger.close()
    }

    @Test func `verified bodies that arrive together share a commit and each has its id`() async throws {
        let ledger = try openLedger(directory)
        let ids = try await withThrowingTaskGroup(of: Int64.self) { group in
            for index in 0..<100 { group.addTask { try await ledger.quarantineVerified(body(index)) } }
            var ids: Set<Int64> = []
            for try await id in group { ids.insert(id) }
            return ids
        }
        #expect(ids.count == 100)
        #expect(try await Set(ledger.quarantined(limit: 200).map(\.id)) == ids)
        await ledger.close()
    }

    @Test func `verified bodies beyond the bound of the queue are refused`() async throws {
        let ledger = try openLedger(directory) { $0.verifiedQueueBytesMax = 5_000 }
        let error = await #expect(throws: StoreError.self) {
            try await ledger.quarantineVerified(body(1, bytes: 6_000))
        }
        #expect(error?.code == .queueFull)
        #expect(ledger.quarantineCounts.verifiedCount == 0)
        await ledger.close()
    }

    @Test func `unverified bodies are bounded in count oldest out first`() async throws {
        var ledger = try openLedger(directory) { $0.unverifiedCountMax = 4 }
        for index in 0..<6 { ledger.quarantineUnverified(body(index)) }
        // In the ring, before anything is written.
        #expect(ledger.quarantineCounts.unverifiedCount == 4)
        #expect(ledger.quarantineCounts.unverifiedDropped == 2)
        await ledger.flush()
        for index in 6..<9 { ledger.quarantineUnverified(body(index)) }
        let found = try await ledger.quarantined(limit: 100, kind: .unverified)
        #expect(found.map { $0.content.body[0] } == [5, 6, 7, 8])
        #expect(ledger.quarantineCounts.unverifiedCount == 4)
        #expect(ledger.quarantineCounts.unverifiedDropped == 5)
        await ledger.close()

        ledger = try openLedger(directory)
        #expect(try await ledger.quarantined(limit: 100).count == 4)
        #expect(ledger.quarantineCounts.unverifiedCount == 4)
        await ledger.close()
    }

    /// What looks like a callback is not pushed out by noise, nor one reason's bodies by another's.
    @Test func `bodies that look like callbacks are kept apart from noise`() async throws {
        func body(_ reason: String, _ index: Int, isPlausible: Bool) -> QuarantinedBody {
            QuarantinedBody(
                receivedAt: at(0), reason: reason, body: Array("\(index)".utf8), credentials: [],
                isPlausible: isPlausible)
        }
        var ledger = try openLedger(directory) { $0.unverifiedCountMax = 8 }
        func found() async throws -> [String: Int] {
            try await ledger.quarantined(limit: 100, kind: .unverified).reduce(into: [:]) {
                $0[($1.content.isPlausible ? "+" : "-") + $1.content.reason, default: 0] += 1
            }
        }
        // In memory, and then in the file.
        for isFlushed in [false, true] {
            for index in 0..<2 { ledger.quarantineUnverified(body("A", index, isPlausible: true)) }
            ledger.quarantineUnverified(body("X", 0, isPlausible: false))
            if isFlushed { await ledger.flush() }
            for index in 0..<100 { ledger.quarantineUnverified(body("N", index, isPlausible: false)) }
            if isFlushed { await ledger.flush() }
            #expect(try await found() == ["+A": 2, "-X": 1, "-N": 5])
            for index in 0..<100 { ledger.quarantineUnverified(body("B", index, isPlausible: true)) }
            if isFlushed { await ledger.flush() }
            #expect(try await found() == ["+A": 2, "+B": 4, "-X": 1, "-N": 1])
            let ids = try await ledger.quarantined(limit: 100, kind: .unverified).map(\.id)
            _ = try await ledger.removeQuarantined(ids)
        }
        ledger.quarantineUnverified(body("A", 0, isPlausible: true))
        await ledger.close()
        ledger = try openLedger(directory) { $0.unverifiedCountMax = 8 }
        #expect(try await found() == ["+A": 1])
        await ledger.close()
    }

    @Test func `unverified bodies are bounded in bytes`() async throws {
        let ledger = try openLedger(directory) { $0.unverifiedBytesMax = 5_000 }
        for index in 0..<20 {
            ledger.quarantineUnverified(body(index, bytes: 1_000))
            if index % 3 == 0 { await ledger.flush() }
        }
        let found = try await ledger.quarantined(limit: 100, kind: .unverified)
        #expect(found.count == 4 && found.last?.content.body[0] == 19)
        #expect(ledger.quarantineCounts.unverifiedBytes == 4 * 1_003)
        // One that is larger than everything goes at once.
        ledger.quarantineUnverified(body(1, bytes: 6_000))
        await ledger.flush()
        #expect(ledger.quarantineCounts.unverifiedCount == 4)
        await ledger.close()
    }

    @Test func `on a full disk unverified bodies stay in memory and verified ones fail`() async throws {
        let faults = Faults("ledger.sqlite")
        let ledger = try openLedger(directory) { $0.virtualFileSystem = faults.name }
        ledger.quarantineUnverified(body(1))
        faults.failWrites(Faults.wal, SQLITE_FULL)
        #expect(try await ledger.quarantined(limit: 10).count == 1)
        #expect(ledger.quarantineCounts.unverifiedCount == 1)
        let error = await #expect(throws: StoreError.self) { try await ledger.quarantineVerified(body(2)) }
        #expect(error?.code == .unavailable)
        #expect(ledger.unavailability?.code == .unavailable)
        faults.failWrites(0, 0)
        #expect(try await ledger.quarantined(limit: 10).count == 1)
        #expect(ledger.unavailability == nil)
        #expect(ledger.quarantineCounts.unverifiedCount == 1)
        let crashed = try openLedger(directory.copyAsAfterCrash())
        #expect(try await crashed.quarantined(limit: 10).count == 1)
        await crashed.close()
        await ledger.close()
    }

    @Test func `what is in memory only does not come to disk after its removal`() async throws {
        let faults = Faults("ledger.sqlite")
        let ledger = try openLedger(directory) { $0.virtualFileSystem = faults.name }
        faults.failWrites(Faults.wal, SQLITE_FULL)
        for index in 0..<3 { ledger.quarantineUnverified(body(index)) }
        let ids = try await ledger.quarantined(limit: 10).map(\.id)
        faults.failWrites(0, 0)
        #expect(try await ledger.removeQuarantined([ids[0], ids[2]]) == 2)
        await ledger.close()
        let again = try openLedger(directory)
        #expect(try await again.quarantined(limit: 10).map(\.id) == [ids[1]])
        await again.close()
    }

    @Test func `closing writes what is in memory`() async throws {
        var ledger = try openLedger(directory)
        ledger.quarantineUnverified(body(1))
        await ledger.close()
        ledger = try openLedger(directory)
        #expect(try await ledger.quarantined(limit: 10).count == 1)
        await ledger.close()
        #expect(throws: StoreError.self) { try ledger.blocking { (ledger) throws(StoreError) in try ledger.scrub() } }
    }

    @Test func `a failed sync leaves nothing in doubt`() async throws {
        let faults = Faults("ledger.sqlite")
        let ledger = try openLedger(directory) { $0.virtualFileSystem = faults.name }
        let first = try await ledger.quarantineVerified(body(1))
        faults.failSyncs(Faults.wal, SQLITE_IOERR)
        await #expect(throws: StoreError.self) { try await ledger.quarantineVerified(body(2)) }
        faults.failSyncs(0, 0)
        let last = try await ledger.quarantineVerified(body(3))
        let crashed = try openLedger(directory.copyAsAfterCrash())
        let kept = try await crashed.quarantined(limit: 10).map(\.id)
        // The one of the failed commit may have come to disk.
        #expect(kept.first == first && kept.last == last)
        #expect(crashed.quarantineCounts.verifiedCount == Int64(kept.count))
        #expect(try await ledger.quarantined(limit: 10).map(\.id) == kept)
        #expect(ledger.quarantineCounts == crashed.quarantineCounts)
        await crashed.close()
        await ledger.close()
    }
}
