package import Base
package import SessionModel

/// Called once, on a queue of the store: return soon, and do not call blocking functions of the store from it.
package typealias IngestCompletion = @Sendable (Result<IngestOutcome, StoreError>) -> Void

/// The durable log of deliveries, and the sessions folded from it.
///
/// The log is the truth: a session's record is a pure function of it. An outcome is reported only when the delivery
/// would survive a power cut, and every read sees every delivery whose outcome was reported.
package protocol SessionStore: AnyObject, Sendable {
    /// Logs a delivery and folds it into its session; from any thread.
    ///
    /// Every verified delivery is logged, repeats too.
    /// - Returns: false when the bounded queue is full (or the store is closed); `completion` is not called then.
    func append(_ delivery: consuming Delivery, completion: @escaping IngestCompletion) -> Bool

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
    func scanLog(after position: Int64, visit: (LogEntry) throws(StoreError) -> Bool) throws(StoreError) -> Int64

    /// Refolds the whole log and compares it with the derived rows. Blocks, and may take long.
    func check(progress: (CheckProgress) -> Void) throws(StoreError) -> CheckReport

    /// Writes every changed derived row. Blocks: not for a worker's thread.
    func flush() throws(StoreError)

    /// Answers what is accepted, writes everything, and frees the data directory. Blocks. A second call does nothing.
    func close()

    /// Whether the store believes that the next delivery can be made durable.
    var isWritable: Bool { get }

    /// Why the store is not writable, or nil.
    var unavailability: StoreError? { get }

    /// Whether deliveries arrive faster than they become durable, so that the bounded queue may fill up. Cheap: one load.
    var isUnderPressure: Bool { get }

    /// Whether a long part of the log is still being folded behind the opening: deliveries are accepted, and answered with
    /// the status UNKNOWN and the version 0; queries are refused (`catchingUp`).
    var isCatchingUp: Bool { get }

    /// Runs `body` once everything that the log held at the opening is folded: now, or later on a queue of the store.
    func whenCaughtUp(_ body: @escaping @Sendable () -> Void)

    var statistics: StoreStatistics { get }
}

extension SessionStore {
    package var isUnderPressure: Bool { false }
    package var isCatchingUp: Bool { false }
    package func memo(of id: String) -> MemoLookup { MemoLookup(nil, .never) }
    package func keep(_ memo: any SessionMemo, of record: SessionRecord, ticket: MemoTicket) {}
    package func whenCaughtUp(_ body: @escaping @Sendable () -> Void) { body() }
}

/// How far a check has come.
package struct CheckProgress: Sendable {
    package enum Phase: Sendable { case reading, folding, comparing }
    package let phase: Phase
    package let done: Int64
    package let total: Int64
}

/// What a check found.
package struct CheckReport: Sendable {
    package var deliveries: Int64 = 0
    package var sessions: Int64 = 0
    package var undecodableRows: Int64 = 0
    /// The number of sessions that differ.
    package var differenceCount: Int64 = 0
    /// The first of them, bounded in number.
    package var differences: [CheckDifference] = []
}

/// One session whose derived row is not what the log says.
package struct CheckDifference: Sendable, Equatable {
    package enum Kind: String, Sendable { case missing, different, surplus }
    package let kind: Kind
    package let sessionId: String
}
