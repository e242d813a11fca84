import Base
import Dispatch
import Glibc
import Logging
import TestSupport

@testable import EventLog

let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A row that remembers what became of it.
final class TestItem: LogItem {
    let body: [UInt8]
    let receivedMicroseconds: Int64
    let source: UInt8
    let outcome = Locked<Result<Int64, StoreError>?>(nil)

    init(_ text: String, received: Int64 = 1, source: UInt8 = 0) {
        body = Array(text.utf8)
        receivedMicroseconds = received
        self.source = source
    }

    func failed(_ error: StoreError) { outcome.withLock { $0 = .failure(error) } }
    var position: Int64? { try? outcome.withLock { $0 }?.get() }
    var error: StoreError? {
        guard case .failure(let error) = outcome.withLock({ $0 }) else { return nil }
        return error
    }
}

/// Answers what it gets.
final class TestConsumer: LogConsumer {
    func take(_ batch: CommittedBatch) {
        for entry in batch.entries {
            for (index, item) in entry.items.enumerated() {
                (item as? TestItem)?.outcome.withLock { $0 = .success(entry.firstPosition + Int64(index)) }
            }
        }
    }
    func waitsForRoom(_ body: @escaping @Sendable () -> Void) -> Bool { false }
}

struct FreeRight: DirectoryRight {
    func isInPlace() -> Bool { true }
    func renew() throws(StoreError) {}
}

/// A log with its consumer.
final class TestLog {
    let log: EventLog
    private let consumer = TestConsumer()

    init(
        _ directory: TemporaryDirectory, known: KnownLog? = nil, acceptsLoss: Bool = false, readOnly: Bool = false,
        logger: Logger = quietLogger, _ change: (inout LogOptions) -> Void = { _ in }
    ) throws {
        var options = LogOptions()
        // Small, so that there are many; and nothing happens by itself.
        options.segmentBytes = 32 << 10
        options.preparedBytes = 0
        options.probeMilliseconds = 3_600_000
        options.proofPauseMilliseconds = 0
        options.watchMilliseconds = 0
        change(&options)
        log = try EventLog(
            directory: directory.path, known: known, acceptsLoss: acceptsLoss, readOnly: readOnly, right: FreeRight(),
            options: options, logger: logger)
        log.setConsumer(consumer)
    }

    deinit { log.close() }

    /// Appends rows in one commit and waits for it.
    @discardableResult
    func append(_ texts: [String]) -> [TestItem] {
        let items = texts.map { TestItem($0, received: Int64($0.utf8.count)) }
        // Nothing is taken before all are there.
        log.queue.sync { for item in items { log.append(item) } }
        drain()
        return items
    }

    /// Appends what another receiver has received.
    func pull(_ origin: Identity, _ first: Int64, _ texts: [String]) {
        log.append(PulledRows(origin: origin, firstSequence: first, items: texts.map { TestItem($0) }) { _ in })
    }

    func drain() {
        while log.load.count > 0 || !log.pending.isEmpty { log.queue.sync {} }
        log.queue.sync {}
    }

    var rows: [Int64: String] {
        get throws {
            var rows: [Int64: String] = [:]
            var last: Int64 = 0
            try log.read(after: 0) { (row) throws(Never) in
                precondition(row.position > last, "not ascending")
                last = row.position
                rows[row.position] = String(decoding: row.body, as: UTF8.self)
                return true
            }
            return rows
        }
    }

    var segmentPaths: [String] { log.segments.withLock { $0.map(\.path) } }
}

func texts(_ range: Range<Int>) -> [String] { range.map { "row \($0) " + String(repeating: "x", count: $0 % 97) } }
