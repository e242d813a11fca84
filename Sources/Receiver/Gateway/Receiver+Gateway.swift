import DriveAPI
import HTTPServer
import SessionModel

extension Receiver {
    /// The gateway's resources: what an app would ask the Drive API for, in the same shapes.
    func passOn(_ resource: Resource, _ request: borrowing Request, _ exchange: Exchange) {
        guard let userId = resource.actsForUser, mayAct(for: userId, onlyReading: resource.onlyReads, request, exchange)
        else { return }
        guard let gateway else { return exchange.respond(Response(.noAPIKey)) }
        guard !resource.leadsElsewhere else { return exchange.respond(Response(.notFound)) }
        switch resource {
        case .startSession(let userId):
            let key = request.head.header("idempotency-key").map { String(decoding: $0, as: UTF8.self) }
            if request.head.isRepeated("idempotency-key") { return exchange.respond(Response(.invalidKey)) }
            gateway.start(userId: userId, body: Array(request.body), idempotencyKey: key) { exchange.respond($0) }
        case .stopSession(let userId, let sessionId):
            gateway.stop(userId: userId, sessionId: sessionId) { exchange.respond($0) }
        case .receipt(let userId, let sessionId):
            gateway.receipt(userId: userId, sessionId: sessionId) { exchange.respond($0) }
        case .retryPayment(let userId, let sessionId):
            gateway.retryPayment(userId: userId, sessionId: sessionId) { exchange.respond($0) }
        default: exchange.respond(Response(.notFound))
        }
    }
}

extension Resource {
    /// Whether nothing changes by it.
    fileprivate var onlyReads: Bool {
        if case .receipt = self { true } else { false }
    }

    /// Whether an id of a resource that is passed on would lead to another one upstream.
    fileprivate var leadsElsewhere: Bool {
        switch self {
        case .startSession(let userId): !PathTemplate.isOneSegment(userId)
        case .stopSession(let userId, let id), .receipt(let userId, let id), .retryPayment(let userId, let id):
            !PathTemplate.isOneSegment(userId) || !PathTemplate.isOneSegment(id)
        default: false
        }
    }
}
