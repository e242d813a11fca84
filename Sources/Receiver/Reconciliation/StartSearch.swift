internal import Base
import DriveAPI
internal import Ledger
import SessionIndex
import SessionModel
import SessionStore

/// Looks through a user's history for the session of a start that was not answered, and logs it as a fact.
struct StartSearch {
    /// Upstream's clock may be behind ours.
    static let skewSeconds: Int64 = 60
    /// Between a request of ours and the fact that tells of it: retries of what was never sent.
    static let answerSeconds: Int64 = 10
    /// Pages of each question, at most.
    static let pagesMax = 4

    let start: UnansweredStart
    let backfill: Backfill

    /// A session that may be the one, as it was logged.
    struct Found: Sendable, Equatable {
        let sessionId: String
        let status: SessionStatus
    }

    /// - Returns: nil where no session is there that could be it.
    func run() async throws(Backfill.Failure) -> Found? {
        var query = HistoryQuery()
        query.statuses = Backfill.statuses
        query.startTime = start.startedAt.adding(seconds: -Self.skewSeconds)
        if let found = try await search(query) { return found }
        // The bound is on the start of a session, and one that still waits for it may have none.
        query.statuses = [.created, .waitingToStart]
        query.startTime = nil
        return try await search(query)
    }

    private func search(_ query: HistoryQuery) async throws(Backfill.Failure) -> Found? {
        var query = query
        var found: Found?
        for _ in 0..<Self.pagesMax {
            let page = try await backfill.page(userId: start.userId, query, isWanted: mayBeIt) { session, logged in
                if found == nil, isIt(logged) { found = Found(sessionId: session, status: logged.status) }
            }
            if found != nil { return found }
            guard let cursor = page.cursor else { return nil }
            query.cursor = cursor
        }
        return nil
    }

    /// What is not wanted is not logged either: it may have been erased, or be older than what is kept.
    private func mayBeIt(_ session: DriveSession) -> Bool {
        if let connectorId = session.connectorId, connectorId != start.connectorId { return false }
        guard let startTime = session.startTime else { return true }
        return startTime >= start.startedAt.adding(seconds: -Self.skewSeconds)
    }

    /// A session that another start was answered with is not it.
    private func isIt(_ logged: Observation.Logged) -> Bool {
        guard let requestedAt = logged.startAnsweredAt else { return true }
        let seconds = requestedAt.seconds - start.startedAt.seconds
        return 0...Self.answerSeconds ~= seconds
    }
}
