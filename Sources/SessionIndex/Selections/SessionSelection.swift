package import Base
package import SessionModel

/// Where a session stands in the order of a selection: the key that it is ordered by, then what decides between equal keys.
/// Good at every receiver.
package struct SortKey: Sendable, Hashable, Comparable {
    /// Milliseconds since 1970, or `SessionRecord.number` (`expecting` only, which is for this receiver alone).
    package let key: Int64
    /// `SessionRecord.tie`.
    package let tie: Int64

    package init(key: Int64, tie: Int64) {
        self.key = key
        self.tie = tie
    }

    package static func < (left: SortKey, right: SortKey) -> Bool {
        (left.key, left.tie) < (right.key, right.tie)
    }
}

/// Which sessions, and where to begin. Every scope has an index of its own, so that a page costs the same wherever it
/// stands.
package struct SessionSelection: Sendable {
    package enum Scope: Sendable, Hashable {
        /// All sessions of a user, by `SessionRecord.orderedBy`, latest first.
        case user(String)
        /// Those that `isOngoing`, in the same order.
        case ongoing(userId: String)
        /// Sessions with an anomaly that does not depend on time, in the same order.
        case anomaly(Anomaly)
        /// Sessions that have been in a state since that instant or longer, the longest first.
        case lasting(LastingState, since: Instant)
        /// Sessions whose `waitsUntil` is that instant or later, the soonest first.
        case waiting(from: Instant)
        /// Sessions whose start a client asked for at that instant or later, the earliest first.
        case requested(from: Instant)
        /// Sessions with one of these statuses that began at that instant or earlier, the latest first. Statuses that have
        /// no name of their own count as FAILED. Not for COMPLETE: nearly all are.
        case status(Set<SessionStatus>, since: Instant)
        /// All sessions, in the same order.
        case everything
        /// Sessions of which so much, or more, is still to come, in order of creation.
        case expecting(SessionRecord.Expectation)
    }

    package var scope: Scope
    /// Names of statuses; nil for all. Those that nobody knows are found under FAILED too.
    package var statuses: Set<String>?
    /// Bounds of `SessionRecord.startOrFirstHeard`, inclusive. Only the scope `user` has an index for them.
    package var startsFrom: Instant?
    package var startsTo: Instant?
    /// What a session must fulfil besides. Called on a queue of the store.
    package var condition: (@Sendable (SessionRecord) -> Bool)?
    /// Begin behind this one; nil for the beginning.
    package var after: SortKey?
    /// Sessions in the page, at most.
    package var limit: Int

    package init(_ scope: Scope, limit: Int) {
        self.scope = scope
        self.limit = limit
    }
}

/// What a session may be in for too long. The raw value names column and index.
package enum LastingState: String, Sendable, Hashable, CaseIterable {
    case started
    case starting
    case stopFailing = "stop_failing"
}

extension SessionRecord {
    /// From when on the session has been in that state; nil where it is not.
    package func since(_ state: LastingState) -> Instant? {
        switch state {
        case .started: startedSince
        case .starting: startingSince
        case .stopFailing: stopFailingSince
        }
    }
}

package struct SessionPage: Sendable {
    package var records: [SessionRecord] = []
    /// Where the next page begins; nil on the last one. A page may be short and yet have a next one: no page looks at
    /// more than `IndexOptions.rowsPerPageMax` rows, or has records of more than `IndexOptions.pageBytesMax` bytes.
    package var next: SortKey?

    package init() {}
}

/// One fact that was new, right after it was folded: what it changed, and no record, so that many may wait for somebody
/// who tells of them.
package struct FoldedChange: Sendable {
    package let change: SessionChange
    /// Where the fact stands in the log.
    package let position: Int64
    package let receivedAt: Instant
    /// What tells the history of the log up to there from any other (`EventLog.seal`); 0 where nobody can say.
    package let seal: UInt64
    /// The name of the delivery at `position`.
    package let place: Place

    package init(_ change: SessionChange, position: Int64, receivedAt: Instant, seal: UInt64, place: Place) {
        self.place = place
        self.change = change
        self.position = position
        self.receivedAt = receivedAt
        self.seal = seal
    }

    /// The session with the fact.
    package var outline: SessionOutline { change.outline }

    /// An estimate of what it takes in memory.
    package var bytes: Int { change.bytes + 32 }
}

/// Called on the log's queue, in the order of the log, with what a batch changed, the position folded now
/// and its seal: hand it on and return. While there is no observer the fold does nothing for it.
package typealias FoldObserver = @Sendable (_ changes: [FoldedChange], _ position: Int64, _ seal: UInt64) -> Void
