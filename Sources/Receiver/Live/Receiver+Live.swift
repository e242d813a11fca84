import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

extension Receiver {
    /// `GET /v1/sessions/{sessionId}/events`: the changes of one session as Server-Sent Events.
    func streamSession(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let (id, grant, exchange) = (call.path.sessionId, call.grant, call.exchange)
        let resumingAfter = try resumingAfter(call.request)
        store.session(id) { [self] result in
            switch result {
            case .success(let record?) where grant.allows(record):
                open(.session(SessionKey(id)), grant, resumingAfter, exchange)
            case .success: exchange.respond(Response(.sessionNotFound))
            case .failure(let error): exchange.respond(Response(Problem(error, .storeUnreadable)))
            }
        }
    }

    /// `GET /v1/users/{userId}/events`: the changes of all sessions of a user.
    func streamUser(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        open(.user(SessionKey(call.path.userId)), call.grant, try resumingAfter(call.request), call.exchange)
    }

    /// `GET /v1/events`: the changes of all sessions.
    func streamEverything(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        open(.everything, call.grant, try resumingAfter(call.request), call.exchange)
    }

    /// Where a stream begins: behind `Last-Event-ID` (or the parameter `lastEventId`, for clients that can't set the
    /// header); nil: now.
    private func resumingAfter(_ request: borrowing Request) throws(Problem) -> LiveEventId? {
        guard let query = QueryParameters(request.head.query) else { throw .malformedQuery }
        let header = request.head.header("last-event-id").map { String(decoding: $0, as: UTF8.self) }
        guard let text = header ?? query["lastEventId"], !text.isEmpty else { return nil }
        guard let id = LiveEventId(text) else { throw .malformedEventId }
        return id
    }

    private func open(_ scope: LiveScope, _ grant: AccessGrant, _ resumingAfter: LiveEventId?, _ exchange: Exchange) {
        guard live.hasRoom, !isDraining, let share = liveShare(grant) else {
            return exchange.respond(Response(.tooManyStreams))
        }
        var head = Response(status: 200, contentType: "text/event-stream")
        head.add("Cache-Control", "no-store" as StaticString)
        // nginx would collect events before it passes them on.
        head.add("X-Accel-Buffering", "no" as StaticString)
        head.body = Array("retry: 2000\n\n".utf8)
        let stream = exchange.stream(head, endsAtHalfClose: true)
        let subscriber = LiveSubscriber(
            scope: scope, grant: grant, stream: stream, bufferBytesMax: live.options.bufferBytesMax,
            catchesUp: resumingAfter != nil, heldBytes: live.heldBytes)
        subscriber.share = share
        live.subscribe(subscriber, resumingAfter: resumingAfter)
    }

    /// A place among those who listen. Who sees their own sessions only, a phone, has a few; a service many, though never
    /// all.
    private func liveShare(_ grant: AccessGrant) -> Share? {
        let all = live.options.subscribersMax
        let most = grant.allowsEverything ? all - all / 8 : min(live.options.subscribersOfUserMax, max(1, all / 2))
        return liveShares.take(grant.principal, atMost: most)
    }

    /// The long poll of a session.
    ///
    /// It ends with the token at the latest, and then is answered as a request that comes after it.
    func waitForSession(
        _ id: String, _ wait: SessionWait, _ grant: AccessGrant, _ isOurs: @escaping @Sendable (SessionUsers) -> Bool,
        _ exchange: Exchange
    ) {
        guard live.hasRoom, let share = liveShare(grant) else { return exchange.respond(Response(.tooManyStreams)) }
        let key = SessionKey(id)
        let waiter = live.wait(
            LiveWaiter(
                key: key, version: wait.version,
                endsAtMicroseconds: live.elapsedMicroseconds + wait.milliseconds * 1000,
                expiresAt: grant.expiresAt, isOurs: isOurs
            ) { [self, share] record in
                // Held for as long as the wait is.
                defer { withExtendedLifetime(share) {} }
                if grant.hasExpired(clock()) { return exchange.respond(Response(.expiredToken)) }
                if let record { return exchange.respond(session(record)) }
                // The end of the wait: 304 where there is such a session, else 404.
                store.session(id) { [self] result in
                    answer(result, exchange, isShown: { isOurs(SessionUsers($0)) }) { record in
                        if record.state.version > wait.version { return session(record) }
                        return .notModified(renderer.answer(record, now: clock()).tag)
                    }
                }
            })
        // Whoever closes waits no more; and of all who may have, nobody can tell.
        exchange.whenPeerCloses { [live] in live.leave(waiter, key) }
    }
}

extension Problem {
    static let malformedEventId = Problem(400, "malformed-event-id", "Last-Event-ID is not an id of this interface.")
    static let tooManyStreams = unavailable(
        "too-many-streams", "Too many streams and long polls are open.", retryAfterSeconds: 5)
}
