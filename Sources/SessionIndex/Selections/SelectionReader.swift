internal import Base
internal import Dispatch
internal import SQLite
internal import SessionModel
internal import Synchronization

/// Answers selections: rows out of an index of the file of rows, and what is not written yet from memory, as one order.
///
/// Selections that wait while others are answered are answered together: in one read transaction, whose locks are system
/// calls and cost as much as a short page, and with one waking of whoever takes the answers.
///
/// `@unchecked Sendable`: connection and statements belong to `queue`; the rest is constant, atomic or behind a lock.
final class SelectionReader: @unchecked Sendable {
    private struct Question: Sendable {
        let selection: SessionSelection
        let completion: @Sendable (Result<SessionPage, StoreError>) -> Void
    }

    /// Bounds how long a snapshot is held and how many pages are in memory at once.
    private static let togetherMax = 16

    let queue = DispatchQueue(label: "chargefold.index.selections")
    private let database: Database
    /// The identity of the log that the rows belong to.
    private let home: Identity
    private let cache: RecordCache
    private let filters: PartitionFilters
    private let writeBehind: WriteBehind?
    private let options: IndexOptions
    private let damage: DamageReport
    private var statements: [String: Statement] = [:]
    private let questions = Locked<[Question]>([])
    private let waiting = Atomic(0)
    private let isClosed = Atomic(false)

    init(
        database: Database, home: Identity, cache: RecordCache, filters: PartitionFilters, writeBehind: WriteBehind?,
        options: IndexOptions, damage: DamageReport
    ) {
        self.database = database
        self.home = home
        self.cache = cache
        self.filters = filters
        self.writeBehind = writeBehind
        self.options = options
        self.damage = damage
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
        let isFirst = questions.withLock { questions in
            questions.append(Question(selection: selection, completion: completion))
            return questions.count == 1
        }
        if isFirst { queue.async { self.answerQuestions() } }
    }

    private func answerQuestions() {
        let (batch, mustGoOn) = questions.withLock { questions in
            let batch = Array(questions.prefix(Self.togetherMax))
            questions.removeFirst(batch.count)
            return (batch, !questions.isEmpty)
        }
        let selections = batch.map(\.selection)
        let pages = together(selections)
        options.aroundAnswers {
            for (index, question) in batch.enumerated() {
                let answer =
                    if let pages { Result<SessionPage, StoreError>.success(pages[index]) } else {
                        Result { () throws(StoreError) in try page(selections[index]) }
                    }
                waiting.wrappingSubtract(1, ordering: .relaxed)
                question.completion(answer)
            }
        }
        // In a block of its own, so that `close` does not have to wait for all of them.
        if mustGoOn { queue.async { self.answerQuestions() } }
    }

    /// The pages out of one snapshot of the file; nil where they have to be read one by one.
    private func together(_ selections: [SessionSelection]) -> [SessionPage]? {
        dispatchPrecondition(condition: .onQueue(queue))
        if isClosed.load(ordering: .acquiring) { return nil }
        let writes = writeBehind?.writeCount
        let orders = selections.map { SelectionOrder($0) }
        var pages = orders.map { PageBuilder(order: $0, bytesMax: options.pageBytesMax) }
        // Memory first, then the disk, as for a single page: the snapshot is taken after the last look at memory.
        for index in orders.indices { addUnwritten(orders[index], to: &pages[index]) }
        do throws(RowError) {
            try run("BEGIN")
            for index in orders.indices { try addRows(orders[index], to: &pages[index]) }
            try run("COMMIT")
        } catch {
            // Whoever reads its page alone finds out what is wrong.
            database.rollBack()
            return nil
        }
        // What was unwritten then may have been written meanwhile, and the snapshot still has its older row.
        guard writeBehind?.writeCount == writes else { return nil }
        return pages.map { $0.finish() }
    }

    private func run(_ sql: String) throws(RowError) {
        do throws(SQLiteError) {
            let statement = try prepared(sql)
            defer { statement.reset() }
            _ = try statement.step()
        } catch { throw RowError(error) }
    }

    private func page(_ selection: SessionSelection) throws(StoreError) -> SessionPage {
        dispatchPrecondition(condition: .onQueue(queue))
        if isClosed.load(ordering: .acquiring) { throw StoreError(.closed, "the store is closed") }
        let order = SelectionOrder(selection)
        var page = PageBuilder(order: order, bytesMax: options.pageBytesMax)
        // Memory first, then the disk: what is written in between is found twice, and not missed.
        addUnwritten(order, to: &page)
        do throws(RowError) {
            try addRows(order, to: &page)
        } catch {
            throw damage.found(error, nil)
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

    private func addRows(_ order: SelectionOrder, to page: inout PageBuilder) throws(RowError) {
        let queries = order.queries(partitions: filters.count)
        var rowsLeft = options.rowsPerPageMax
        // Where nothing is left, those that come later must not stop where they begin, before all that was looked at: the next
        // page would be this one again.
        let rowsMin = max(1, options.rowsPerPageMax / max(1, queries.count))
        for query in queries {
            page.trim()
            let looked = try add(query, order, to: &page, rowsMax: max(rowsLeft, rowsMin))
            rowsLeft = max(0, rowsLeft - looked)
        }
    }

    /// Walks down one index until the page is full, the rows end, or `rowsMax` of them have been looked at.
    /// - Returns: how many were.
    private func add(
        _ query: IndexQuery, _ order: SelectionOrder, to page: inout PageBuilder, rowsMax: Int
    ) throws(RowError) -> Int {
        var looked = 0
        let statement: Statement
        do throws(SQLiteError) { statement = try prepared(query.sql) } catch { throw RowError(error) }
        query.bind(statement)
        defer { statement.reset() }
        var found = 0
        var foundBytes = 0
        while try isThere(statement) {
            let sortKey = SortKey(key: statement.int64(1), tie: statement.int64(4))
            if page.isBeyondEnd(sortKey) { return looked }
            if looked >= rowsMax {
                page.stop(before: sortKey)
                return looked
            }
            looked += 1
            let record: SessionRecord
            let key = SessionKey(statement.text(2))
            if let newer = cache.unwritten(key) {
                // What was unwritten before this read began is in the page already, if it belongs there.
                record = newer
            } else {
                guard
                    let decoded = try? SessionRecord(
                        sessionId: key.sessionId, decoding: statement.bytes(3), home: home)
                else {
                    throw .undecodable(number: statement.int64(0))
                }
                record = decoded
            }
            if page.add(record, at: sortKey) {
                found += 1
                foundBytes += RecordSize.estimate(record)
            }
            // One more than the page holds tells whether there is a next one.
            if found > order.selection.limit || found > 1 && foundBytes > options.pageBytesMax { return looked }
        }
        return looked
    }

    private func isThere(_ statement: Statement) throws(RowError) -> Bool {
        do throws(SQLiteError) { return try statement.step() } catch { throw RowError(error) }
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
                for query in SelectionOrder(selection).queries(partitions: max(1, filters.count)) {
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
