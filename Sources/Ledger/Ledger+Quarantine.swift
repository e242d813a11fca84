package import Base
internal import Dispatch
internal import SQLite
internal import SessionModel
internal import Synchronization

/// Bodies that came to the webhook and are no event that this release understands, or whose credentials were wrong.
///
/// A retry is: hand the body to the log, then `removeQuarantined`. A crash in between makes a repeat of the event, which
/// the fold absorbs (domain.md, "The fold", rule 5).
extension Ledger {
    // MARK: In

    /// Keeps an authentic body that is no valid event, and gives its id once it is durable. From any thread; returns at
    /// once. What arrives while one commit runs shares the next.
    /// - Parameter completion: called on the ledger's queue, or here with `queueFull` where too much waits already.
    package nonisolated func quarantineVerified(
        _ body: QuarantinedBody, completion: @escaping @Sendable (Result<Int64, StoreError>) -> Void
    ) {
        switch verified.add(VerifiedQueue.Item(body: body, completion: completion)) {
        case .refused: completion(.failure(StoreError(.queueFull, "too many bodies wait for the quarantine")))
        case .queued: break
        case .mustSchedule: perform { $0.writeVerified() }
        }
    }

    /// Keeps an authentic body that is no valid event.
    /// - Returns: its id, once it is durable.
    package nonisolated func quarantineVerified(_ body: QuarantinedBody) async throws(StoreError) -> Int64 {
        try await withCheckedContinuation { continuation in
            quarantineVerified(body) { continuation.resume(returning: $0) }
        }.get()
    }

    func writeVerified() {
        let items = verified.takeAll()
        guard !items.isEmpty else { return }
        let entries = items.map { QuarantineEntry(id: nextId(.verified), kind: .verified, content: $0.body) }
        let result = Result { () throws(StoreError) in try add(entries) }
        for (item, entry) in zip(items, entries) { item.completion(result.map { entry.id }) }
    }

    /// Keeps a body with wrong credentials for a while: in memory at once, on disk soon, within bounds. From any thread.
    /// - Returns: its id.
    @discardableResult
    package nonisolated func quarantineUnverified(_ body: QuarantinedBody) -> Int64 {
        let id = nextId(.unverified)
        if unverified.add(QuarantineEntry(id: id, kind: .unverified, content: body)) {
            scheduleUnverifiedWrite(milliseconds: options.unverifiedWriteMilliseconds)
        }
        return id
    }

    nonisolated func nextId(_ kind: QuarantineKind) -> Int64 {
        guard options.sharesQuarantine else { return nextQuarantineId.wrappingAdd(1, ordering: .relaxed).oldValue }
        let now = SystemClock.now().microsecondsSince1970
        var next = nextQuarantineId.load(ordering: .relaxed)
        while true {
            var id = max(next, now)
            if id % 2 != kind.rawValue { id += 1 }
            let (isTaken, original) = nextQuarantineId.compareExchange(
                expected: next, desired: id + 1, ordering: .relaxed)
            if isTaken { return id }
            next = original
        }
    }

    private nonisolated func scheduleUnverifiedWrite(milliseconds: Int) {
        queue.asyncAfter(deadline: .now() + .milliseconds(milliseconds)) { [weak self] in
            self?.assumeIsolated { $0.writeUnverifiedOnTime() }
        }
    }

    private func writeUnverifiedOnTime() {
        let isWritten = writeUnverified(bytesMax: options.unverifiedWriteBytesMax)
        guard unverified.writeEnded() else { return }
        // Where the disk is full it may be so for long.
        scheduleUnverifiedWrite(milliseconds: isWritten ? options.unverifiedWriteMilliseconds : 1_000)
    }

    /// Writes the oldest unverified bodies; where that fails they stay in memory.
    /// - Returns: whether any were written.
    private func writeUnverified(bytesMax: Int) -> Bool {
        let entries = unverified.take(bytesMax: bytesMax)
        guard !entries.isEmpty else { return false }
        do throws(StoreError) {
            try add(entries)
            return true
        } catch {
            unverified.putBack(entries)
            return false
        }
    }

    /// Brings what is in memory only to disk, as far as that is possible now.
    package func flush() {
        while writeUnverified(bytesMax: 4 << 20) {}
    }

    // MARK: Out

    /// Entries with ids above `id`, ascending.
    /// - Parameter kind: nil: both.
    package func quarantined(
        after id: Int64 = 0, limit: Int, kind: QuarantineKind? = nil
    ) throws(StoreError) -> [QuarantineEntry] {
        flush()
        var entries = try run { (database) throws(SQLiteError) in
            try Self.quarantined(database, after: id, limit: limit, kind: kind)
        }
        // What could not be written (a full disk) is still in memory.
        if kind != .verified {
            entries += unverified.entries.filter { $0.id > id }
            entries.sort { $0.id < $1.id }
        }
        return Array(entries.prefix(limit))
    }

    /// One entry, or nil.
    package func quarantined(id: Int64) throws(StoreError) -> QuarantineEntry? {
        guard id > 0 else { return nil }
        let found = try quarantined(after: id - 1, limit: 1).first
        return found?.id == id ? found : nil
    }

    /// - Parameter condition: SQL, for further ones.
    static func quarantined(
        _ database: Database, after id: Int64, limit: Int, kind: QuarantineKind?, and condition: String = "true"
    ) throws(SQLiteError) -> [QuarantineEntry] {
        var entries: [QuarantineEntry] = []
        try database.query(
            """
            SELECT id, kind, received_at, reason, credentials, body, is_plausible FROM quarantine
            WHERE id > ?1 AND (?3 IS NULL OR kind = ?3) AND \(condition) ORDER BY id LIMIT ?2
            """,
            bind: {
                $0.bind(1, id)
                $0.bind(2, Int64(limit))
                $0.bind(3, kind?.rawValue)
            },
            row: {
                entries.append(
                    QuarantineEntry(
                        id: $0.int64(0), kind: QuarantineKind(rawValue: $0.int64(1)) ?? .verified,
                        content: QuarantinedBody(
                            receivedAt: Instant(microsecondsSince1970: $0.int64(2)), reason: $0.text(3),
                            body: $0.array(5), credentials: $0.array(4), isPlausible: $0.int64(6) != 0)))
            })
        return entries
    }

    /// Removes entries, one commit for all.
    /// - Returns: how many there were.
    @discardableResult
    package func removeQuarantined(_ ids: [Int64]) throws(StoreError) -> Int {
        let wanted = Set(ids)
        // What is in memory only must not come to disk after its removal.
        let inMemory = unverified.remove { wanted.contains($0.id) }
        return try inMemory + remove(ids)
    }

    /// Removes entries that a condition holds for.
    /// - Returns: how many there were.
    func removeQuarantined(where isRemoved: (QuarantineEntry) -> Bool) throws(StoreError) -> Int {
        let named = Set(unverified.entries.filter(isRemoved).map(\.id))
        let inMemory = unverified.remove { named.contains($0.id) }
        var ids: [Int64] = []
        var last: Int64 = 0
        while true {
            let entries = try run { (database) throws(SQLiteError) in
                try Self.quarantined(database, after: last, limit: 100, kind: nil)
            }
            guard let newest = entries.last else { break }
            ids += entries.filter(isRemoved).map(\.id)
            last = newest.id
        }
        return try inMemory + remove(ids)
    }

    // MARK: Figures

    /// What the quarantine holds. From any thread, without waiting.
    package nonisolated var quarantineCounts: QuarantineCounts {
        var counts = state.withLock { $0.statistics.quarantine }
        let ring = unverified.figures
        counts.unverifiedCount += Int64(ring.count)
        counts.unverifiedBytes += Int64(ring.bytes)
        counts.unverifiedDropped += ring.dropped
        return counts
    }

    static func lastQuarantineId(_ database: Database) throws(SQLiteError) -> Int64 {
        try database.integer("SELECT seq FROM sqlite_sequence WHERE name = 'quarantine'") ?? 0
    }

    static func quarantineCounts(_ database: Database) throws(SQLiteError) -> QuarantineCounts {
        var counts = QuarantineCounts()
        try database.query(
            "SELECT count, bytes FROM verified",
            row: {
                counts.verifiedCount = $0.int64(0)
                counts.verifiedBytes = $0.int64(1)
            })
        // Bounded, so counting is cheap.
        try database.query(
            """
            SELECT count(*), coalesce(sum(length(body) + length(credentials)), 0) FROM quarantine WHERE kind = 1
            """,
            row: {
                counts.unverifiedCount = $0.int64(0)
                counts.unverifiedBytes = $0.int64(1)
            })
        return counts
    }

    // MARK: In a transaction

    private func add(_ entries: [QuarantineEntry]) throws(StoreError) {
        let options = options
        try changeQuarantine { (database, counts) throws(SQLiteError) in
            let insert = try database.prepare("INSERT INTO quarantine VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            defer { insert.finalize() }
            for entry in entries {
                let content = entry.content
                insert.bind(1, entry.id)
                insert.bind(2, entry.kind.rawValue)
                insert.bind(3, content.receivedAt.microsecondsSince1970)
                insert.bind(4, text: content.reason)
                insert.bind(7, content.isPlausible ? 1 : 0)
                try content.credentials.withUnsafeBufferPointer { (credentials) throws(SQLiteError) in
                    try content.body.withUnsafeBufferPointer { (body) throws(SQLiteError) in
                        insert.bindBorrowed(5, blob: UnsafeRawBufferPointer(credentials))
                        insert.bindBorrowed(6, blob: UnsafeRawBufferPointer(body))
                        try insert.run()
                    }
                }
                counts.count(entry.kind, rows: 1, bytes: content.body.count + content.credentials.count)
            }
            guard entries.contains(where: { $0.kind == .unverified }) else { return }
            try Self.trimUnverified(database, options, &counts)
        }
    }

    private static func trimUnverified(
        _ database: Database, _ options: LedgerOptions, _ counts: inout QuarantineCounts
    ) throws(SQLiteError) {
        // Bounded, so counting is cheap.
        var shares = UnverifiedShares(countMax: options.unverifiedCountMax, bytesMax: options.unverifiedBytesMax)
        try database.query(
            """
            SELECT is_plausible, reason, count(*), sum(length(body) + length(credentials)) FROM quarantine
            WHERE kind = 1 GROUP BY is_plausible, reason
            """,
            row: {
                let lane = UnverifiedLane(isPlausible: $0.int64(0) != 0, reason: $0.text(1))
                shares.add(lane, count: Int($0.int64(2)), bytes: Int($0.int64(3)))
            })
        guard shares.lane != nil else { return }
        let oldest = try database.prepare(
            """
            DELETE FROM quarantine WHERE id = (
                SELECT id FROM quarantine WHERE kind = 1 AND is_plausible = ?1 AND reason = ?2 ORDER BY id LIMIT 1)
            RETURNING length(body) + length(credentials)
            """)
        defer { oldest.finalize() }
        while let lane = shares.lane {
            oldest.bind(1, lane.isPlausible ? 1 : 0)
            oldest.bind(2, text: lane.reason)
            guard try oldest.step() else { return }
            let bytes = Int(oldest.int64(0))
            shares.add(lane, count: -1, bytes: -bytes)
            counts.count(.unverified, rows: -1, bytes: -bytes)
            counts.unverifiedDropped += 1
            oldest.reset()
        }
    }

    private func remove(_ ids: [Int64]) throws(StoreError) -> Int {
        guard !ids.isEmpty else { return 0 }
        return try changeQuarantine { (database, counts) throws(SQLiteError) in
            let delete = try database.prepare(
                "DELETE FROM quarantine WHERE id = ?1 RETURNING kind, length(body) + length(credentials)")
            defer { delete.finalize() }
            var removed = 0
            for id in ids {
                delete.bind(1, id)
                while try delete.step() {
                    removed += 1
                    counts.count(
                        QuarantineKind(rawValue: delete.int64(0)) ?? .verified, rows: -1, bytes: -Int(delete.int64(1)))
                }
            }
            return removed
        }
    }

    /// Runs `body` in a transaction that keeps the figures with the rows.
    private func changeQuarantine<Value>(
        _ body: (Database, inout QuarantineCounts) throws(SQLiteError) -> Value
    ) throws(StoreError) -> Value {
        let (value, counts) = try write { (database) throws(SQLiteError) in
            // Read here: the file may be another one at a second try.
            var counts = state.withLock { $0.statistics.quarantine }
            let value = try body(database, &counts)
            try database.run(
                "UPDATE verified SET count = ?1, bytes = ?2 WHERE id = 1",
                bind: {
                    $0.bind(1, counts.verifiedCount)
                    $0.bind(2, counts.verifiedBytes)
                })
            return (value, counts)
        }
        state.withLock { $0.statistics.quarantine = counts }
        return value
    }
}
