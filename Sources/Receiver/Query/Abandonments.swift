import Base
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// Sessions that their users give up: a fact like any other, in the log, folded, exported.
struct Abandonments: Sendable {
    let store: any SessionStore
    let renderer: SessionRenderer
    let writes: UserWrites
    let clock: @Sendable () -> Instant
    let underWay = SharedWork<Response>()

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
                if record.state.abandonedAt != nil { return answer(renderer.response(record, now: clock())) }
                if record.hasEnded { return answer(Response(.sessionEnded)) }
                if let problem = writes.refusal(userId: record.state.userId, sessionId: id) {
                    return answer(Response(problem))
                }
                // Whoever may, and asks while the fact is on its way, gets the same answer; nobody adds a second fact.
                if underWay.begin(id, answer) { abandon(id, of: record.state.userId) }
            case .success: answer(Response(.sessionNotFound))
            }
        }
    }

    /// The one that is under way. It looks again: an abandonment that was under way a moment ago may be done.
    private func abandon(_ id: String, of userId: String?) {
        let work = store.beginWork(about: userId)
        store.session(id) { [self] result in
            switch result {
            case .failure(let error): underWay.end(id, Response(Problem(error, .storeUnreadable)))
            case .success(let record?):
                if record.state.abandonedAt != nil { return underWay.end(id, renderer.response(record, now: clock())) }
                if record.hasEnded { return underWay.end(id, Response(.sessionEnded)) }
                append(id, within: work) { [self] result in
                    switch result {
                    case .failure(let error) where error.code == .erased:
                        underWay.end(id, Response(.sessionNotFound))
                    case .failure(let error): underWay.end(id, Response(Problem(error, .storeUnavailable)))
                    case .success: answerAbandoned(id)
                    }
                }
            case .success(nil): underWay.end(id, Response(.sessionNotFound))
            }
        }
    }

    private func append(_ id: String, within work: WorkTicket, completion: @escaping IngestCompletion) {
        let now = clock()
        let body = SessionEvent.clientBody(.abandon, sessionId: id, userId: nil, connectorId: nil, at: now)
        do throws(EventError) {
            let event = try SessionEvent.decode(body, source: .client)
            store.append(Delivery(event: event, body: body, receivedAt: now), within: work, completion: completion)
        } catch {
            completion(.failure(StoreError(.unavailable, error.detail)))
        }
    }

    private func answerAbandoned(_ id: String) {
        store.session(id) { [self] result in
            switch result {
            case .success(let record?): underWay.end(id, renderer.response(record, now: clock()))
            case .success(nil): underWay.end(id, Response(.sessionNotFound))
            case .failure(let error): underWay.end(id, Response(Problem(error, .storeUnreadable)))
            }
        }
    }
}

extension Problem {
    static let sessionEnded = Problem(409, "session-ended", "The session has ended; it can't be abandoned.")
        .with(member: "code", "SESSION_ENDED")
}
