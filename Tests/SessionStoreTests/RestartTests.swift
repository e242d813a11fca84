import Base
import Glibc
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

struct RestartTests {
    let directory = TemporaryDirectory()

    @Test func `outcomes and records survive a reopening`() async throws {
        var store = try openStore(directory)
        let first = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        #expect(!first.duplicate && first.status == .started && first.version == 1 && first.position == 1)
        let again = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        #expect(again.duplicate && again.version == 1 && again.position == 2)
        let before = try #require(try await store.record("a"))
        store.close()

        store = try openStore(directory)
        let after = try #require(try await store.record("a"))
        #expect(after.encoded() == before.encoded())
        #expect(after.received == 2 && after.duplicates == 1)
        let third = try await store.ingest(try delivery("SESSION_STOPPED", "a", at: 2))
        #expect(third.position == 3 && third.version == 2 && third.status == .stopped)
        #expect(try await store.record("nobody") == nil)
        store.close()
    }

    @Test func `acknowledged deliveries are there after a crash`() async throws {
        let store = try openStore(directory)
        for index in 0..<50 {
            _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index % 7)", at: Int64(index)))
            if index == 20 { try store.flush() }
        }
        let copy = directory.copyAsAfterCrash()
        let reopened = try openStore(copy)
        #expect(try reopened.entries().count == 50)
        for index in 0..<7 {
            let expected = try #require(try await store.record("s\(index)"))
            #expect(try await reopened.record("s\(index)")?.encoded() == expected.encoded())
        }
        #expect(reopened.statistics.index.folded == 50)
        reopened.close()
        store.close()
    }

    @Test func `only the tail is folded at a start`() async throws {
        var store = try openStore(directory)
        for index in 0..<10 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)) }
        try store.flush()
        #expect(store.statistics.index.covered == 10)
        _ = try await store.ingest(try delivery("SESSION_STOPPED", "s3", at: 2))
        let copy = directory.copyAsAfterCrash()
        store.close()

        store = try openStore(copy)
        // One session of the tail was read from its row and folded on.
        #expect(store.statistics.index.recordsInMemory == 1)
        #expect(store.statistics.index.covered == 10 && store.statistics.index.folded == 11)
        #expect(try await store.record("s3")?.state.status == .stopped)
        #expect(try store.check { _ in }.differenceCount == 0)
        store.close()
    }

    @Test func `the number of sessions of each status survives a restart, and goes on from there`() async throws {
        func counts(_ store: DiskSessionStore) -> [SessionStatus: Int] {
            store.statistics.index.sessions.filter { $0.value != 0 }
        }
        var store = try openStore(directory)
        for index in 0..<5 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)) }
        store.close()
        store = try openStore(directory)
        #expect(counts(store) == [.started: 5])
        _ = try await store.ingest(try delivery("SESSION_STOPPED", "s3", at: 2))
        try store.flush()
        #expect(counts(store) == [.started: 4, .stopped: 1])
        store.close()
        try directory.editRows("UPDATE status_counts SET sessions = 7 WHERE sessions = 4")
        store = try openStore(directory)
        #expect(try store.check { _ in }.differences.map(\.sessionId) == ["(sessions by status)"])
        store.close()
    }

    enum Damage: CaseIterable {
        case missing, emptied, truncated, garbage, otherLog, newerSchema, foreign, recordVersion

        /// What cannot be used is kept aside, where there is anything to keep and it is no older form of ours.
        var isKeptAside: Bool { ![.missing, .emptied, .recordVersion].contains(self) }
    }

    @Test(arguments: Damage.allCases)
    func `rows that cannot be used are made again, and kept aside`(_ damage: Damage) async throws {
        var store = try openStore(directory)
        for index in 0..<30 {
            _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index % 11)", at: Int64(index)))
        }
        store.close()
        try apply(damage)

        store = try openStore(directory)
        try await expectFoldOfLog(store)
        let report = try store.check { _ in }
        #expect(report.sessions == 11 && report.deliveries == 30 && report.isClean)
        #expect(directory.names.contains("sessions.sqlite.unusable-1") == damage.isKeptAside)
        store.close()
    }

    private func apply(_ damage: Damage) throws {
        let path = directory.rows
        switch damage {
        case .missing: unlink(path)
        case .emptied: TemporaryDirectory.write([], to: path)
        case .truncated: TemporaryDirectory.write(Array(TemporaryDirectory.read(path).prefix(4_096)), to: path)
        case .garbage: TemporaryDirectory.write([UInt8](repeating: 0x5A, count: 8_192), to: path)
        case .otherLog:
            let known = KnownLog(identity: .random(), end: 7).encoded.map { Self.hexadecimal($0) }.joined()
            try directory.editRows("UPDATE properties SET value = x'\(known)' WHERE name = 'log'")
        case .newerSchema: try directory.editRows("PRAGMA user_version = 999")
        case .foreign: try directory.editRows("PRAGMA application_id = 7")
        case .recordVersion:
            try directory.editRows("UPDATE properties SET value = 99 WHERE name = 'record_version'")
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }

    @Test func `progress is reported for a long tail`() async throws {
        var store = try openStore(directory)
        for index in 0..<20 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)) }
        store.close()
        unlink(directory.file("sessions.sqlite"))
        var reports: [Int64] = []
        store = try DiskSessionStore(
            directory: directory.path, options: manualOptions(), logger: quietLogger
        ) { position, last in
            reports.append(position)
            #expect(last == 20)
        }
        #expect(reports.last == 20)
        store.close()
    }
}
