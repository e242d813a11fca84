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
        let exchange = call.exchange
        gateway.start(
            userId: call.path.userId, body: Array(call.request.body), idempotencyKey: key,
            trace: RequestTrace(call.request.head)
        ) {
            exchange.respond($0)
        }
    }

    /// `POST /v1/users/{userId}/sessions/{sessionId}/stop`
    func stop(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let exchange = call.exchange
        try gateway(for: call.path).stop(
            userId: call.path.userId, sessionId: call.path.sessionId, trace: RequestTrace(call.request.head)
        ) {
            exchange.respond($0)
        }
    }

    /// `GET /v1/users/{userId}/sessions/{sessionId}/receipt`
    func receipt(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let exchange = call.exchange
        try gateway(for: call.path).receipt(
            userId: call.path.userId, sessionId: call.path.sessionId, trace: RequestTrace(call.request.head)
        ) {
            exchange.respond($0)
        }
    }

    /// `POST /v1/users/{userId}/sessions/{sessionId}/retry-payment`
    func retryPayment(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let exchange = call.exchange
        try gateway(for: call.path).retryPayment(
            userId: call.path.userId, sessionId: call.path.sessionId, trace: RequestTrace(call.request.head)
        ) {
            exchange.respond($0)
        }
    }

    /// `POST /v1/geosearch/radius?latitude=…&longitude=…&distance=…`
    func geosearch(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        guard let gateway else { throw .noAPIKey }
        let query = call.request.head.query.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let exchange = call.exchange
        gateway.geosearch(
            by: call.grant.principal, query: query, body: Array(call.request.body),
            trace: RequestTrace(call.request.head)
        ) {
            exchange.respond($0)
        }
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
