package import Base
package import EventLog
internal import SessionModel

/// Removes persons and old sessions from everything that the store keeps.
package protocol SessionEraser: AnyObject, Sendable {
    /// Removes a user for good: from the log, the records, the session rows and what the ledger keeps, and from the free and
    /// overwritten parts of the files too.
    ///
    /// Sessions in which no other user is named go entirely. In a session that names another user as well, the facts
    /// that name this one stay without the name (and without every other member that contains it); they are folded
    /// anew. What arrives after the call began is new data and is not touched.
    ///
    /// The call is durable as soon as it has begun: after a crash the next start finishes it. Repeating it is harmless.
    ///
    /// - Parameter completion: called from a queue of the store once nothing of the user is left in any file.
    func eraseUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void)

    /// Which deliveries `eraseUser` would remove or change now, so that others can be told before anything is gone.
    func placesOfUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasedPlaces, StoreError>) -> Void)

    /// Does what another receiver was asked for: removes the user whom `isUser` knows (nobody else knows the name), and all
    /// deliveries that are removed there; those that come later come without their bodies. The report has what was found
    /// here besides. Repeating it is harmless, and it must be repeated after a crash.
    func erase(
        _ places: ErasedPlaces, isUser: @escaping @Sendable (String) -> Bool,
        completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void)

    /// Removes sessions that ended (`FAILED`, `STOPPED`, `COMPLETE`, `REFUNDED`) and of which nothing has been heard
    /// since `cutoff`, neither by timestamp nor by arrival.
    func removeSessions(
        endedBefore cutoff: Instant, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void)
}

/// What an erasure has removed. After a crash in the middle, what the rest of it has removed.
package struct ErasureReport: Sendable, Equatable {
    /// Sessions that are gone.
    package var sessions = 0
    /// Sessions that are kept for another user, without this one.
    package var sessionsKept = 0
    /// Deliveries removed from the log.
    package var deliveriesRemoved = 0
    /// Deliveries that stay without the user.
    package var deliveriesRedacted = 0
    /// Quarantined bodies removed.
    package var quarantined = 0
    /// Which deliveries they were, for other receivers. After a crash in the middle, those of the rest.
    package var places = ErasedPlaces()

    package init() {}
}

/// Which deliveries an erasure is about.
package struct ErasedPlaces: Sendable, Equatable {
    /// Of which nothing stays but the place.
    package var removed = PlaceSet()
    /// Which stay without the user.
    package var redacted = PlaceSet()

    package init() {}
}

/// The steps of an erasure, in order; each one is durable when the next begins.
package enum ErasureStep: Sendable, CaseIterable {
    /// The intent is durable.
    case asked
    /// The sessions are known.
    case planned
    /// Some rows of the log are rewritten, others are not.
    case rewriting
    /// The log's rows are rewritten.
    case rewritten
    /// Records and session rows are without the sessions.
    case derived
    /// The ledger has removed what it keeps, and the file of rows has no remains.
    case scrubbed
    /// The intent holds no name any more; only the write-ahead log may.
    case forgotten
    case done
}

extension DiskSessionStore: SessionEraser {
    package func eraseUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard let eraser else { return completion(.failure(.readOnly)) }
        eraser.eraseUser(userId, completion: completion)
    }

    package func placesOfUser(
        _ userId: String, completion: @escaping @Sendable (Result<ErasedPlaces, StoreError>) -> Void
    ) {
        guard let eraser else { return completion(.failure(.readOnly)) }
        eraser.placesOfUser(userId, completion: completion)
    }

    package func erase(
        _ places: ErasedPlaces, isUser: @escaping @Sendable (String) -> Bool,
        completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard let eraser else { return completion(.failure(.readOnly)) }
        eraser.erase(places, isUser: isUser, completion: completion)
    }

    package func removeSessions(
        endedBefore cutoff: Instant, completion: @escaping @Sendable (Result<ErasureReport, StoreError>) -> Void
    ) {
        guard let eraser else { return completion(.failure(.readOnly)) }
        eraser.removeSessions(endedBefore: cutoff, completion: completion)
    }
}

extension StoreError {
    fileprivate static let readOnly = StoreError(.readOnly, "the store is open for reading only")
}
