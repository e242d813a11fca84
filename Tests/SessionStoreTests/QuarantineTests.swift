import Base
import CSQLite
import SessionModel
import Testing

@testable import SessionStore

struct QuarantineTests {
    let directory = TemporaryDirectory()

    private func item(_ index: Int, bytes: Int = 10) -> QuarantinedBody {
        QuarantinedBody(
            receivedAt: Instant(microsecondsSince1970: Int64(index)), reason: "INVALID_JSON",
            body: [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: bytes), credentials: [1, 2, 3])
    }

    @Test func verifiedBodiesAreDurableInOrderAndComplete() async throws {
        var store = try openStore(directory)
        var ids: [Int64] = []
        for index in 0..<5 { ids.append(try await store.quarantine(item(index))) }
        let crashed = try openStore(directory.copyAsAfterCrash())
        let found = try crashed.quarantined(after: 0, limit: 10, kind: nil)
        #expect(found.map(\.id) == ids)
        #expect(found[2].kind == .verified && found[2].content.body == item(2).body)
        #expect(found[2].content.reason == "INVALID_JSON" && found[2].content.credentials == [1, 2, 3])
        #expect(found[2].content.receivedAt == item(2).receivedAt)
        #expect(crashed.statistics.quarantine.verifiedCount == 5)
        #expect(crashed.statistics.quarantine.verifiedBytes == 5 * 13)
        crashed.close()

        // Pages.
        #expect(try store.quarantined(after: ids[1], limit: 2, kind: .verified).map(\.id) == [ids[2], ids[3]])
        #expect(try store.quarantined(id: ids[4])?.content.body == item(4).body)
        #expect(try await store.remove([ids[0], ids[4], 999]) == 2)
        #expect(try store.quarantined(id: ids[4]) == nil)
        store.close()

        // An id is never used twice, not even the highest one that was removed.
        store = try openStore(directory)
        #expect(try await store.quarantine(item(9)) > ids[4])
        #expect(store.statistics.quarantine.verifiedCount == 4)
        store.close()
    }

    @Test func aRetriedEntryLeavesWithTheTransactionThatLogsIt() async throws {
        let store = try openStore(directory)
        let id = try await store.quarantine(item(1))
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1, quarantineId: id))
        let crashed = try openStore(directory.copyAsAfterCrash())
        #expect(try crashed.quarantined(id: id) == nil)
        #expect(crashed.statistics.quarantine.verifiedCount == 0)
        #expect(try await crashed.record("a")?.received == 1)
        crashed.close()
        store.close()
    }

    @Test func unverifiedBodiesAreBoundedInCountOldestOutFirst() async throws {
        var store = try openStore(directory, manualOptions { $0.unverifiedCountMax = 4 })
        for index in 0..<6 { store.quarantineUnverified(item(index)) }
        // In the ring, before anything is written.
        #expect(store.statistics.quarantine.unverifiedCount == 4)
        #expect(store.statistics.quarantine.unverifiedDropped == 2)
        try store.flush()
        for index in 6..<9 { store.quarantineUnverified(item(index)) }
        let found = try store.quarantined(after: 0, limit: 100, kind: .unverified)
        #expect(found.map { $0.content.body[0] } == [5, 6, 7, 8])
        #expect(store.statistics.quarantine.unverifiedCount == 4)
        #expect(store.statistics.quarantine.unverifiedDropped == 5)
        store.close()

        store = try openStore(directory)
        #expect(try store.quarantined(after: 0, limit: 100, kind: nil).count == 4)
        #expect(store.statistics.quarantine.unverifiedCount == 4)
        store.close()
    }

    @Test func unverifiedBodiesAreBoundedInBytes() throws {
        let store = try openStore(directory, manualOptions { $0.unverifiedBytesMax = 5_000 })
        for index in 0..<20 {
            store.quarantineUnverified(item(index, bytes: 1_000))
            if index % 3 == 0 { try store.flush() }
        }
        let found = try store.quarantined(after: 0, limit: 100, kind: .unverified)
        #expect(found.count == 4 && found.last?.content.body[0] == 19)
        #expect(store.statistics.quarantine.unverifiedBytes == 4 * 1_003)
        // One that is larger than everything goes at once.
        store.quarantineUnverified(item(1, bytes: 6_000))
        try store.flush()
        store.close()
    }

    @Test func onAFullDiskTheyStayInMemoryAndGoodEventsAreNotTouched() async throws {
        let faults = Faults("log.sqlite")
        let store = try openStore(directory, manualOptions { $0.virtualFileSystem = faults.name })
        store.quarantineUnverified(item(1))
        faults.failWrites(Faults.wal, SQLITE_FULL)
        #expect(try store.quarantined(after: 0, limit: 10, kind: nil).count == 1)
        #expect(store.statistics.quarantine.unverifiedCount == 1)
        await #expect(throws: StoreError.self) { try await store.quarantine(item(2)) }
        faults.failWrites(0, 0)
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        #expect(try store.quarantined(after: 0, limit: 10, kind: nil).count == 1)
        try store.flush()
        #expect(store.statistics.quarantine.unverifiedCount == 1)
        let crashed = try openStore(directory.copyAsAfterCrash())
        #expect(try crashed.quarantined(after: 0, limit: 10, kind: nil).count == 1)
        crashed.close()
        store.close()
    }

    @Test func closingWritesWhatIsInMemory() throws {
        var store = try openStore(directory)
        store.quarantineUnverified(item(1))
        store.close()
        store = try openStore(directory)
        #expect(try store.quarantined(after: 0, limit: 10, kind: nil).count == 1)
        store.close()
    }
}
