import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// Streams of changes, of one session, of a user's or of all.
struct LiveStreams: Sendable {
    let store: any SessionStore
    let others: Others
    let hub: LiveHub
    let slots: LiveSlots

    /// `GET /v1/sessions/{sessionId}/events`: the changes of one session as Server-Sent Events.
    func streamSession(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let (id, grant, exchange) = (call.path.sessionId, call.grant, call.exchange)
        let resumingAfter = try resumingAfter(call.request)
        others.whenCurrent { [self] isLocal in
            others.lookUp(id, in: store, exchange) { [self] result, exchange in
                switch result {
                case .success(let record?) where grant.allows(record):
                    open(.session(SessionKey(id)), grant, resumingAfter, isLocal, exchange)
                case .success: exchange.respond(Response(.sessionNotFound))
                case .failure(let error): exchange.respond(Response(Problem(error, .storeUnreadable)))
                }
            }
        }
    }

    /// `GET /v1/users/{userId}/events`: the changes of all sessions of a user.
    func streamUser(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        openCurrent(.user(SessionKey(call.path.userId)), call.grant, try resumingAfter(call.request), call.exchange)
    }

    /// `GET /v1/events`: the changes of all sessions.
    func streamEverything(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        openCurrent(.everything, call.grant, try resumingAfter(call.request), call.exchange)
    }

    /// Where a stream begins: behind `Last-Event-ID` (or the parameter `lastEventId`, for clients that can't set the
    /// header); nil: now.
    private func resumingAfter(_ request: borrowing Request) throws(Problem) -> LiveEventId? {
        let query = try QueryParameters(of: request.head.query)
        let header = request.head.header("last-event-id").map { String(decoding: $0, as: UTF8.self) }
        guard let text = header ?? query["lastEventId"], !text.isEmpty else { return nil }
        guard let id = LiveEventId(text) else { throw .malformedEventId }
        return id
    }

    /// Begins behind all that any receiver has acknowledged: what a reader has asked elsewhere before does not come again.
    private func openCurrent(
        _ scope: LiveScope, _ grant: AccessGrant, _ resumingAfter: LiveEventId?, _ exchange: Exchange
    ) {
        others.whenCurrent { isLocal in open(scope, grant, resumingAfter, isLocal, exchange) }
    }

    private func open(
        _ scope: LiveScope, _ grant: AccessGrant, _ resumingAfter: LiveEventId?, _ isLocal: Bool, _ exchange: Exchange
    ) {
        guard !hub.isClosing, let share = slots.take(grant) else {
            return exchange.respond(Response(.tooManyStreams))
        }
        var head = Response(status: 200, contentType: "text/event-stream")
        head.add("Cache-Control", "no-store" as StaticString)
        // nginx would collect events before it passes them on.
        head.add("X-Accel-Buffering", "no" as StaticString)
        if isLocal { head.addLocalConsistency() }
        head.body = Array("retry: 2000\n\n".utf8)
        let stream = exchange.stream(head, endsAtHalfClose: true)
        let subscriber = LiveSubscriber(
            scope: scope, grant: grant, stream: stream, bufferBytesMax: hub.options.bufferBytesMax,
            catchesUp: resumingAfter != nil, heldBytes: hub.heldBytes)
        subscriber.share = share
        hub.subscribe(subscriber, resumingAfter: resumingAfter)
    }
}

extension Problem {
    static let malformedEventId = Problem(400, "malformed-event-id", "Last-Event-ID is not an id of this interface.")
    static let tooManyStreams = unavailable(
        "too-many-streams", "Too many streams and long polls are open.", retryAfterSeconds: 5)
}
