import Base
import EventLog
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex
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
    private func ingest(_ deliveries: [Delivery], into store: DiskSessionStore) async throws -> [IngestOutcome] {
        try await withThrowingTaskGroup { group in
            for delivery in deliveries { group.addTask { try await store.ingest(delivery) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test(arguments: 0..<40)
    func `the state is the fold of the log however it is split`(_ seed: Int) async throws {
        var random = Seeded(UInt64(seed))
        var directory = TemporaryDirectory()
        let options = manualOptions { $0.index.recordsInMemoryMax = 32 }
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
                store.index.cache.evictAll()
            case 2:
                store.close()
                store = try openStore(directory, options)
            case 3:
                let copy = directory.copyAsAfterCrash()
                store.close()
                directory = copy
                store = try openStore(directory, options)
            case 4: store.index.cache.evictAll()
            default: break
            }
        }
        let log = try store.entries()
        #expect(log.map(\.position) == Array(1...Int64(acknowledged.count)))
        #expect(Set(acknowledged.map(\.position)).count == acknowledged.count)
        let expected = try pureFold(store.log)
        for (key, record) in expected {
            let found = try #require(try await store.record(key.sessionId))
            #expect(found.encoded() == record.encoded())
            #expect(found.state == record.state)
        }
        let report = try store.check { _ in }
        #expect(report.differenceCount == 0 && report.sessions == expected.count)
        store.close()
    }

    @Test func `many threads read and write and nobody sees less than was acknowledged`() async throws {
        let directory = TemporaryDirectory()
        let options = manualOptions {
            $0.index.writesBehindAutomatically = true
            $0.index.recordsInMemoryMax = 64
            $0.index.writeBehindCount = 50
            $0.index.writeBehindMilliseconds = 1
        }
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
        #expect(store.statistics.log.rows == 2_000)
        store.close()
    }

    @Test func `check notices a session that has two rows`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        for second in 1...40 { _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: Int64(second))) }
        try store.flush()
        let columns =
            "session_id, user_id, order_key, skewed, ongoing, anomalies, status, status_since, tie, expectation, record"
        try directory.editRows(
            "INSERT INTO sessions(number, partition, \(columns)) SELECT 33, 8, \(columns) FROM sessions")
        let report = try store.check { _ in }
        #expect(report.sessions == 1 && report.differences.map(\.kind) == [.surplus])
        store.close()
    }

    @Test func `check names what is missing different, and surplus`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        for id in ["a", "b", "c", "d"] { _ = try await store.ingest(try delivery("SESSION_STARTED", id, at: 1)) }
        try store.flush()
        try directory.editRows(
            """
            DELETE FROM sessions WHERE session_id = 'a';
            UPDATE sessions SET order_key = 7 WHERE session_id = 'b';
            UPDATE sessions SET record = (SELECT record FROM sessions WHERE session_id = 'd') WHERE session_id = 'c';
            INSERT INTO sessions(
                number, partition, session_id, order_key, skewed, ongoing, anomalies, status, status_since, tie,
                expectation, record)
                VALUES(77, 19, 'ghost', 0, 0, 1, 0, 0, 0, 1, 0, x'00');
            """)
        var phases = 0
        let report = try store.check { _ in phases += 1 }
        #expect(report.deliveries == 4 && report.sessions == 4 && report.differenceCount == 4)
        #expect(phases > 0)
        let byId = Dictionary(uniqueKeysWithValues: report.differences.map { ($0.sessionId, $0.kind) })
        #expect(byId == ["a": .missing, "b": .different, "c": .different, "ghost": .surplus])
        store.close()
    }
}
