import Base
import Dispatch
import SQLite
import SessionModel
import Testing

@testable import SessionStore

/// The highest version that was acknowledged, by session.
private final class Versions: Sendable {
    private let versions: Locked<[Int]>
    init(count: Int) { versions = Locked([Int](repeating: 0, count: count)) }
    func raise(_ session: Int, to version: Int) { versions.withLock { $0[session] = max($0[session], version) } }
    subscript(session: Int) -> Int { versions.withLock { $0[session] } }
}

/// Random histories, split over restarts and crashes, with derived rows written and records evicted at random moments.
struct HistoryTests {
    private static let names = [
        "SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE", "SESSION_FAILED", "SESSION_STOP_FAILED",
        "SESSION_FEE_INCURRING", "SESSION_NEW_KIND",
    ]

    /// Appends without waiting for each, so that commits are shared, and waits for all.
    private func ingest(_ deliveries: [Delivery], into store: SQLiteSessionStore) async throws -> [IngestOutcome] {
        try await withThrowingTaskGroup { group in
            for delivery in deliveries { group.addTask { try await store.ingest(delivery) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test(arguments: 0..<40)
    func theStateIsTheFoldOfTheLogHoweverItIsSplit(_ seed: Int) async throws {
        var random = Seeded(UInt64(seed))
        var directory = TemporaryDirectory()
        let options = manualOptions { $0.recordsInMemoryMax = 32 }
        var store = try openStore(directory, options)
        var acknowledged: [IngestOutcome] = []
        for _ in 0..<Int.random(in: 5...15, using: &random) {
            var batch: [Delivery] = []
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let name = Self.names.randomElement(using: &random) ?? ""
                let session = "s\(Int.random(in: 0..<25, using: &random))"
                let extra =
                    Bool.random(using: &random) ? #","userId":"u\#(Int.random(in: 0..<3, using: &random))""# : ""
                batch.append(
                    try delivery(name, session, at: Int64.random(in: 0..<10, using: &random), extra: extra))
            }
            acknowledged += try await ingest(batch, into: store)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: try store.flush()
            case 1:
                try store.flush()
                store.parts.cache.evictAll()
            case 2:
                store.close()
                store = try openStore(directory, options)
            case 3:
                let copy = directory.copyAsAfterCrash()
                store.close()
                directory = copy
                store = try openStore(directory, options)
            case 4: store.parts.cache.evictAll()
            default: break
            }
        }
        let log = try store.log()
        #expect(log.map(\.position) == Array(1...Int64(acknowledged.count)))
        #expect(Set(acknowledged.map(\.position)).count == acknowledged.count)
        let expected = try pureFold(log)
        for (id, record) in expected {
            let found = try #require(try await store.record(id))
            #expect(found.encoded == record.encoded)
            #expect(found.state == record.state)
        }
        let report = try store.check { _ in }
        #expect(report.differenceCount == 0 && report.sessions == expected.count)
        store.close()
    }

    @Test func manyThreadsReadAndWriteAndNobodySeesLessThanWasAcknowledged() async throws {
        let directory = TemporaryDirectory()
        var options = StoreOptions()
        options.recordsInMemoryMax = 64
        options.writeBehindCount = 50
        options.writeBehindMilliseconds = 1
        let store = try openStore(directory, options)
        let sessionCount = 200
        let known = Versions(count: sessionCount)
        try await withThrowingTaskGroup { group in
            for writer in 0..<8 {
                group.addTask {
                    var random = Seeded(UInt64(writer))
                    for index in 0..<250 {
                        let session = Int.random(in: 0..<sessionCount, using: &random)
                        let outcome = try await store.ingest(
                            try delivery("SESSION_X", "s\(session)", at: Int64(writer * 1_000 + index)))
                        known.raise(session, to: outcome.version)
                    }
                }
            }
            for reader in 0..<4 {
                group.addTask {
                    var random = Seeded(UInt64(100 + reader))
                    for _ in 0..<1_500 {
                        let session = Int.random(in: 0..<sessionCount, using: &random)
                        let before = known[session]
                        let version = try await store.record("s\(session)")?.state.version ?? 0
                        #expect(version >= before)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try store.check { _ in }.differenceCount == 0)
        #expect(store.statistics.deliveriesCommitted == 2_000)
        store.close()
    }

    @Test func checkpointsKeepTheWALBounded() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(
            directory,
            manualOptions {
                $0.checkpointFrames = 8
                $0.checkpointFramesMax = 64
            })
        var deliveries: [Delivery] = []
        for index in 0..<2_000 {
            deliveries.append(
                try delivery("SESSION_X", "s\(index % 50)", at: Int64(index), extra: #","n":"\#(index)""#))
        }
        for start in stride(from: 0, to: 2_000, by: 20) {
            _ = try await ingest(Array(deliveries[start..<start + 20]), into: store)
        }
        let committer = try #require(store.parts.committer)
        committer.queue.sync {}
        #expect(store.statistics.checkpoints > 0)
        #expect(FileSystem.size(directory.file("log.sqlite-wal")) < 200 * 4_120)
        let crashed = try openStore(directory.copyAsAfterCrash())
        #expect(try crashed.log().count == 2_000)
        crashed.close()
        #expect(try store.check { _ in }.differenceCount == 0)
        store.close()
    }

    @Test func `check notices a session that has two rows`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        for second in 1...40 { _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: Int64(second))) }
        try store.flush()
        let other = try Database(path: directory.file("sessions.sqlite"), mode: .readWriteCreate)
        let columns = "session_id, user_id, status, order_key, skewed, ongoing, anomalies, settlement, record"
        try other.execute(
            "INSERT INTO sessions(number, part, \(columns)) SELECT 33, 8, \(columns) FROM sessions")
        other.close()
        let report = try store.check { _ in }
        #expect(report.sessions == 1 && report.differences.map(\.kind) == [.surplus])
        store.close()
    }

    @Test func checkNamesWhatIsMissingDifferentAndSurplus() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        for id in ["a", "b", "c", "d"] { _ = try await store.ingest(try delivery("SESSION_STARTED", id, at: 1)) }
        try store.flush()
        let other = try Database(path: directory.file("sessions.sqlite"), mode: .readWriteCreate)
        try other.execute(
            """
            DELETE FROM sessions WHERE session_id = 'a';
            UPDATE sessions SET status = 'STOPPED' WHERE session_id = 'b';
            UPDATE sessions SET record = (SELECT record FROM sessions WHERE session_id = 'd') WHERE session_id = 'c';
            INSERT INTO sessions(
                number, part, session_id, status, order_key, skewed, ongoing, anomalies, settlement, record)
                VALUES(77, 19, 'ghost', 'STARTED', 0, 0, 1, 0, 0, x'00');
            """)
        other.close()
        var phases = 0
        let report = try store.check { _ in phases += 1 }
        #expect(report.deliveries == 4 && report.sessions == 4 && report.differenceCount == 4)
        #expect(phases > 0)
        let byId = Dictionary(uniqueKeysWithValues: report.differences.map { ($0.sessionId, $0.kind) })
        #expect(byId == ["a": .missing, "b": .different, "c": .different, "ghost": .surplus])
        store.close()
    }
}
