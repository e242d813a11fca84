import Base
import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// Erasures that operators ask for.
struct ErasureRequests: Sendable {
    /// nil where the store can't erase.
    let eraser: (any SessionEraser)?
    let others: Others
    let logger: Logger

    /// `DELETE /v1/users/{userId}`: removes a person from everything that is stored, here and on all other receivers. The
    /// answer comes when it is done here: 202 while others still have to; or 503 when it takes longer than the server waits:
    /// it goes on then, also over a restart, and asking again is harmless.
    func eraseUser(_ call: borrowing Call<Operator>) {
        let (userId, exchange) = (call.path.userId, call.exchange)
        guard let eraser else { return exchange.respond(Response(.notFound)) }
        if let erasures = others.erasures { return eraseEverywhere(userId, erasures, exchange) }
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

    private func eraseEverywhere(_ userId: String, _ erasures: SharedErasures, _ exchange: Exchange) {
        exchange.answer { [logger] () async throws(Problem) in
            do {
                let (report, outstanding) = try await erasures.erase(userId: userId)
                logger.notice(
                    "a user was erased",
                    metadata: ["sessions": "\(report.sessions)", "outstanding": "\(outstanding.count)"])
                return Response(report, outstanding: outstanding)
            } catch let error as StoreError {
                throw Problem(error, .erasureUnfinished)
            } catch {
                throw .erasureNotShared
            }
        }
    }
}

extension Problem {
    static let erasureUnfinished = Problem.unavailable(
        "erasure-unfinished", "The erasure is not finished; it goes on by itself.", retryAfterSeconds: 15)
    static let erasureNotShared = Problem.unavailable(
        "shared-log-away", "The other receivers cannot be told, so the erasure is not finished: ask again.",
        retryAfterSeconds: 15)
}

extension Response {
    /// - Parameter outstanding: receivers that have not erased yet; nil where there are no others.
    init(_ report: ErasureReport, outstanding: [String]? = nil) {
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        writer.field("sessionsRemoved", report.sessions)
        writer.field("sessionsKept", report.sessionsKept)
        writer.field("deliveriesRemoved", report.deliveriesRemoved)
        writer.field("deliveriesRedacted", report.deliveriesRedacted)
        writer.field("quarantinedRemoved", report.quarantined)
        if let outstanding {
            writer.key("outstanding")
            writer.beginArray()
            for name in outstanding { writer.string(name) }
            writer.endArray()
        }
        writer.endObject()
        self.init(json: writer.bytes)
        if outstanding?.isEmpty == false { status = 202 }
    }
}
