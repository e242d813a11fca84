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
    let underWay = SharedWork<Result<Response, Problem>>()

    /// `POST /v1/sessions/{sessionId}/abandon`: the user gives the session up. Idempotent; answers the session.
    ///
    /// It changes no status, and later events count as ever. A session that has ended can't be given up (409).
    func abandon(_ call: borrowing Call<AccessGrant>) {
        let (id, grant) = (call.path.sessionId, call.grant)
        let isAsked = Preconditions(call.request.head).matchesAnything
        call.exchange.answer { () async throws(Problem) in
            let record = try await record(id)
            guard grant.allows(record) else { throw .sessionNotFound }
            guard grant.mayAct(on: record) else { throw .insufficientScope }
            guard isAsked else { throw .preconditionFailed }
            // What changes nothing costs nothing.
            if let answer = try answer(record) { return answer }
            if let problem = writes.refusal(userId: record.state.userId, sessionId: id) { throw problem }
            // Whoever may, and asks while the fact is on its way, gets the same answer; nobody adds a second fact.
            return try await underWay.outcome(of: id) { await abandon(id, of: record.state.userId) }.get()
        }
    }

    /// The one that is under way. It looks again: an abandonment that was under way a moment ago may be done.
    private func abandon(_ id: String, of userId: String?) async -> Result<Response, Problem> {
        let work = store.beginWork(about: userId)
        do throws(Problem) {
            if let answer = try answer(try await record(id)) { return .success(answer) }
            try await append(id, within: work)
            return .success(renderer.response(try await record(id), now: clock()))
        } catch {
            return .failure(error)
        }
    }

    /// The answer where there is nothing to do: it is given up already.
    /// - Throws: where it has ended.
    private func answer(_ record: SessionRecord) throws(Problem) -> Response? {
        if record.state.abandonedAt != nil { return renderer.response(record, now: clock()) }
        if record.hasEnded { throw .sessionEnded }
        return nil
    }

    private func record(_ id: String) async throws(Problem) -> SessionRecord {
        do throws(StoreError) {
            if let record = try await store.session(id) { return record }
        } catch {
            throw Problem(error, .storeUnreadable)
        }
        throw .sessionNotFound
    }

    private func append(_ id: String, within work: WorkTicket) async throws(Problem) {
        let now = clock()
        let body = SessionEvent.clientBody(.abandon, sessionId: id, userId: nil, connectorId: nil, at: now)
        do {
            let event = try SessionEvent.decode(body, source: .client)
            _ = try await store.append(Delivery(event: event, body: body, receivedAt: now), within: work)
        } catch let error as StoreError {
            throw error.code == .erased ? .sessionNotFound : Problem(error, .storeUnavailable)
        } catch {
            throw .storeUnavailable
        }
    }
}

extension Problem {
    static let sessionEnded = Problem(409, "session-ended", "The session has ended; it can't be abandoned.")
        .with(member: "code", "SESSION_ENDED")
}
