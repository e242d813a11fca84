import DriveAPI
import HTTPServer
import SessionModel

/// What an app would ask the Drive API for, in the same shapes.
struct GatewayRequests: Sendable {
    /// nil without a key.
    let gateway: Gateway?

    /// `POST /v1/users/{userId}/sessions/start`
    func start(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let gateway = try gateway(for: call.path)
        let key = call.request.head.header("idempotency-key").map { String(decoding: $0, as: UTF8.self) }
        if call.request.head.isRepeated("idempotency-key") { throw .invalidKey }
        let (userId, body, trace) = (call.path.userId, Array(call.request.body), RequestTrace(call.request.head))
        call.exchange.answer { await gateway.start(userId: userId, body: body, idempotencyKey: key, trace: trace) }
    }

    /// `POST /v1/users/{userId}/sessions/{sessionId}/stop`
    func stop(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let gateway = try gateway(for: call.path)
        let (userId, sessionId, trace) = (call.path.userId, call.path.sessionId, RequestTrace(call.request.head))
        call.exchange.answer { await gateway.stop(userId: userId, sessionId: sessionId, trace: trace) }
    }

    /// `GET /v1/users/{userId}/sessions/{sessionId}/receipt`
    func receipt(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let gateway = try gateway(for: call.path)
        let (userId, sessionId, trace) = (call.path.userId, call.path.sessionId, RequestTrace(call.request.head))
        call.exchange.answer { await gateway.receipt(userId: userId, sessionId: sessionId, trace: trace) }
    }

    /// `POST /v1/users/{userId}/sessions/{sessionId}/retry-payment`
    func retryPayment(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let gateway = try gateway(for: call.path)
        let (userId, sessionId, trace) = (call.path.userId, call.path.sessionId, RequestTrace(call.request.head))
        call.exchange.answer { await gateway.retryPayment(userId: userId, sessionId: sessionId, trace: trace) }
    }

    /// `POST /v1/geosearch/radius?latitude=…&longitude=…&distance=…`
    func geosearch(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        guard let gateway else { throw .noAPIKey }
        let query = call.request.head.query.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let (asker, body, trace) = (call.grant.principal, Array(call.request.body), RequestTrace(call.request.head))
        call.exchange.answer { await gateway.geosearch(by: asker, query: query, body: body, trace: trace) }
    }

    /// - Throws: where there is none, and where an id would lead to another resource upstream.
    private func gateway(for path: PathValues) throws(Problem) -> Gateway {
        guard let gateway else { throw .noAPIKey }
        // Where the path has no session id it is empty.
        guard PathTemplate.isOneSegment(path.userId),
            path.sessionId.isEmpty || PathTemplate.isOneSegment(path.sessionId)
        else { throw .notFound }
        return gateway
    }
}
