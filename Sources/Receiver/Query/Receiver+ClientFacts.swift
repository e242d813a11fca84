import Base
import HTTPServer
import Logging
package import SessionIndex
package import SessionModel
package import SessionStore

/// What our own clients do with sessions is a fact like any other: in the log, folded, exported.
extension Receiver {
    /// Logs what a client did; `completion` as for a callback. A start is noted for its connector's cooldown.
    package func append(
        _ action: SessionEvent.ClientAction, sessionId: String, userId: String?, connectorId: String?,
        within work: WorkTicket? = nil, completion: @escaping IngestCompletion
    ) {
        let now = clock()
        let body = SessionEvent.clientBody(
            action, sessionId: sessionId, userId: userId, connectorId: connectorId, at: now)
        let event: SessionEvent
        do throws(EventError) {
            event = try SessionEvent.decode(body, source: .client)
        } catch {
            return completion(.failure(StoreError(.unavailable, error.detail)))
        }
        if action == .start, let connectorId { connectorStarts.note(connectorId: connectorId, at: now) }
        let delivery = Delivery(event: event, body: body, receivedAt: now)
        store.append(delivery, within: work ?? store.beginWork(about: userId), completion: completion)
    }

    /// Starts that were asked for before this process began count for the cooldown too. Blocks: for the start only.
    func loadConnectorStarts() {
        let from = clock().adding(seconds: -renderer.settings.connectorCooldownSeconds)
        let answer = Answer<SessionPage>()
        store.select(SessionSelection(.requested(from: from), limit: 10_000)) { answer.give($0) }
        do throws(StoreError) {
            for record in try answer.wait().records {
                guard let connector = record.state.enrichment.string(.connectorId), let start = record.requestedAt
                else { continue }
                connectorStarts.note(connectorId: connector, at: start)
            }
        } catch {
            logger.warning("cooldowns of connectors are not known", metadata: ["reason": "\(error.message)"])
        }
    }

    /// `POST /v1/sessions/{sessionId}/abandon`: the user gives the session up. Idempotent; answers the session.
    ///
    /// It changes no status, and later events count as ever. A session that has ended can't be given up (409).
    func abandon(_ call: borrowing Call<AccessGrant>) {
        let (id, grant, exchange) = (call.path.sessionId, call.grant, call.exchange)
        let answer = { @Sendable (response: Response) in exchange.respond(response) }
        let isAsked = Preconditions(call.request.head).matchesAnything
        store.session(id) { [self] result in
            switch result {
            case .failure(let error): answer(Response(Problem(error, .storeUnreadable)))
            case .success(let record?) where grant.allows(record):
                guard grant.mayAct(on: record) else { return answer(Response(.insufficientScope)) }
                guard isAsked else { return answer(Response(.preconditionFailed)) }
                // What changes nothing costs nothing.
                if record.state.abandonedAt != nil { return answer(session(record)) }
                if record.hasEnded { return answer(Response(.sessionEnded)) }
                if let problem = writes.refusal(userId: record.state.userId, sessionId: id) {
                    return answer(Response(problem))
                }
                // Whoever may, and asks while the fact is on its way, gets the same answer; nobody adds a second fact.
                if abandonments.begin(id, answer) { abandon(id, of: record.state.userId) }
            case .success: answer(Response(.sessionNotFound))
            }
        }
    }

    /// The one that is under way. It looks again: an abandonment that was under way a moment ago may be done.
    private func abandon(_ id: String, of userId: String?) {
        let work = store.beginWork(about: userId)
        store.session(id) { [self] result in
            switch result {
            case .failure(let error): abandonments.end(id, Response(Problem(error, .storeUnreadable)))
            case .success(let record?):
                if record.state.abandonedAt != nil { return abandonments.end(id, session(record)) }
                if record.hasEnded { return abandonments.end(id, Response(.sessionEnded)) }
                append(.abandon, sessionId: id, userId: nil, connectorId: nil, within: work) { [self] result in
                    switch result {
                    case .failure(let error) where error.code == .erased:
                        abandonments.end(id, Response(.sessionNotFound))
                    case .failure(let error): abandonments.end(id, Response(Problem(error, .storeUnavailable)))
                    case .success: answerAbandoned(id)
                    }
                }
            case .success(nil): abandonments.end(id, Response(.sessionNotFound))
            }
        }
    }

    private func answerAbandoned(_ id: String) {
        store.session(id) { [self] result in
            switch result {
            case .success(let record?): abandonments.end(id, session(record))
            case .success(nil): abandonments.end(id, Response(.sessionNotFound))
            case .failure(let error): abandonments.end(id, Response(Problem(error, .storeUnreadable)))
            }
        }
    }
}

extension Problem {
    static let sessionEnded = Problem(409, "session-ended", "The session has ended; it can't be abandoned.")
        .with(member: "code", "SESSION_ENDED")
}
