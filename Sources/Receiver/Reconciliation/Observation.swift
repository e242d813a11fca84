import DriveAPI
import SessionModel
import SessionStore

/// A session as the Drive API showed it, on its way into the log.
struct Observation: Sendable {
    /// What became of it.
    struct Logged: Sendable {
        /// It told something that was not known.
        let isNews: Bool
        let status: SessionStatus
        let isSettled: Bool
    }

    let session: DriveSession
    let sessionId: String
    let userId: String
    let sentAt: Instant

    init(_ session: DriveSession, sessionId: String, userId: String, sentAt: Instant) {
        self.session = session
        self.sessionId = sessionId
        self.userId = userId
        self.sentAt = sentAt
    }

    /// Logs it as a fact, unless it tells nothing new.
    func log(
        in store: any SessionStore, clock: @escaping @Sendable () -> Instant,
        completion: @escaping @Sendable (Result<Logged, StoreError>) -> Void
    ) {
        store.session(sessionId) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let record): log(record, in: store, clock: clock, completion: completion)
            }
        }
    }

    private func log(
        _ record: SessionRecord?, in store: any SessionStore, clock: @Sendable () -> Instant,
        completion: @escaping @Sendable (Result<Logged, StoreError>) -> Void
    ) {
        let body = session.observationBody(sessionId: sessionId, userId: userId, sentAt: sentAt, record: record)
        guard let event = try? SessionEvent.decode(body, source: .driveApi, limits: .unbounded) else {
            return completion(.failure(StoreError(.unavailable, "the answer is no fact")))
        }
        if let record, !record.isNews(event) {
            let logged = Logged(
                isNews: false, status: record.state.status, isSettled: record.settlement == .settled)
            return completion(.success(logged))
        }
        let isQueued = store.append(Delivery(event: event, body: body, receivedAt: clock())) { result in
            guard case .success(let outcome) = result else {
                return completion(result.map { Logged(isNews: true, status: $0.status, isSettled: false) })
            }
            store.session(outcome.sessionId) { record in
                let settlement = (try? record.get())?.settlement
                completion(
                    .success(Logged(isNews: true, status: outcome.status, isSettled: settlement == .settled)))
            }
        }
        if !isQueued { completion(.failure(StoreError(.queueFull, "the queue is full"))) }
    }
}
