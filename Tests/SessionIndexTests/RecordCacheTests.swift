import Base
import EventLog
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex

struct RecordCacheTests {
    private func record(_ id: String) -> SessionRecord { SessionRecord(sessionId: id) }

    private func isFound<Value>(_ lookup: RecordCache.Lookup<Value>) -> Bool {
        if case .found = lookup { return true }
        return false
    }

    private func evictions<Value>(_ lookup: RecordCache.Lookup<Value>) -> UInt64? {
        if case .missing(let count) = lookup { return count }
        return nil
    }

    @Test func `clean records are bounded and dirty ones stay`() {
        let cache = RecordCache(countMax: 320, bytesMax: 1 << 30)
        for index in 0..<100 {
            cache.update(SessionKey("dirty\(index)"), orInsert: record("dirty\(index)"), bytes: 10, hasRow: false) {
                $0.isDirty = true
            }
        }
        for index in 0..<10_000 {
            cache.update(SessionKey("clean\(index)"), orInsert: record("clean\(index)"), bytes: 10, hasRow: false) {
                _ in
            }
        }
        for index in 0..<100 { #expect(isFound(cache.record(SessionKey("dirty\(index)")))) }
        #expect(cache.load.count <= 320 + 100 + 2 * RecordCache.shardCount)
        #expect(cache.load.bytes == cache.load.count * 10)
    }

    /// With more dirty records than the bound, additions must not pay for all of them each time.
    @Test func `many dirty records do not make every addition rotate`() throws {
        let cache = RecordCache(countMax: 16 * 2 * 50, bytesMax: 1 << 30)
        for index in 0..<10_000 {
            cache.update(SessionKey("s\(index)"), orInsert: record("s\(index)"), bytes: 10, hasRow: false) {
                $0.isDirty = true
            }
        }
        // A clean record that was added last outlives the additions of less than one generation.
        let key = SessionKey("clean")
        cache.update(key, orInsert: record("clean"), bytes: 10, hasRow: false) { _ in }
        let shard = RecordCache.shard(of: SessionKey("clean"))
        let neighbours = (0..<100_000).lazy.map { "n\($0)" }.filter { RecordCache.shard(of: SessionKey($0)) == shard }
            .prefix(40)
        for id in neighbours { cache.update(SessionKey(id), orInsert: record(id), bytes: 10, hasRow: false) { _ in } }
        #expect(isFound(cache.record(key)))
        #expect(cache.load.count >= 10_000)
    }

    private final class Memo: SessionMemo {
        let bytes = 1_000
    }

    @Test func `what is kept goes with the first change`() throws {
        let cache = RecordCache(countMax: 1_000, bytesMax: 1 << 30)
        let key = SessionKey("a")
        #expect(cache.memo(key).memo == nil)
        cache.update(key, orInsert: record("a"), bytes: 10, hasRow: false) { _ in }
        let memo = Memo()
        let ticket = cache.memo(key).ticket
        // Made of another state of the record.
        cache.keep(memo, key: key, lastPosition: 7, ticket: ticket)
        #expect(cache.memo(key).memo == nil)
        cache.keep(memo, key: key, lastPosition: 0, ticket: .never)
        #expect(cache.memo(key).memo == nil)
        cache.keep(memo, key: key, lastPosition: 0, ticket: ticket)
        #expect(cache.memo(key).memo === memo && cache.load.bytes == 1_010)
        cache.keep(memo, key: key, lastPosition: 0, ticket: ticket)
        #expect(cache.load.bytes == 1_010)
        _ = cache.update(key) { $0.bytes += 5 }
        #expect(cache.memo(key).memo == nil && cache.load.bytes == 15)
    }

    /// A record may come back with the same last position and less in it: what was made of it before an erasure is gone,
    /// whoever still has it in hand.
    @Test func `nothing is kept over a removal`() throws {
        let cache = RecordCache(countMax: 1_000, bytesMax: 1 << 30)
        let key = SessionKey("a")
        cache.update(key, orInsert: record("a"), bytes: 10, hasRow: true) { _ in }
        let ticket = cache.memo(key).ticket
        cache.keep(Memo(), key: key, lastPosition: 0, ticket: ticket)
        cache.remove(["a"])
        #expect(cache.load.bytes == 0)
        cache.update(key, orInsert: record("a"), bytes: 10, hasRow: true) { _ in }
        cache.keep(Memo(), key: key, lastPosition: 0, ticket: ticket)
        #expect(cache.memo(key).memo == nil)
    }

    @Test func `bytes are bounded and follow changes`() {
        let cache = RecordCache(countMax: 1_000_000, bytesMax: 1 << 20)
        for index in 0..<10_000 {
            cache.update(SessionKey("s\(index)"), orInsert: record("s\(index)"), bytes: 500, hasRow: false) {
                $0.bytes += 500
            }
        }
        #expect(cache.load.bytes <= (1 << 20) + 1_000 * 2 * RecordCache.shardCount)
        #expect(cache.load.bytes == cache.load.count * 1_000)
    }

    @Test func `what is used stays longer`() {
        let cache = RecordCache(countMax: 320, bytesMax: 1 << 30)
        let hot = SessionKey("hot")
        cache.update(hot, orInsert: record("hot"), bytes: 10, hasRow: false) { _ in }
        for index in 0..<5_000 {
            cache.update(SessionKey("s\(index)"), orInsert: record("s\(index)"), bytes: 10, hasRow: false) { _ in }
            #expect(isFound(cache.record(hot)))
        }
    }

    /// A reader has read an old row; meanwhile the session was loaded, changed, written and evicted.
    @Test func `a row read before an eviction is not trusted`() throws {
        let cache = RecordCache(countMax: 1_000, bytesMax: 1 << 30)
        let key = SessionKey("a")
        let count = try #require(evictions(cache.record(key)))
        cache.update(key, orInsert: record("a"), bytes: 10, hasRow: false) { _ in }
        cache.evictAll()
        #expect(cache.resolve(nil, key: key, bytes: 0, evictions: count) == nil)
        // Looked up again, it is.
        let again = try #require(evictions(cache.record(key)))
        #expect(again > count)
        let resolved = try #require(cache.resolve(record("a"), key: key, bytes: 10, evictions: again))
        #expect(resolved?.sessionId == "a")
        #expect(isFound(cache.record(key)))
    }

    @Test func `what is in memory wins over a row`() throws {
        let cache = RecordCache(countMax: 1_000, bytesMax: 1 << 30)
        let key = SessionKey("a")
        let count = try #require(evictions(cache.record(key)))
        let event = try SessionEvent.decode(body("SESSION_STARTED", "a", at: 1))
        cache.update(key, orInsert: record("a"), bytes: 10, hasRow: false) { entry in
            entry.record.apply(event, position: 1, receivedAt: .epoch, place: Place(origin: .none, sequence: 1))
            entry.isDirty = true
        }
        let resolved = try #require(cache.resolve(nil, key: key, bytes: 0, evictions: count))
        #expect(resolved?.received == 1)
    }

    /// Ids that Swift's strings take for equal are different sessions.
    @Test func `ids are compared by bytes`() async throws {
        let directory = TemporaryDirectory()
        var store = try TestIndex(directory)
        try await store.ingest(try delivery("SESSION_STARTED", "caf\u{E9}", at: 1))
        try await store.ingest(try delivery("SESSION_STOPPED", "cafe\u{301}", at: 1))
        store.close()
        store = try TestIndex(directory)
        #expect(try await store.record("caf\u{E9}")?.state.status == .started)
        #expect(try await store.record("cafe\u{301}")?.state.status == .stopped)
        try await store.expectFoldOfLog()
        store.close()
    }
}
