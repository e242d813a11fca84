import Base
import Ledger
import Logging
import Replication
import SessionStore

/// The quarantine of all receivers, as one of them sees it: his own ledger's, and what others have shown of theirs.
///
/// Each keeps what it received in its own ledger and shows it in the shared log. What is retried, dropped or erased by
/// whomever goes in both: here at once where it is this receiver's, and where it is another's as soon as that one looks.
final class SharedQuarantineWork: Sendable {
    /// Entries that are read at once, with their bodies.
    static let pageMax = 20

    private let log: SharedLog
    private let ledger: Ledger
    private let work: RepeatedWork
    private let last = Locked<Task<Void, any Error>?>(nil)
    private let isHinted = Locked(false)

    init(_ log: SharedLog, _ ledger: Ledger, logger: Logger) {
        self.log = log
        self.ledger = ledger
        work = RepeatedWork("the quarantine cannot be shared", logger: logger)
    }

    var receiver: String { log.name }

    /// Looks every second.
    func start() { work.start { [self] in try await pass() } }

    func stop() async {
        await work.stop()
        _ = await last.withLock { $0 }?.result
    }

    /// Something was put in quarantine: it is shared soon. From any thread; waits for nothing.
    func hint() {
        let isFirst = isHinted.withLock { isHinted in
            defer { isHinted = true }
            return !isHinted
        }
        if isFirst { Task(executorPreference: BackgroundExecutor.shared) { try? await self.pass() } }
    }

    /// Does what is to be done: removes here what others have retried or dropped, shows them what is new, and says what is
    /// gone. One at a time, and each begins after the call.
    /// - Throws: `PostgresError`, `StoreError`; then it is done later.
    func pass() async throws {
        let task = last.withLock { last in
            let task = Task(executorPreference: BackgroundExecutor.shared) { [self, before = last] in
                _ = await before?.result
                isHinted.withLock { $0 = false }
                try await run()
            }
            last = task
            return task
        }
        try await task.value
    }

    private func run() async throws {
        guard log.condition.isReachable else { throw PostgresError.away }
        let noted = try await ledger.sharedQuarantine()
        guard ledger.quarantineCounts.verifiedCount > 0 || !noted.isEmpty else { return }
        let own = try await log.ownQuarantined()
        let gone = own.filter(\.value).map(\.key)
        if !gone.isEmpty {
            _ = try await ledger.removeQuarantined(gone)
            try await log.removeQuarantined(gone)
            try await ledger.forgetShared(gone)
        }
        // Noted and not there: it never came there, or the database has lost it.
        try await ledger.forgetShared(noted.filter { $0.value && own[$0.key] == nil }.map(\.key))
        try await share()
        let removed = try await ledger.sharedQuarantine().filter { !$0.value }.map(\.key)
        guard !removed.isEmpty else { return }
        try await log.removeQuarantined(removed)
        try await ledger.forgetShared(removed)
    }

    private func share() async throws {
        var last: Int64 = 0
        while true {
            let entries = try await ledger.unsharedQuarantine(after: last, limit: Self.pageMax)
            guard let newest = entries.last else { return }
            // First, so that what is erased in between is taken back.
            try await ledger.setShared(entries.map(\.id))
            for entry in entries {
                let isItsOwn = try await log.shareQuarantined(
                    SharedQuarantined(
                        id: entry.id, receiver: receiver,
                        receivedMicroseconds: entry.content.receivedAt.microsecondsSince1970,
                        reason: entry.content.reason, credentials: entry.content.credentials, body: entry.content.body))
                // It comes again, with an id above all others.
                if !isItsOwn { try await ledger.renumberQuarantined(entry.id) }
            }
            last = newest.id
        }
    }

    // MARK: What others have received

    /// An entry that is not in this receiver's ledger.
    typealias Elsewhere = (entry: QuarantineEntry, receiver: String)

    func elsewhere(id: Int64) async throws -> Elsewhere? {
        guard id > 0 else { return nil }
        return try await page(after: id - 1, limit: 1).entries.first { $0.entry.id == id }
    }

    /// A page of the entries of all with ids above `id`, ascending: those that are elsewhere, and the id of the last one; nil
    /// where there is none.
    func page(
        after id: Int64, limit: Int = SharedQuarantineWork.pageMax
    ) async throws -> (entries: [Elsewhere], last: Int64?) {
        guard log.condition.isReachable else { throw PostgresError.away }
        let items = try await log.quarantined(after: id, limit: Int64(limit))
        var found: [Elsewhere] = []
        for item in items {
            // One of a directory that this receiver had before is nobody's but the shared log's.
            if item.receiver == receiver, try await ledger.quarantined(id: item.id) != nil { continue }
            found.append((QuarantineEntry(item), item.receiver))
        }
        return (found, items.last?.id)
    }

    /// - Returns: whether it was there.
    func drop(elsewhere id: Int64) async throws -> Bool {
        guard log.condition.isReachable else { throw PostgresError.away }
        return try await log.emptyQuarantined(id)
    }

    /// Removes what is in the shared log of the bodies that a condition holds for, whoever received them, and here.
    func erase(where isRemoved: @Sendable ([UInt8]) -> Bool) async throws {
        _ = try await ledger.eraseQuarantined(where: isRemoved)
        // What is gone here goes there.
        try await pass()
        var last: Int64 = 0
        while true {
            let items = try await log.quarantined(after: last, limit: Int64(Self.pageMax))
            guard let newest = items.last else { return }
            for item in items where isRemoved(item.body) { _ = try await log.emptyQuarantined(item.id) }
            last = newest.id
        }
    }
}

extension QuarantineEntry {
    fileprivate init(_ item: SharedQuarantined) {
        self.init(
            id: item.id, kind: .verified,
            content: QuarantinedBody(
                receivedAt: Instant(microsecondsSince1970: item.receivedMicroseconds), reason: item.reason,
                body: item.body, credentials: item.credentials))
    }
}
