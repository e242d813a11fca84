internal import Dispatch
internal import SessionModel
internal import Synchronization

/// Answers selections: rows out of an index of the derived file, and what is not written yet from memory, as one order.
///
/// `@unchecked Sendable`: connection and statements belong to `queue`; the rest is constant or atomic.
final class IndexReader: @unchecked Sendable {
    let queue = DispatchQueue(label: "chargefold.store.index")
    private let database: Database
    private let cache: RecordCache
    private let directory: SessionDirectory
    private let writeBehind: WriteBehind?
    private let options: StoreOptions
    private var statements: [String: Statement] = [:]
    private let waiting = Atomic(0)
    private let isClosed = Atomic(false)

    init(
        database: Database, cache: RecordCache, directory: SessionDirectory, writeBehind: WriteBehind?,
        options: StoreOptions
    ) {
        self.database = database
        self.cache = cache
        self.directory = directory
        self.writeBehind = writeBehind
        self.options = options
        database.confine(to: queue)
    }

    func select(
        _ selection: SessionSelection, completion: @escaping @Sendable (Result<SessionPage, StoreError>) -> Void
    ) {
        if waiting.wrappingAdd(1, ordering: .relaxed).newValue > options.readQueueCountMax {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            completion(.failure(StoreError(.queueFull, "too many queries wait for the disk")))
            return
        }
        queue.async {
            defer { self.waiting.wrappingSubtract(1, ordering: .relaxed) }
            completion(Result { () throws(StoreError) in try self.page(selection) })
        }
    }

    private func page(_ selection: SessionSelection) throws(StoreError) -> SessionPage {
        dispatchPrecondition(condition: .onQueue(queue))
        if isClosed.load(ordering: .acquiring) { throw StoreError(.closed, "the store is closed") }
        let order = SelectionOrder(selection)
        var page = PageBuilder(order: order, limit: selection.limit)
        // Memory first, then the disk: what is written in between is found twice, and not missed.
        addUnwritten(order, to: &page)
        var looked = 0
        for query in order.queries(parts: directory.count) {
            page.trim()
            do throws(SQLiteError) {
                try add(query, order, to: &page, &looked)
            } catch {
                throw StoreError(error.isCorruption ? .damaged : .unavailable, "sessions cannot be read: \(error)")
            }
        }
        return page.finish()
    }

    /// When open for reading only, what the tail has changed is in memory only, and all of it stays there.
    private func addUnwritten(_ order: SelectionOrder, to page: inout PageBuilder) {
        guard let writeBehind else {
            for record in cache.unwrittenRecords() { page.addFromMemory(record) }
            return
        }
        for batch in writeBehind.unwritten {
            for entry in batch {
                let record = cache.withEntry(entry) { order.mayMatch($0.record) ? $0.record : nil }
                if let record { page.addFromMemory(record) }
            }
        }
    }

    /// Walks down one index until the page is full, the rows end, or enough of them have been looked at for one page.
    private func add(
        _ query: IndexQuery, _ order: SelectionOrder, to page: inout PageBuilder, _ looked: inout Int
    ) throws(SQLiteError) {
        let statement = try prepared(query.sql)
        query.bind(statement)
        defer { statement.reset() }
        var found = 0
        while try statement.step() {
            let place = SessionPlace(key: statement.int64(1), number: statement.int64(0))
            if page.isBeyondEnd(place) { return }
            if looked >= options.rowsPerPageMax {
                page.stop(before: place)
                return
            }
            looked += 1
            let record: SessionRecord
            if let newer = cache.unwritten(SessionKey(statement.text(2))) {
                // What was unwritten before this read began is in the page already, if it belongs there.
                record = newer
            } else {
                guard order.admits(status: statement.bytes(3)) else { continue }
                do {
                    record = try SessionRecord(decoding: statement.bytes(4))
                } catch {
                    throw SQLiteError.undecodableRow
                }
            }
            if page.add(record, at: place) { found += 1 }
            // One more than the page holds tells whether there is a next one.
            if found > order.selection.limit { return }
        }
    }

    private func prepared(_ sql: String) throws(SQLiteError) -> Statement {
        if let statement = statements[sql] { return statement }
        let statement = try database.prepare(sql)
        statements[sql] = statement
        return statement
    }

    /// How SQLite goes about a selection, a line a step. For tests.
    func plan(_ selection: SessionSelection) throws(SQLiteError) -> [String] {
        try queue.sync {
            Result { () throws(SQLiteError) in
                var lines: [String] = []
                for query in SelectionOrder(selection).queries(parts: max(1, directory.count)) {
                    let statement = try database.prepare("EXPLAIN QUERY PLAN " + query.sql)
                    defer { statement.finalize() }
                    query.bind(statement)
                    while try statement.step() { lines.append(statement.text(3)) }
                }
                return lines
            }
        }.get()
    }

    func close() {
        isClosed.store(true, ordering: .releasing)
        queue.sync {
            for statement in statements.values { statement.finalize() }
            statements = [:]
            database.close()
        }
    }
}
