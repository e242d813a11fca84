import Base
import Dispatch
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex

/// Selections that wait are answered together; each must get its own page, and an answer in any case.
struct SelectionBurstTests {
    let directory = TemporaryDirectory()

    private static func page(_ store: TestIndex, _ user: Int) async -> Result<SessionPage, StoreError> {
        await withCheckedContinuation { continuation in
            store.index.select(SessionSelection(.user("u\(user)"), limit: 10)) { continuation.resume(returning: $0) }
        }
    }

    /// Asks everything while the queue of the reader stands still, so that all of it waits.
    private func burst(
        _ store: TestIndex, users: Int, meanwhile: @Sendable @escaping () -> Void = {}
    ) async -> [Int: Result<SessionPage, StoreError>] {
        let queue = store.index.selectionReader.queue
        queue.suspend()
        return await withTaskGroup { group in
            for user in 0..<users {
                group.addTask { (user, await Self.page(store, user)) }
            }
            group.addTask {
                meanwhile()
                queue.resume()
                return (-1, .success(SessionPage()))
            }
            return await group.reduce(into: [:]) { if $1.0 >= 0 { $0[$1.0] = $1.1 } }
        }
    }

    private func fill(_ store: TestIndex, users: Int, flushing: (Int) -> Bool) async throws {
        for user in 0..<users {
            for number in 0..<3 {
                try await store.ingest(
                    try delivery(
                        "SESSION_STARTED", "s\(user)-\(number)", at: Int64(number), extra: #","userId":"u\#(user)""#))
            }
            if flushing(user) { try store.flush() }
        }
    }

    @Test(arguments: [1, 2, 15, 16, 17, 33, 50]) func `everybody gets their own page`(_ users: Int) async throws {
        let store = try TestIndex(directory)
        // Some rows are on disk, and some in memory only.
        try await fill(store, users: users) { $0 == users / 2 }
        let answers = await burst(store, users: users)
        #expect(answers.count == users)
        for (user, answer) in answers {
            #expect(try answer.get().records.map(\.sessionId) == (0..<3).reversed().map { "s\(user)-\($0)" })
        }
        store.close()
    }

    @Test func `a write in between loses nothing`() async throws {
        let store = try TestIndex(directory)
        try await fill(store, users: 40) { _ in false }
        let answers = await burst(store, users: 40) { try? store.flush() }
        for (user, answer) in answers { #expect(try answer.get().records.count == 3, "u\(user)") }
        store.close()
    }

    @Test func `whoever asks a closed store is answered`() async throws {
        let store = try TestIndex(directory)
        try await fill(store, users: 2) { _ in true }
        store.close()
        guard case .failure(let error) = await Self.page(store, 0) else {
            Issue.record("a closed store gave a page")
            return
        }
        #expect(error.code == .closed)
    }
}
