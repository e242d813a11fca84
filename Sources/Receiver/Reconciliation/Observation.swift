internal import Base
import DriveAPI
import SessionIndex
import SessionModel
import SessionStore

/// A session as the Drive API showed it, on its way into the log.
struct Observation: Sendable {
    /// What became of it.
    struct Logged: Sendable {
        /// It told something that was not known.
        let isNews: Bool
        let status: SessionStatus
        /// The session, where nothing more is to be learnt of it.
        let settled: SessionRecord?
        /// When a start of ours was sent that was answered with this session, as its fact says.
        let startAnsweredAt: Instant?
    }

    let session: DriveSession
    let sessionId: String
    let userId: String
    let sentAt: Instant
    /// Taken before the Drive API was asked.
    let work: WorkTicket

    init(_ session: DriveSession, sessionId: String, userId: String, sentAt: Instant, within work: WorkTicket) {
        self.work = work
        self.session = session
        self.sessionId = sessionId
        self.userId = userId
        self.sentAt = sentAt
    }

    /// Logs it as a fact, unless it tells nothing new.
    /// - Throws: `erased` where the user was erased, or the session removed, since the API was asked; what the store throws.
    func log(
        in store: any SessionStore, clock: @Sendable () -> Instant
    ) async throws(StoreError) -> Logged {
        let record = try await store.session(sessionId)
        let body = session.observationBody(sessionId: sessionId, userId: userId, sentAt: sentAt, record: record)
        guard let event = try? SessionEvent.decode(body, source: .driveApi, limits: .unbounded) else {
            throw StoreError(.unavailable, "the answer is no fact")
        }
        let startAnsweredAt = record?.facts.first { $0.name == .startRequested && $0.source == .client }?.timestamp
        func logged(isNews: Bool, _ status: SessionStatus, _ record: SessionRecord?) -> Logged {
            let settled = record.flatMap { $0.expectation == .nothing ? $0 : nil }
            return Logged(isNews: isNews, status: status, settled: settled, startAnsweredAt: startAnsweredAt)
        }
        if let record, !record.isNews(event) {
            return logged(isNews: false, record.state.status, record)
        }
        let outcome = try await store.append(Delivery(event: event, body: body, receivedAt: clock()), within: work)
        let known = try? await store.session(outcome.sessionId)
        return logged(isNews: true, outcome.status, known ?? nil)
    }
}
