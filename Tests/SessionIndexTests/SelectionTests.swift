import Base
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex

/// Pages out of the indexes: no scan, no sort, and nothing acknowledged that is missing.
struct SelectionTests {
    let directory = TemporaryDirectory()

    private func all(_ store: TestIndex, _ scope: SessionSelection.Scope, limit: Int) async throws -> [String] {
        var selection = SessionSelection(scope, limit: limit)
        var found: [String] = []
        while true {
            let page = try await store.page(selection)
            #expect(page.records.count <= limit)
            found += page.records.map(\.sessionId)
            guard let next = page.next else { return found }
            selection.after = next
        }
    }

    static let scopes: [SessionSelection.Scope] = [
        .user("u"), .ongoing(userId: "u"), .anomaly(.startedMissing), .anomaly(.stoppedMissing),
        .anomaly(.revivedAfterFailure), .anomaly(.userIdConflict), .anomaly(.timestampInFuture),
        .lasting(.started, since: Instant(seconds: 2_000_000_000)), .waiting(from: .epoch), .requested(from: .epoch),
        .status([.started, .failed], since: .latest),
    ]

    @Test(arguments: scopes) func `every scope is a walk down one index`(_ scope: SessionSelection.Scope) throws {
        let store = try TestIndex(directory)
        var selection = SessionSelection(scope, limit: 10)
        for sortKey in [nil, SortKey(key: 5, tie: 5)] {
            selection.after = sortKey
            for line in try store.index.selectionReader.plan(selection) {
                #expect(line.hasPrefix("SEARCH sessions USING INDEX sessions_"), "\(line)")
            }
        }
        store.close()
    }

    /// What is on disk, what is not yet, and what changed since it was written, in every mixture.
    @Test(arguments: 0..<8) func `a selection sees everything that was acknowledged`(_ seed: Int) async throws {
        let store = try TestIndex(directory)
        var random = Seeded(UInt64(seed))
        let names = ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE", "SESSION_START_FAILED"]
        var expected: [String: SessionRecord] = [:]
        for index in 0..<300 {
            let id = "s\(Int.random(in: 0..<60, using: &random))"
            let user = Int.random(in: 0..<4, using: &random)
            let outcome = try await store.ingest(
                try delivery(
                    names.randomElement(using: &random) ?? "", id, at: Int64.random(in: 0..<200_000, using: &random),
                    extra: user == 0 ? "" : #","userId":"u\#(user)""#))
            expected[id] = try await store.record(outcome.sessionId)
            if Int.random(in: 0..<40, using: &random) == 0 { try store.flush() }
            if index % 60 == 0 { store.index.cache.evictAll() }
        }
        for user in 1..<4 {
            let order = expected.values.filter { $0.state.userId == "u\(user)" }
                .sorted { ($0.orderedBy, $0.tie) > ($1.orderedBy, $1.tie) }
            #expect(try await all(store, .user("u\(user)"), limit: 7) == order.map(\.sessionId))
            #expect(
                try await all(store, .ongoing(userId: "u\(user)"), limit: 3)
                    == order.filter(\.isOngoing).map(\.sessionId))
        }
        for anomaly in Anomaly.allCases where !anomaly.dependsOnTime {
            let order = expected.values.filter { Anomaly.all(of: $0, now: .earliest).contains(anomaly) }
                .sorted { ($0.orderedBy, $0.tie) > ($1.orderedBy, $1.tie) }
            #expect(try await all(store, .anomaly(anomaly), limit: 5) == order.map(\.sessionId))
        }
        let started = expected.values.filter { $0.startedSince != nil }
            .sorted { ($0.startedSince ?? .epoch, $0.tie) < ($1.startedSince ?? .epoch, $1.tie) }
        #expect(try await all(store, .lasting(.started, since: .latest), limit: 4) == started.map(\.sessionId))
        let notComplete = Set(SessionStatus.known.filter { $0 != .complete })
        let byStatus = expected.values.filter { $0.state.status != .complete }
            .sorted { ($0.statusSinceOrFirstHeard, $0.tie) > ($1.statusSinceOrFirstHeard, $1.tie) }
        #expect(try await all(store, .status(notComplete, since: .latest), limit: 6) == byStatus.map(\.sessionId))
        let everything = expected.values.sorted { ($0.orderedBy, $0.tie) > ($1.orderedBy, $1.tie) }
        #expect(try await all(store, .everything, limit: 9) == everything.map(\.sessionId))
        try store.flush()
        let counts = Dictionary(grouping: expected.values) { $0.state.status.listed }.mapValues(\.count)
        #expect(store.index.figures.sessions.filter { $0.value > 0 } == counts)
        try await store.expectFoldOfLog()
        store.close()
    }

    @Test func `who asks for FAILED finds statuses that nobody knows`() async throws {
        let store = try TestIndex(directory)
        for (second, (id, status)) in [("a", "ON_FIRE"), ("b", "FAILED"), ("c", "STARTED")].enumerated() {
            let body = """
                {"event":"SESSION_OBSERVED","payload":{"sessionId":"\(id)","timestamp":"2025-06-12T10:00:0\(second)Z",\
                "userId":"u","sessionStatus":"\(status)"}}
                """
            let event = try SessionEvent.decode(Array(body.utf8), source: .driveApi)
            _ = try await store.ingest(Delivery(event: event, body: Array(body.utf8), receivedAt: .epoch))
        }
        #expect(try await all(store, .status([.failed], since: .latest), limit: 5) == ["b", "a"])
        var selection = SessionSelection(.user("u"), limit: 5)
        selection.statuses = ["FAILED"]
        #expect(try await store.page(selection).records.map(\.sessionId) == ["b", "a"])
        selection.statuses = ["ON_FIRE"]
        #expect(try await store.page(selection).records.map(\.sessionId) == ["a"])
        store.close()
    }

    /// A clock that was set back: what comes later was received before what is known.
    @Test func `a session moves with the fact that was received first`() async throws {
        let store = try TestIndex(directory)
        func ingest(_ name: String, _ session: String, at seconds: Int64, receivedAt: Int64) async throws {
            let bytes = body(name, session, at: seconds, extra: #","userId":"u""#)
            try await store.ingest(
                Delivery(
                    event: try SessionEvent.decode(bytes), body: bytes,
                    receivedAt: Instant(seconds: 1_770_000_000 + receivedAt)))
        }
        for (index, id) in ["a", "b", "c", "d"].enumerated() {
            try await ingest("SESSION_STARTED", id, at: 10 * Int64(index), receivedAt: 100)
        }
        try store.flush()
        #expect(try await all(store, .user("u"), limit: 1) == ["d", "c", "b", "a"])
        // A new fact moves one up, and another one down; a repeat of what is known moves none.
        try await ingest("SESSION_STOPPED", "a", at: 25, receivedAt: 50)
        try await ingest("SESSION_START_FAILED", "d", at: 5, receivedAt: 50)
        try await ingest("SESSION_STARTED", "b", at: 10, receivedAt: 50)
        let moved = ["a", "c", "b", "d"]
        for limit in 1...4 { #expect(try await all(store, .user("u"), limit: limit) == moved) }
        try store.flush()
        store.index.cache.evictAll()
        for limit in 1...4 { #expect(try await all(store, .user("u"), limit: limit) == moved) }
        // Of two facts that are known, the repeat of one makes it the first.
        try await ingest("SESSION_STARTED", "d", at: 30, receivedAt: 40)
        #expect(try await all(store, .user("u"), limit: 2) == ["d", "a", "c", "b"])
        try store.flush()
        store.index.cache.evictAll()
        #expect(try await all(store, .user("u"), limit: 2) == ["d", "a", "c", "b"])
        try await store.expectFoldOfLog()
        store.close()
    }

    @Test func `a page looks at a bounded number of rows and says where to go on`() async throws {
        let store = try TestIndex(directory) { $0.rowsPerPageMax = 10 }
        for index in 0..<45 {
            try await store.ingest(
                try delivery(
                    index % 15 == 0 ? "SESSION_COMPLETE" : "SESSION_STARTED", "s\(index)", at: Int64(index),
                    extra: #","userId":"u""#))
        }
        try store.flush()
        var selection = SessionSelection(.user("u"), limit: 10)
        selection.statuses = ["COMPLETE"]
        var found: [String] = []
        var pages = 0
        repeat {
            let page = try await store.page(selection)
            found += page.records.map(\.sessionId)
            selection.after = page.next
            pages += 1
        } while selection.after != nil && pages < 20
        #expect(found == ["s30", "s15", "s0"])
        #expect(pages == 5)
        store.close()
    }

    @Test(arguments: [1, 4_000, 1 << 20], [true, false])
    func `a page ends where its records would take too many bytes`(bytesMax: Int, isWritten: Bool) async throws {
        let store = try TestIndex(directory) { $0.pageBytesMax = bytesMax }
        for index in 0..<12 {
            try await store.ingest(
                try delivery("SESSION_STARTED", "s\(index)", at: Int64(index), extra: #","userId":"u""#))
        }
        if isWritten {
            try store.flush()
            store.index.cache.evictAll()
        }
        var selection = SessionSelection(.user("u"), limit: 10)
        var found: [String] = []
        var counts: [Int] = []
        repeat {
            let page = try await store.page(selection)
            found += page.records.map(\.sessionId)
            counts.append(page.records.count)
            selection.after = page.next
        } while selection.after != nil && counts.count < 20
        #expect(found == (0..<12).reversed().map { "s\($0)" })
        switch bytesMax {
        case 1: #expect(counts == Array(repeating: 1, count: 12))
        case 4_000: #expect(counts.count > 2 && counts.allSatisfy { $0 < 10 })
        default: #expect(counts == [10, 2])
        }
        store.close()
    }

    @Test func `the observer is told of each new fact in the order of the log`() async throws {
        let store = try TestIndex(directory)
        try await store.ingest(try delivery("SESSION_STARTED", "a", at: 0))
        let told = Told()
        #expect(store.index.observe(told.observer) == 1)
        for second in [1, 2, 2, 3] { try await store.ingest(try delivery("SESSION_X", "a", at: Int64(second))) }
        #expect(store.index.observe(nil) == 5)
        try await store.ingest(try delivery("SESSION_X", "a", at: 9))
        #expect(told.positions == [2, 3, 5])
        #expect(told.versions == [2, 3, 4])
        #expect(told.reached == 5)
        store.close()
    }
}
