import Base
package import DriveAPI
package import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

extension Gateway {
    /// Asks for the stop of a session. One that has ended already is not harmed, and stays ended here too.
    package func stop(userId: String, sessionId: String, trace: RequestTrace = .none) async -> Response {
        await counted(.stop, userId: userId, isStop: true) { () async throws(Problem) in
            guard store.isWritable else { throw .storeUnavailable }
            let work = store.beginWork(about: userId)
            // A driver who cannot stop pays for it; that the session is theirs, upstream looks at as well.
            guard let known = try await lookUp(sessionId, of: userId, isUrgent: true) else {
                // Counted as one that nobody has heard of is, so that not even the 429 tells the two apart.
                throw writes.refusal(userId: userId, sessionId: sessionId) ?? .sessionNotFound
            }
            // Asking again is free for as long as there is nothing to write.
            if known.record?.takesNoteOfStop ?? true,
                let problem = writes.refusal(userId: userId, sessionId: sessionId)
            {
                throw problem
            }
            let result = await client.result {
                client.stop(userId: userId, sessionId: sessionId, trace: trace, completion: $0)
            }
            guard case .success(let answer) = result else {
                // Refused, it tells something of the session that is not known here: that it is a local one, or has ended.
                if result.hasReachedTheAPI || result.isRefusal { reconciler?.askAtOnce(sessionId) }
                return pass(result, isOwn: known.isOwn)
            }
            // It may be ignored: then the session goes on, and nothing tells.
            reconciler?.askSoon(sessionId)
            let error = await stops.outcome(of: sessionId) { [self] in
                await noteStop(sessionId, at: answer.sentAt, within: work)
            }
            if let error, error.code != .erased {
                logger.error("a stop could not be recorded", metadata: ["reason": "\(error)"])
            }
            // The stop was asked for: that is what the app has to know.
            return Response(passing: answer)
        }
    }

    /// Notes a stop, once within each status of the session.
    private func noteStop(_ sessionId: String, at sentAt: Instant, within work: WorkTicket) async -> StoreError? {
        let record = (try? await store.session(sessionId)) ?? nil
        guard record?.takesNoteOfStop ?? true else { return nil }
        do throws(StoreError) {
            // Without the user: that somebody has stopped a session does not make it theirs.
            try await logFact(.stop, sessionId: sessionId, userId: nil, at: sentAt, record: record, within: work)
            return nil
        } catch {
            return error
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
