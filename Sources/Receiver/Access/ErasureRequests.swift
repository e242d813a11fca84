import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// Erasures that operators ask for.
struct ErasureRequests: Sendable {
    /// nil where the store can't erase.
    let eraser: (any SessionEraser)?
    let logger: Logger

    /// `DELETE /v1/users/{userId}`: removes a person from everything that is stored. The answer comes when it is done, or as 503 when it takes longer than the server waits: it goes on
    /// then, also over a restart, and asking again is harmless.
    func eraseUser(_ call: borrowing Call<Operator>) {
        let (userId, exchange) = (call.path.userId, call.exchange)
        guard let eraser else { return exchange.respond(Response(.notFound)) }
        eraser.eraseUser(userId) { [logger] result in
            switch result {
            case .success(let report):
                logger.notice("a user was erased", metadata: ["sessions": "\(report.sessions)"])
                exchange.respond(Response(report))
            case .failure(let error):
                exchange.respond(Response(Problem(error, .erasureUnfinished)))
            }
        }
    }
}

extension Problem {
    static let erasureUnfinished = Problem.unavailable(
        "erasure-unfinished", "The erasure is not finished; it goes on by itself.", retryAfterSeconds: 15)
}

extension Response {
    init(_ report: ErasureReport) {
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        writer.field("sessionsRemoved", report.sessions)
        writer.field("sessionsKept", report.sessionsKept)
        writer.field("deliveriesRemoved", report.deliveriesRemoved)
        writer.field("deliveriesRedacted", report.deliveriesRedacted)
        writer.field("quarantinedRemoved", report.quarantined)
        writer.endObject()
        self.init(json: writer.bytes)
    }
}
