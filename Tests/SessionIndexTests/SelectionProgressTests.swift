import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex

/// Pages of what is spread over partitions and hardly matches.
struct SelectionProgressTests {
    let directory = TemporaryDirectory()

    /// Follows the cursors to the end, which must come.
    private func all(_ store: TestIndex, statuses: Set<String>) async throws -> [String] {
        var selection = SessionSelection(.user("u"), limit: 10)
        selection.statuses = statuses
        var found: [String] = []
        for _ in 0..<60 {
            let current = selection
            let page: SessionPage = try await withCheckedThrowingContinuation { continuation in
                store.index.select(current) { continuation.resume(with: $0) }
            }
            found += page.records.map(\.sessionId)
            guard let next = page.next else { return found }
            #expect(next != selection.after)
            selection.after = next
        }
        Issue.record("the pages do not end")
        return found
    }

    private func started(_ id: String, at seconds: Int64, failed: Bool = false) throws -> Delivery {
        try delivery(failed ? "SESSION_FAILED" : "SESSION_STARTED", id, at: seconds, extra: #","userId":"u""#)
    }

    /// A session that began long before it was first heard of is in an index of its own, which is looked at last.
    @Test func `a skewed session before all others`() async throws {
        let store = try TestIndex(directory) {
            $0.rowsPerPageMax = 10
            $0.positionsPerPartition = 4
        }
        try await store.ingest(try started("skewed", at: 1_000_000, failed: true))
        try await store.ingest(try started("skewed", at: 1_000_000 - 3 * 86_400))
        for index in 0..<45 {
            try await store.ingest(try started("s\(index)", at: Int64(index), failed: index == 3))
        }
        try store.flush()
        #expect(try await all(store, statuses: ["FAILED"]).sorted() == ["s3", "skewed"])
        store.close()
    }

    @Test func `a session of an older partition before those of a newer one`() async throws {
        let store = try TestIndex(directory) {
            $0.rowsPerPageMax = 10
            $0.positionsPerPartition = 20
        }
        for index in 0..<20 {
            try await store.ingest(
                try started("old\(index)", at: index == 5 ? 5_000 : Int64(index), failed: index == 3))
        }
        for index in 0..<20 { try await store.ingest(try started("s\(index)", at: 1_000 + Int64(index))) }
        try store.flush()
        #expect(try await all(store, statuses: ["FAILED"]) == ["old3"])
        store.close()
    }
}
