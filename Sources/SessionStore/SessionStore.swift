package import Base
package import SessionIndex
package import SessionModel

/// A data directory: the log, which is the truth; the sessions that are folded from it; and the ledger.
///
/// An outcome is reported only when the delivery would survive a power cut, and every read sees every delivery whose
/// outcome was reported.
package protocol SessionStore: AnyObject, Sendable {
    /// Logs a delivery and folds it into its session; from any thread. Every verified delivery is logged, repeats too.
    ///
    /// `completion` is called once: with `queueFull` or `closed` at once, on the caller's thread, where nothing more is
    /// taken; else on the log's queue.
    func append(_ delivery: consuming Delivery, completion: @escaping IngestCompletion)

    /// Begins work that may end in the log some time from now, such as a question to the Drive API.
    /// - Parameter userId: whom it is about, where that is known.
    func beginWork(about userId: String?) -> WorkTicket

    /// The same as `append`, for what such work ends with: `erased`, at once, where it is about a user or a session that was
    /// erased since it began. See ``ErasureBarriers``.
    func append(_ delivery: consuming Delivery, within work: WorkTicket, completion: @escaping IngestCompletion)

    /// Everything known of a session, or nil. Calls back at once when that is in memory, else from a reader's queue.
    func session(_ id: String, completion: @escaping @Sendable (Result<SessionRecord?, StoreError>) -> Void)

    /// What was kept of a session with `keep`, unless the session has changed since.
    func memo(of id: String) -> MemoLookup

    /// Keeps something beside the session's record, if that is still the one in memory.
    func keep(_ memo: any SessionMemo, of record: SessionRecord, ticket: MemoTicket)

    /// A page of sessions out of an index; sees every delivery whose outcome was reported. Calls back from a reader's
    /// queue.
    func select(
        _ selection: SessionSelection, completion: @escaping @Sendable (Result<SessionPage, StoreError>) -> Void)

    /// Sets who is told of every change from now on (nil: nobody); there is one at most. Blocks for as long as the fold
    /// of one batch takes: not from a completion or an observer.
    /// - Returns: the position up to which everything was folded before; the observer is told of what follows.
    @discardableResult
    func observe(_ observer: FoldObserver?) -> Int64

    /// Walks over the log from the row after `position` on, in constant memory, until `visit` returns false or the rows
    /// end. Blocks: not for a worker's thread.
    /// - Returns: the position to go on after.
    @discardableResult
    func scanLog(after position: Int64, visit: (LoggedDelivery) throws(StoreError) -> Bool) throws(StoreError) -> Int64

    /// One row of the log, or nil. Blocks: not for a worker's thread.
    func logEntry(at position: Int64) throws(StoreError) -> LoggedDelivery?

    /// What tells the history up to a position from any other, also of the same log that was set back and continued; nil
    /// where the log has no such position, or nobody can say any more. Blocks for a moment.
    func seal(at position: Int64) throws(StoreError) -> UInt64?

    /// How origins are numbered, where several receivers share a log; else nil.
    var originNumbers: OriginNumbers? { get }

    /// For each origin the sequence up to which every delivery is in the records.
    var foldedPlaces: [Identity: Int64] { get }

    /// Runs `body` once everything up to a frontier is in the records: now, or on the log's queue.
    /// - Returns: cancels that, and returns false where it was too late; nil where it has run already.
    func whenFolded(_ frontier: [Identity: Int64], _ body: @escaping @Sendable () -> Void) -> (@Sendable () -> Bool)?

    /// The position of the first delivery of an origin behind a sequence; nil where there is none. Blocks.
    func position(of origin: Identity, after sequence: Int64) throws(StoreError) -> Int64?

    /// Verifies the whole log, folds it again and compares that with the session rows. Blocks, and may take long.
    func check(progress: (CheckProgress) -> Void) throws(StoreError) -> CheckReport

    /// Writes every changed session row. Blocks: not for a worker's thread.
    func flush() throws(StoreError)

    /// Answers what is accepted, writes everything, and frees the data directory. Blocks. A second call does nothing.
    func close()

    /// Whether the store believes that the next delivery can be made durable.
    var isWritable: Bool { get }

    /// Why the store is not writable, or why its files are not as they should be; or nil.
    var unavailability: StoreError? { get }

    /// Why only a start could mend what is wrong, or nil.
    var needsRestart: StoreError? { get }

    /// Whether deliveries arrive faster than they become durable, so that the bounded queue may fill up. Cheap: one load.
    var isUnderPressure: Bool { get }

    /// Whether a long part of the log is still being folded: deliveries are accepted, and answered with the status UNKNOWN
    /// and the version 0; queries are refused (`catchingUp`).
    var isCatchingUp: Bool { get }

    /// Runs `body` once everything that the log held at the opening is folded: now, or later on the log's queue.
    func whenCaughtUp(_ body: @escaping @Sendable () -> Void)

    var statistics: StoreStatistics { get }
}

extension SessionStore {
    /// For a store that erases nothing.
    package func beginWork(about userId: String?) -> WorkTicket { ErasureBarriers().begin(userId) }
    package func append(
        _ delivery: consuming Delivery, within work: WorkTicket, completion: @escaping IngestCompletion
    ) {
        append(delivery, completion: completion)
    }

    package var isUnderPressure: Bool { false }
    package var isCatchingUp: Bool { false }
    package var needsRestart: StoreError? { nil }
    package func memo(of id: String) -> MemoLookup { MemoLookup(nil, .never) }
    package func keep(_ memo: any SessionMemo, of record: SessionRecord, ticket: MemoTicket) {}
    package func whenCaughtUp(_ body: @escaping @Sendable () -> Void) { body() }
    package func seal(at position: Int64) throws(StoreError) -> UInt64? { 0 }

    /// A store that shares nothing.
    package var originNumbers: OriginNumbers? { nil }
    package var foldedPlaces: [Identity: Int64] { [:] }
    package func whenFolded(
        _ frontier: [Identity: Int64], _ body: @escaping @Sendable () -> Void
    ) -> (@Sendable () -> Bool)? {
        body()
        return nil
    }
    package func position(of origin: Identity, after sequence: Int64) throws(StoreError) -> Int64? { nil }

    package func logEntry(at position: Int64) throws(StoreError) -> LoggedDelivery? {
        var found: LoggedDelivery?
        try scanLog(after: position - 1) { (entry) throws(StoreError) in
            if entry.position == position { found = entry }
            return false
        }
        return found
    }

    /// A store without indexes says so.
    package func select(
        _ selection: SessionSelection, completion: @escaping @Sendable (Result<SessionPage, StoreError>) -> Void
    ) {
        completion(.failure(StoreError(.unavailable, "this store has no indexes")))
    }

    /// A store that tells of no changes.
    @discardableResult
    package func observe(_ observer: FoldObserver?) -> Int64 { statistics.index.folded }
}

/// The same for tasks.
extension SessionStore {
    package func append(_ delivery: Delivery, within work: WorkTicket) async throws(StoreError) -> IngestOutcome {
        try await withCheckedContinuation { continuation in
            append(delivery, within: work) { continuation.resume(returning: $0) }
        }.get()
    }

    package func session(_ id: String) async throws(StoreError) -> SessionRecord? {
        try await withCheckedContinuation { continuation in session(id) { continuation.resume(returning: $0) } }.get()
    }

    package func select(_ selection: SessionSelection) async throws(StoreError) -> SessionPage {
        try await withCheckedContinuation { continuation in
            select(selection) { continuation.resume(returning: $0) }
        }.get()
    }
}

/// One row of the log, as it was received.
package struct LoggedDelivery: Sendable, Equatable {
    /// Ascending, in the order of arrival here; starts at 1. Gaps are possible after an erasure.
    package let position: Int64
    package let receivedAt: Instant
    package let source: FactSource
    package let body: [UInt8]
    /// See `seal(at:)`; 0 where nobody can say.
    package let seal: UInt64
    /// Its name everywhere.
    package let place: Place

    package init(
        position: Int64, receivedAt: Instant, source: FactSource, body: [UInt8], seal: UInt64 = 0,
        place: Place = Place(origin: .none, sequence: 0)
    ) {
        self.place = place
        self.position = position
        self.receivedAt = receivedAt
        self.source = source
        self.body = body
        self.seal = seal
    }
}

/// How far a check has come.
package struct CheckProgress: Sendable {
    package enum Phase: Sendable { case verifying, reading, folding, comparing }
    package let phase: Phase
    package let done: Int64
    package let total: Int64
}

/// What a check found.
package struct CheckReport: Sendable {
    package var deliveries: Int64 = 0
    package var sessions: Int64 = 0
    package var undecodableRows: Int64 = 0
    /// Files of the log of which not everything is as it was written.
    package var damagedFiles: [String] = []
    /// Deliveries that are known to be missing in them.
    package var missingDeliveries = 0
    /// The number of sessions that differ.
    package var differenceCount: Int64 = 0
    /// The first of them, bounded in number.
    package var differences: [CheckDifference] = []

    package var isClean: Bool { damagedFiles.isEmpty && differenceCount == 0 }
}

/// One session whose row is not what the log says.
package struct CheckDifference: Sendable, Equatable {
    package enum Kind: String, Sendable { case missing, different, surplus }
    package let kind: Kind
    package let sessionId: String
}
