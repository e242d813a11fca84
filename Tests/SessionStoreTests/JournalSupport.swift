import SessionModel
import Synchronization
import Testing

@testable import SessionStore

/// Fails the journal's writes or syncs on demand.
final class JournalFaults: Sendable {
    private let write = Atomic<Int32>(0)
    private let sync = Atomic<Int32>(0)

    func fail(write: Int32 = 0, sync: Int32 = 0) {
        self.write.store(write, ordering: .relaxed)
        self.sync.store(sync, ordering: .relaxed)
    }

    func hook(_ step: JournalFile.Step) -> Int32 {
        step == .write ? write.load(ordering: .relaxed) : sync.load(ordering: .relaxed)
    }
}

/// Events that differ by their index.
func ingest(_ count: Int, from first: Int = 0, into store: SQLiteSessionStore) async throws -> [IngestOutcome] {
    var outcomes: [IngestOutcome] = []
    for index in first..<first + count {
        outcomes.append(
            try await store.ingest(
                try delivery("SESSION_X", "s\(index % 7)", at: Int64(index), extra: #","n":"\#(index)""#)))
    }
    return outcomes
}

/// Every acknowledged delivery is in the log where it was said to be, and the sessions are the fold of the log.
func expectKept(_ acknowledged: [IngestOutcome], in store: SQLiteSessionStore) async throws {
    let log = try store.log()
    #expect(log.map(\.position) == log.map(\.position).sorted())
    let bodies = Dictionary(uniqueKeysWithValues: log.map { ($0.position, $0.body) })
    for outcome in acknowledged {
        let body = try #require(bodies[outcome.position])
        #expect(try SessionEvent.decode(body).sessionId == outcome.sessionId)
    }
    for (id, record) in try pureFold(log) { #expect(try await store.record(id)?.encoded == record.encoded) }
    #expect(try store.check { _ in }.differenceCount == 0)
}
