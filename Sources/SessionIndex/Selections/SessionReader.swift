internal import Base
internal import Dispatch
internal import SessionModel
internal import Synchronization

/// Answers queries for sessions that are not in memory, one after the other on a queue of its own, bounded in number.
///
/// `@unchecked Sendable`: the connection belongs to `queue`; the rest is atomic.
final class SessionReader: @unchecked Sendable {
    let queue = DispatchQueue(label: "chargefold.index.sessions")
    private let reader: RowReader
    private let cache: RecordCache
    private let filters: PartitionFilters
    private let countMax: Int
    private let damage: DamageReport
    private let waiting = Atomic(0)
    private let recordsRead = Atomic(0)
    private let isClosed = Atomic(false)

    init(reader: RowReader, cache: RecordCache, filters: PartitionFilters, countMax: Int, damage: DamageReport) {
        self.reader = reader
        self.cache = cache
        self.filters = filters
        self.countMax = countMax
        self.damage = damage
        reader.confine(to: queue)
    }

    func session(_ id: String, completion: @escaping @Sendable (Result<SessionRecord?, StoreError>) -> Void) {
        let key = SessionKey(id)
        if case .found(let record) = cache.record(key) {
            completion(.success(record))
            return
        }
        if waiting.wrappingAdd(1, ordering: .relaxed).newValue > countMax {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            completion(.failure(StoreError(.queueFull, "too many queries wait for the disk")))
            return
        }
        queue.async {
            defer { self.waiting.wrappingSubtract(1, ordering: .relaxed) }
            completion(Result { () throws(StoreError) in try self.read(key) })
        }
    }

    private func read(_ key: SessionKey) throws(StoreError) -> SessionRecord? {
        dispatchPrecondition(condition: .onQueue(queue))
        if isClosed.load(ordering: .acquiring) { throw StoreError(.closed, "the store is closed") }
        while true {
            // Look first, then read, then look again: a row is the newest only if the session is still not in memory
            // and nothing has left memory meanwhile.
            let evictions: UInt64
            switch cache.record(key) {
            case .found(let record): return record
            case .missing(let count): evictions = count
            }
            var row: SessionRecord?
            do throws(RowError) {
                for partition in filters.candidates(key.sessionId) {
                    row = try reader.record(key.sessionId, partition: partition)
                    if row != nil { break }
                }
            } catch {
                throw damage.found(error, key)
            }
            if row != nil { recordsRead.wrappingAdd(1, ordering: .relaxed) }
            if let record = cache.resolve(row, key: key, bytes: row.map(RecordSize.estimate) ?? 0, evictions: evictions)
            {
                return record
            }
        }
    }

    var recordsReadCount: Int { recordsRead.load(ordering: .relaxed) }

    func close() {
        isClosed.store(true, ordering: .releasing)
        queue.sync { reader.close() }
    }
}
