import Base
import Glibc
import SQLite
import SessionModel
import Testing

@testable import SessionStore

struct RestartTests {
    let directory = TemporaryDirectory()

    @Test func outcomesAndRecordsSurviveAReopening() async throws {
        var store = try openStore(directory)
        let first = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        #expect(!first.duplicate && first.status == .started && first.version == 1 && first.position == 1)
        let again = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        #expect(again.duplicate && again.version == 1 && again.position == 2)
        let before = try #require(try await store.record("a"))
        store.close()

        store = try openStore(directory)
        let after = try #require(try await store.record("a"))
        #expect(after.encoded == before.encoded)
        #expect(after.received == 2 && after.duplicates == 1)
        let third = try await store.ingest(try delivery("SESSION_STOPPED", "a", at: 2))
        #expect(third.position == 3 && third.version == 2 && third.status == .stopped)
        #expect(try await store.record("nobody") == nil)
        store.close()
    }

    @Test func acknowledgedDeliveriesAreThereAfterACrash() async throws {
        let store = try openStore(directory)
        for index in 0..<50 {
            _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index % 7)", at: Int64(index)))
            if index == 20 { try store.flush() }
        }
        let copy = directory.copyAsAfterCrash()
        let reopened = try openStore(copy)
        #expect(try reopened.log().count == 50)
        for index in 0..<7 {
            let expected = try #require(try await store.record("s\(index)"))
            #expect(try await reopened.record("s\(index)")?.encoded == expected.encoded)
        }
        #expect(reopened.statistics.foldedPosition == 50)
        reopened.close()
        store.close()
    }

    @Test func onlyTheTailIsFoldedAtAStart() async throws {
        var store = try openStore(directory)
        for index in 0..<10 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)) }
        try store.flush()
        #expect(store.statistics.derivedPosition == 10)
        _ = try await store.ingest(try delivery("SESSION_STOPPED", "s3", at: 2))
        let copy = directory.copyAsAfterCrash()
        store.close()

        store = try openStore(copy)
        // One session of the tail was read from its row and folded on.
        #expect(store.statistics.recordsInMemory == 1)
        #expect(store.statistics.derivedPosition == 10 && store.statistics.foldedPosition == 11)
        #expect(try await store.record("s3")?.state.status == .stopped)
        #expect(try store.check { _ in }.differenceCount == 0)
        store.close()
    }

    enum Damage: CaseIterable {
        case missing, emptied, truncated, garbage, otherLog, aheadOfLog, newerSchema, foreign, recordVersion, marked
    }

    @Test(arguments: Damage.allCases)
    func unusableDerivedRowsAreMadeAgain(_ damage: Damage) async throws {
        var store = try openStore(directory)
        for index in 0..<30 {
            _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index % 11)", at: Int64(index)))
        }
        let expected = try pureFold(try store.log())
        store.close()
        try apply(damage, to: directory.file("sessions.sqlite"))

        store = try openStore(directory)
        for (id, record) in expected {
            #expect(try await store.record(id)?.encoded == record.encoded)
        }
        let report = try store.check { _ in }
        #expect(report.sessions == 11 && report.deliveries == 30 && report.differenceCount == 0)
        #expect(!FileSystem.exists(directory.file("sessions.rebuild")))
        store.close()
    }

    private func apply(_ damage: Damage, to path: String) throws {
        func edit(_ sql: String) throws {
            let database = try Database(path: path, mode: .readWriteCreate)
            try database.execute(sql)
            database.close()
        }
        switch damage {
        case .missing: unlink(path)
        case .emptied: TemporaryDirectory.write([], to: path)
        case .truncated: TemporaryDirectory.write(Array(TemporaryDirectory.read(path).prefix(4_096)), to: path)
        case .garbage: TemporaryDirectory.write([UInt8](repeating: 0x5A, count: 8_192), to: path)
        case .otherLog: try edit("UPDATE properties SET value = 'another' WHERE name = 'log_id'")
        case .aheadOfLog: try edit("UPDATE properties SET value = 1000 WHERE name = 'derived_position'")
        case .newerSchema: try edit("PRAGMA user_version = 999")
        case .foreign: try edit("PRAGMA application_id = 7")
        case .recordVersion: try edit("UPDATE properties SET value = 99 WHERE name = 'record_version'")
        case .marked: FileSystem.touch(directory.file("sessions.rebuild"))
        }
    }

    @Test func aDamagedRowIsFoundAndMadeAgainByARestart() async throws {
        var store = try openStore(directory)
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        store.close()
        let database = try Database(path: directory.file("sessions.sqlite"), mode: .readWriteCreate)
        try database.execute("UPDATE sessions SET record = zeroblob(20)")
        database.close()

        store = try openStore(directory)
        await #expect(throws: StoreError.self) { try await store.record("a") }
        await #expect(throws: StoreError.self) { try await store.ingest(delivery("SESSION_STOPPED", "a", at: 2)) }
        #expect(!store.isWritable)
        store.close()

        store = try openStore(directory)
        #expect(store.isWritable)
        // What was refused is in the log all the same, and is folded.
        #expect(try await store.record("a")?.state.status == .stopped)
        #expect(try store.check { _ in }.differenceCount == 0)
        store.close()
    }

    @Test func progressIsReportedForALongTail() async throws {
        var store = try openStore(directory)
        for index in 0..<20 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(index)", at: 1)) }
        store.close()
        unlink(directory.file("sessions.sqlite"))
        var reports: [Int64] = []
        store = try SQLiteSessionStore(
            directory: directory.path, options: manualOptions(), logger: quietLogger
        ) { position, last in
            reports.append(position)
            #expect(last == 20)
        }
        #expect(reports.last == 20)
        store.close()
    }
}
