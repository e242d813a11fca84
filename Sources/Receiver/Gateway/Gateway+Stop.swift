import Base
package import DriveAPI
import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

extension Gateway {
    /// Asks for the stop of a session. One that has ended already is not harmed, and stays ended here too.
    package func stop(
        userId: String, sessionId: String, trace: RequestTrace = .none, respond: @escaping Respond
    ) {
        guard let respond = admit(userId: userId, isStop: true, respond) else { return }
        metrics.requests[.stop]?.increment()
        guard store.isWritable else { return respond(Response(.storeUnavailable)) }
        let work = store.beginWork(about: userId)
        let refusal = { @Sendable [self] in writes.refusal(userId: userId, sessionId: sessionId) }
        // A driver who cannot stop pays for it; that the session is theirs, upstream looks at as well.
        with(sessionId, of: userId, isUrgent: true, respond) {
            // Counted as one that nobody has heard of is, so that not even the 429 tells the two apart.
            refusal() ?? .sessionNotFound
        } _: { [self] isOwn, record in
            // Asking again is free for as long as there is nothing to write.
            if record?.takesNoteOfStop ?? true, let problem = refusal() { return respond(Response(problem)) }
            askToStop(userId: userId, sessionId: sessionId, isOwn: isOwn, within: work, trace, respond)
        }
    }

    private func askToStop(
        userId: String, sessionId: String, isOwn: Bool, within work: WorkTicket, _ trace: RequestTrace,
        _ respond: @escaping Respond
    ) {
        client.stop(userId: userId, sessionId: sessionId, trace: trace) { [self] result in
            guard case .success(let answer) = result else {
                // Refused, it tells something of the session that is not known here: that it is a local one, or has ended.
                if result.hasReachedTheAPI || result.isRefusal { reconciler?.askAtOnce(sessionId) }
                return pass(result, isOwn: isOwn, respond)
            }
            let isFirst = stops.begin(sessionId) { [self] error in
                if let error, error.code != .erased {
                    logger.error("a stop could not be recorded", metadata: ["reason": "\(error)"])
                }
                // The stop was asked for: that is what the app has to know.
                respond(Response(passing: answer))
            }
            // It may be ignored: then the session goes on, and nothing tells.
            reconciler?.askSoon(sessionId)
            if isFirst { noteStop(sessionId, at: answer.sentAt, within: work) }
        }
    }

    /// Notes a stop, once within each status of the session.
    private func noteStop(_ sessionId: String, at sentAt: Instant, within work: WorkTicket) {
        store.session(sessionId) { [self] known in
            let record = (try? known.get()) ?? nil
            guard record?.takesNoteOfStop ?? true else { return stops.end(sessionId, nil) }
            // Without the user: that somebody has stopped a session does not make it theirs.
            note(.stop, sessionId: sessionId, userId: nil, at: sentAt, record: record, within: work) { [self] error in
                stops.end(sessionId, error)
            }
        }
    }

    /// Logs what a client did, as a fact of the second in which the request was sent: what the Drive API reports of it
    /// happens later, but its callbacks may name whole seconds only. Where they are known to be exact, so is this.
    func note(
        _ action: SessionEvent.ClientAction, sessionId: String, userId: String?, connectorId: String? = nil,
        at sentAt: Instant, record: SessionRecord? = nil, within work: WorkTicket,
        completion: @escaping @Sendable (StoreError?) -> Void
    ) {
        let body = SessionEvent.clientBody(
            action, sessionId: sessionId, userId: userId, connectorId: connectorId,
            at: OwnTimestamp.of(sentAt, knowing: record))
        let event: SessionEvent
        do throws(EventError) {
            event = try SessionEvent.decode(body, source: .client, limits: .unbounded)
        } catch {
            return completion(StoreError(.unavailable, error.detail))
        }
        // Two requests within one second are one fact; a client's repeat is no delivery to be counted.
        if let record, record.knows(event) { return completion(nil) }
        store.append(Delivery(event: event, body: body, receivedAt: clock()), within: work) { [self] result in
            switch result {
            case .success(let outcome):
                reconciler?.noted(outcome)
                completion(nil)
            case .failure(let error): completion(error)
            }
        }
    }
}

extension SessionRecord {
    /// Whether a stop that was asked for now is a fact to note: only what may still run can wait for its end, and a stop
    /// that was asked for since the session has the status it has is known.
    var takesNoteOfStop: Bool {
        if hasEnded || state.status == .waitingToStop { return false }
        let decided = state.decidingIndex.map { facts[$0].position } ?? 0
        return !facts.contains {
            $0.source == .client && $0.name == .stopRequested && $0.position > decided
        }
    }
}
