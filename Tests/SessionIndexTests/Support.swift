import Base
import Dispatch
import EventLog
import SQLite
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex

private struct FreeRight: DirectoryRight {
    func isInPlace() -> Bool { true }
    func renew() throws(StoreError) {}
}

/// Takes what is durable before there is an index.
private final class Forwarder: LogConsumer {
    let index = Locked<SessionIndex?>(nil)

    func take(_ batch: CommittedBatch) { index.withLock { $0 }?.take(batch) }
    func waitsForRoom(_ body: @escaping @Sendable () -> Void) -> Bool {
        index.withLock { $0 }?.waitsForRoom(body) ?? false
    }
}

/// An index on a log of its own.
final class TestIndex: Sendable {
    let log: EventLog
    let index: SessionIndex
    private let forwarder = Forwarder()
    /// Why the rows were given up, if they were.
    let damage = Damage()

    final class Damage: Sendable {
        private let reasons = Locked<[String]>([])

        var all: [String] { reasons.withLock { $0 } }
        func note(_ reason: String) { reasons.withLock { $0.append(reason) } }
    }

    init(
        _ directory: TemporaryDirectory, _ change: (inout IndexOptions) -> Void = { _ in },
        lines: LogLines = LogLines(), progress: ((Int64, Int64) -> Void)? = nil
    ) throws {
        var options = manualIndexOptions()
        change(&options)
        log = try EventLog(
            directory: directory.path, right: FreeRight(), options: manualLogOptions(), logger: lines.logger)
        // Tests hold the log's queue from the first slice on.
        log.setConsumer(forwarder)
        let told = damage
        index = try SessionIndex(
            directory: directory.path, log: log, options: options, logger: lines.logger, progress: progress,
            onDamage: { _, reason in told.note(reason) })
        forwarder.index.withLock { $0 = index }
    }

    func close() {
        index.stopCatchingUp()
        log.drainAndClose()
        index.close()
        log.close()
    }

    func append(_ delivery: Delivery, completion: @escaping IngestCompletion) {
        log.append(PendingDelivery(delivery, completion))
    }

    /// Appends and waits for the outcome.
    @discardableResult
    func ingest(_ delivery: Delivery) async throws -> IngestOutcome {
        try await withCheckedThrowingContinuation { continuation in
            append(delivery) { continuation.resume(with: $0) }
        }
    }

    func record(_ id: String) async throws -> SessionRecord? {
        try await withCheckedThrowingContinuation { continuation in
            index.session(id) { continuation.resume(with: $0) }
        }
    }

    func page(_ selection: SessionSelection) async throws -> SessionPage {
        try await withCheckedThrowingContinuation { continuation in
            index.select(selection) { continuation.resume(with: $0) }
        }
    }

    func caughtUp() async {
        await withCheckedContinuation { continuation in index.whenCaughtUp { continuation.resume() } }
    }

    func flush() throws { try index.flush() }

    /// Records and rows are the fold of the log, to the byte, and there are no others.
    func expectFoldOfLog(_ location: SourceLocation = #_sourceLocation) async throws {
        let expected = try pureFold(log)
        for (key, record) in expected {
            let id = key.sessionId
            #expect(try await self.record(id)?.encoded() == record.encoded(), "\(id)", sourceLocation: location)
        }
        try flush()
        let rows = try RowSnapshot(index)
        defer { rows.close() }
        var buffer: [UInt8] = []
        for (key, record) in expected {
            let found = try rows.compare(record, key: key, buffer: &buffer)
            #expect(found == .same, "\(key.sessionId)", sourceLocation: location)
        }
        #expect(try rows.count == Int64(expected.count), sourceLocation: location)
    }
}

extension TemporaryDirectory {
    var rows: String { file(SessionIndex.fileName) }

    /// Changes the rows behind the back of everybody.
    func editRows(_ sql: String) throws {
        let database = try Database(path: rows, mode: .readWriteCreate)
        defer { database.close() }
        try database.execute(sql)
    }
}
