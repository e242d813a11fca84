internal import Base
internal import SessionModel

/// One session in memory. Everything mutable in it is guarded by its shard's lock.
///
/// `@unchecked Sendable`: see above; the dirty list hands entries from the fold to the writer of session rows.
final class CacheEntry: @unchecked Sendable {
    let shard: Int
    var record: SessionRecord
    /// An estimate, for the cache's bound.
    var bytes: Int
    /// Changed since it was last taken for writing.
    var isDirty = false
    /// Taken for writing and not yet known to be on disk.
    var isBeingWritten = false
    /// Whether the file of rows has one of the session, however old.
    var hasRow: Bool
    /// What somebody has made of the record as it is; counted in `bytes`.
    private(set) var memo: (any SessionMemo)?

    init(shard: Int, record: SessionRecord, bytes: Int, hasRow: Bool) {
        self.shard = shard
        self.record = record
        self.bytes = bytes
        self.hasRow = hasRow
    }

    func keep(_ memo: (any SessionMemo)?) {
        bytes += (memo?.bytes ?? 0) - (self.memo?.bytes ?? 0)
        self.memo = memo
    }

    /// Must stay in memory: the row on disk is older.
    var isPinned: Bool { isDirty || isBeingWritten }
}

/// The records in memory: sharded, so that queries and the fold seldom meet at a lock, and bounded by two generations.
///
/// What is used moves to the young generation; when that is full, the old one goes, except for records that are not on
/// disk yet. The fold is the only one that changes records; readers may add clean ones that they have read from disk.
final class RecordCache: Sendable {
    private struct State {
        var young: [SessionKey: CacheEntry] = [:]
        var old: [SessionKey: CacheEntry] = [:]
        var youngBytes = 0
        var oldBytes = 0
        /// What has come into the young generation since it became that. Pinned records that were carried over do not
        /// count: otherwise many of them would make every addition rotate.
        var addedCount = 0
        var addedBytes = 0
        /// Rises whenever entries leave: whoever read a row from disk before that cannot know whether it is the newest.
        var evictions: UInt64 = 0
    }

    private final class Shard: Sendable {
        let state = Locked(State())
    }

    static let shardCount = 16
    private let shards: [Shard]
    private let countPerGeneration: Int
    private let bytesPerGeneration: Int

    init(countMax: Int, bytesMax: Int) {
        shards = (0..<Self.shardCount).map { _ in Shard() }
        countPerGeneration = max(countMax / Self.shardCount / 2, 1)
        bytesPerGeneration = max(bytesMax / Self.shardCount / 2, 1)
    }

    static func shard(of key: SessionKey) -> Int { Int((key.hash ^ key.hash >> 32) % UInt64(shardCount)) }

    enum Lookup<Value> {
        case found(Value)
        /// Not in memory. `evictions` goes back with the row that is read from disk now.
        case missing(evictions: UInt64)
    }

    /// The record, if it is in memory.
    func record(_ key: SessionKey) -> Lookup<SessionRecord> {
        shards[Self.shard(of: key)].state.withLock { state in
            guard let entry = find(key, in: &state) else { return .missing(evictions: state.evictions) }
            return .found(entry.record)
        }
    }

    /// What has been kept beside the record, if there is anything.
    func memo(_ key: SessionKey) -> MemoLookup {
        shards[Self.shard(of: key)].state.withLock { state in
            let memo = find(key, in: &state)?.memo
            return MemoLookup(memo, MemoTicket(evictions: state.evictions))
        }
    }

    /// Keeps something beside a record until that changes or leaves; not if it has done so since the lookup.
    func keep(_ memo: any SessionMemo, key: SessionKey, lastPosition: Int64, ticket: MemoTicket) {
        shards[Self.shard(of: key)].state.withLock { state in
            guard state.evictions == ticket.evictions, let entry = find(key, in: &state),
                entry.record.lastPosition == lastPosition
            else { return }
            change(entry, in: &state) { $0.keep(memo) }
        }
    }

    /// The record of a session whose row on disk may be older. Does not count as a use.
    func unwritten(_ key: SessionKey) -> SessionRecord? {
        shards[Self.shard(of: key)].state.withLock { state in
            guard let entry = state.young[key] ?? state.old[key], entry.isPinned else { return nil }
            return entry.record
        }
    }

    /// All records that are newer than their rows.
    func unwrittenRecords() -> [SessionRecord] {
        shards.flatMap { shard in
            shard.state.withLock { state in
                (Array(state.young.values) + Array(state.old.values)).filter(\.isPinned).map(\.record)
            }
        }
    }

    /// Changes an entry in place, if it is in memory.
    func update<Value: Sendable>(_ key: SessionKey, _ change: (CacheEntry) -> Value) -> Lookup<Value> {
        shards[Self.shard(of: key)].state.withLock { state in
            guard let entry = find(key, in: &state) else { return .missing(evictions: state.evictions) }
            return .found(self.change(entry, in: &state, change))
        }
    }

    /// Changes an entry in place; first adds what the fold has read from disk or made, unless a reader was faster. Only
    /// the fold changes records, so either is the newest.
    func update<Value: Sendable>(
        _ key: SessionKey, orInsert record: SessionRecord, bytes: Int, hasRow: Bool, _ change: (CacheEntry) -> Value
    ) -> Value {
        let index = Self.shard(of: key)
        return shards[index].state.withLock { state in
            if let entry = find(key, in: &state) { return self.change(entry, in: &state, change) }
            // Changed before it is added: what is dirty is never dropped.
            let entry = CacheEntry(shard: index, record: record, bytes: bytes, hasRow: hasRow)
            let value = change(entry)
            add(entry, key: key, to: &state)
            return value
        }
    }

    /// Adds what a reader has read from disk, and says what the newest record is.
    /// - Returns: nil when entries have left the shard since the lookup and the session is not in memory: the row may be
    ///   older than what has been written meanwhile, so it has to be read again.
    func resolve(_ record: SessionRecord?, key: SessionKey, bytes: Int, evictions: UInt64) -> SessionRecord?? {
        let index = Self.shard(of: key)
        return shards[index].state.withLock { state -> SessionRecord?? in
            if let entry = find(key, in: &state) { return .some(entry.record) }
            guard state.evictions == evictions else { return nil }
            if let record {
                add(CacheEntry(shard: index, record: record, bytes: bytes, hasRow: true), key: key, to: &state)
            }
            return .some(record)
        }
    }

    /// Runs `body` while nobody else can see or change the entry.
    func withEntry<Value: Sendable>(_ entry: CacheEntry, _ body: (CacheEntry) -> Value) -> Value {
        shards[entry.shard].state.withLock { _ in body(entry) }
    }

    /// Forgets sessions whose rows on disk have been replaced. The caller makes sure that nothing of them is dirty.
    func remove(_ sessions: [String]) {
        for session in sessions {
            let key = SessionKey(session)
            shards[Self.shard(of: key)].state.withLock { state in
                if let entry = state.young.removeValue(forKey: key) { state.youngBytes -= entry.bytes }
                if let entry = state.old.removeValue(forKey: key) { state.oldBytes -= entry.bytes }
                // Also where it was not in memory: a reader may have the old row in its hands.
                state.evictions += 1
            }
        }
    }

    /// Drops every clean record. For tests, which choose the moment of an eviction with it.
    func evictAll() {
        for shard in shards {
            shard.state.withLock { state in
                rotate(&state)
                rotate(&state)
            }
        }
    }

    var load: (count: Int, bytes: Int) {
        shards.reduce(into: (0, 0)) { sum, shard in
            shard.state.withLock { state in
                sum.0 += state.young.count + state.old.count
                sum.1 += state.youngBytes + state.oldBytes
            }
        }
    }

    private func find(_ key: SessionKey, in state: inout State) -> CacheEntry? {
        if let entry = state.young[key] { return entry }
        guard let entry = state.old.removeValue(forKey: key) else { return nil }
        state.oldBytes -= entry.bytes
        add(entry, key: key, to: &state)
        return entry
    }

    /// What was found is in the young generation.
    private func change<Value>(_ entry: CacheEntry, in state: inout State, _ change: (CacheEntry) -> Value) -> Value {
        let before = entry.bytes
        entry.keep(nil)
        let value = change(entry)
        state.youngBytes += entry.bytes - before
        state.addedBytes += entry.bytes - before
        return value
    }

    private func add(_ entry: CacheEntry, key: SessionKey, to state: inout State) {
        if state.addedCount >= countPerGeneration || state.addedBytes >= bytesPerGeneration { rotate(&state) }
        state.addedCount += 1
        state.addedBytes += entry.bytes
        state.young[key] = entry
        state.youngBytes += entry.bytes
    }

    private func rotate(_ state: inout State) {
        var kept: [SessionKey: CacheEntry] = [:]
        kept.reserveCapacity(min(state.young.count, 1024))
        var keptBytes = 0
        for (key, entry) in state.old where entry.isPinned {
            kept[key] = entry
            keptBytes += entry.bytes
        }
        if kept.count < state.old.count { state.evictions += 1 }
        state.old = state.young
        state.oldBytes = state.youngBytes
        state.young = kept
        state.youngBytes = keptBytes
        state.addedCount = 0
        state.addedBytes = 0
    }
}
