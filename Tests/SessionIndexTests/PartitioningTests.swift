import SQLite
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex

struct PartitioningTests {
    @Test func `partitions follow each other without a gap, and grow`() {
        let partitioning = Partitioning(positionsMin: 4)
        #expect(
            partitioning.partition(of: 1) == 0 && partitioning.partition(of: 4) == 0
                && partitioning.partition(of: 5) == 1)
        var sizes: [Int: Int] = [:]
        var last = 0
        for number in 1...(32 * 4 + 32 * 16 + 32 * 64) {
            let partition = partitioning.partition(of: Int64(number))
            #expect(partition == last || partition == last + 1)
            last = partition
            sizes[partition, default: 0] += 1
        }
        #expect((0..<32).allSatisfy { sizes[$0] == 4 } && (32..<64).allSatisfy { sizes[$0] == 16 })
        #expect((64..<96).allSatisfy { sizes[$0] == 64 } && sizes.count == 96)
    }

    @Test func `every number has a partition, and there are few`() {
        let partitioning = Partitioning(positionsMin: 1 << 20)
        #expect(partitioning.partition(of: 30_000_000) == 28)
        #expect(partitioning.partition(of: 1_000_000_000) <= 100)
        #expect(partitioning.partition(of: .max) < 700)
        #expect(partitioning.partition(of: 0) == 0 && partitioning.partition(of: -1) == 0)
    }

    @Test func `filters name the partition of each session, and few others`() {
        let filters = PartitionFilters(partitioning: Partitioning(positionsMin: 1_000), last: 0)
        for number in 1...20_000 {
            filters.insert(SessionFilter.hash("s\(number)".utf8), number: Int64(number))
        }
        #expect(filters.count == 20)
        var surplus = 0
        for number in 1...20_000 {
            let candidates = filters.candidates("s\(number)")
            #expect(candidates.contains((number - 1) / 1_000))
            #expect(candidates == candidates.sorted(by: >))
            surplus += candidates.count - 1
        }
        #expect(surplus < 1_000)
        #expect((0..<1_000).count { !filters.candidates("other\($0)").isEmpty } < 100)
    }

    @Test func `a partition that is not filled yet is always named`() {
        let filters = PartitionFilters(partitioning: Partitioning(positionsMin: 10), last: 25)
        #expect(filters.count == 3 && filters.candidates("a") == [2, 1, 0])
        filters.learn([SessionFilter.hash("b".utf8)], partition: 2, isDone: true)
        #expect(filters.candidates("a") == [1, 0] && filters.candidates("b") == [2, 1, 0])
        filters.learn([], partition: 1, isDone: true)
        filters.learn([], partition: 0, isDone: false)
        #expect(filters.candidates("a") == [0])
        filters.learn([SessionFilter.hash("a".utf8)], partition: 0, isDone: true)
        #expect(filters.candidates("a") == [0] && filters.candidates("b") == [2])
    }

    @Test func `filters of partitions that are done with are saved and found again`() async throws {
        let folder = TemporaryDirectory()
        let change: (inout IndexOptions) -> Void = { $0.positionsPerPartition = 10 }
        var store = try TestIndex(folder, change)
        for number in 1...35 { try await store.ingest(try delivery("SESSION_STARTED", "s\(number)", at: 1)) }
        try store.flush()
        func saved() throws -> Int64? {
            let database = try Database(path: folder.file("sessions.sqlite"), mode: .readOnly)
            defer { database.close() }
            return try database.integer("SELECT count(*) FROM filters")
        }
        #expect(try saved() == 3)
        try await store.ingest(try delivery("SESSION_STOPPED", "s3", at: 2))
        for number in 36...40 { try await store.ingest(try delivery("SESSION_STARTED", "s\(number)", at: 1)) }
        store.close()
        #expect(try saved() == 4)

        store = try TestIndex(folder, change)
        // What the opening itself knows, without what is read behind it: all partitions but the newest were saved.
        #expect(store.index.filters.candidates("s3") == [0])
        #expect(store.index.filters.candidates("s25") == [2])
        #expect(store.index.filters.candidates("s40").contains(4))
        let outcome = try await store.ingest(try delivery("SESSION_COMPLETE", "s3", at: 3))
        #expect(outcome.version == 3 && outcome.status == .complete)
        store.close()
        store = try TestIndex(folder, change)
        try await store.expectFoldOfLog()
        store.close()
    }
}
