import Base
import Dispatch
import EventLog
import Ledger
import Logging
import SQLite
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

/// Options of most tests: nothing happens by itself.
func manualOptions(_ change: (inout StoreOptions) -> Void = { _ in }) -> StoreOptions {
    var options = StoreOptions()
    options.log = manualLogOptions()
    options.index = manualIndexOptions()
    options.ledger.unverifiedWriteMilliseconds = 3_600_000
    options.noteMilliseconds = 3_600_000
    options.erasureRetryMilliseconds = 3_600_000
    change(&options)
    return options
}

func openStore(
    _ directory: TemporaryDirectory, _ options: StoreOptions = manualOptions(), readOnly: Bool = false,
    _ lines: LogLines? = nil
) throws -> DiskSessionStore {
    try DiskSessionStore(
        directory: directory.path, options: options, readOnly: readOnly, logger: lines?.logger ?? quietLogger)
}

extension SessionStore {
    /// Appends and waits for the outcome.
    @discardableResult
    func ingest(_ delivery: Delivery) async throws -> IngestOutcome {
        try await withCheckedThrowingContinuation { continuation in
            append(delivery) { continuation.resume(with: $0) }
        }
    }

    func record(_ id: String) async throws -> SessionRecord? {
        try await withCheckedThrowingContinuation { continuation in
            session(id) { continuation.resume(with: $0) }
        }
    }

    func page(_ selection: SessionSelection) async throws -> SessionPage {
        try await withCheckedThrowingContinuation { continuation in
            select(selection) { continuation.resume(with: $0) }
        }
    }

    func entries() throws -> [LoggedDelivery] {
        var entries: [LoggedDelivery] = []
        try scanLog(after: 0) { (entry) throws(StoreError) in
            entries.append(entry)
            return true
        }
        return entries
    }

    func caughtUp() async {
        await withCheckedContinuation { continuation in whenCaughtUp { continuation.resume() } }
    }
}

/// Events that differ by their index, of seven sessions.
func ingest(_ count: Int, from first: Int = 0, into store: DiskSessionStore) async throws -> [IngestOutcome] {
    var outcomes: [IngestOutcome] = []
    for index in first..<first + count {
        outcomes.append(
            try await store.ingest(
                try delivery("SESSION_X", "s\(index % 7)", at: Int64(index), extra: #","n":"\#(index)""#)))
    }
    return outcomes
}

/// Every acknowledged delivery is in the log where it was said to be, and the sessions are the fold of the log.
func expectKept(
    _ acknowledged: [IngestOutcome], in store: DiskSessionStore, _ location: SourceLocation = #_sourceLocation
) async throws {
    let log = try store.entries()
    #expect(log.map(\.position) == log.map(\.position).sorted(), sourceLocation: location)
    let bodies = Dictionary(uniqueKeysWithValues: log.map { ($0.position, $0.body) })
    for outcome in acknowledged {
        let body = bodies[outcome.position]
        #expect(body != nil, "\(outcome.position)", sourceLocation: location)
        guard let body else { continue }
        #expect(try SessionEvent.decode(body).sessionId == outcome.sessionId, sourceLocation: location)
    }
    try await expectFoldOfLog(store, location)
}

/// Every session is the fold of the log, in memory and on disk.
func expectFoldOfLog(_ store: DiskSessionStore, _ location: SourceLocation = #_sourceLocation) async throws {
    for (key, record) in try pureFold(store.log) {
        let id = key.sessionId
        #expect(try await store.record(id)?.encoded() == record.encoded(), "\(id)", sourceLocation: location)
    }
    #expect(try store.check { _ in }.differences == [], sourceLocation: location)
}

extension TemporaryDirectory {
    var rows: String { file(SessionIndex.fileName) }

    /// The files of the log, by their paths from here.
    var segments: [String] { names.filter { $0.hasPrefix("log/") && $0.hasSuffix(".log") } }

    /// Changes the bytes of a file.
    func change(_ name: String, _ body: (inout [UInt8]) -> Void) {
        var bytes = Self.read(file(name))
        body(&bytes)
        Self.write(bytes, to: file(name))
    }

    func editRows(_ sql: String) throws {
        let database = try Database(path: rows, mode: .readWriteCreate)
        defer { database.close() }
        try database.execute(sql)
    }

    /// The content of every file but the lock and the WAL indexes.
    var contents: [String: [UInt8]] {
        let names = names.filter { $0 != "lock" && !$0.hasSuffix("-shm") }
        return Dictionary(uniqueKeysWithValues: names.map { ($0, Self.read(file($0))) })
    }
}
