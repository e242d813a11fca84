import Dispatch
import DriveAPI
import HTTPServer
import SessionModel
import SessionStore

/// One after the other: a history is read as fast as upstream likes, whoever asks.
private let backfillQueue = DispatchQueue(label: "chargefold.backfill", qos: .utility)

extension Receiver {
    /// `POST /v1/backfill` `{"userId":…,"from":…,"to":…}`: reads the user's history from the Drive API. The answer is
    /// NDJSON: a line after each page, and one at the end. The caller has made sure that it is an operator who asks.
    func runBackfill(_ request: borrowing Request, _ exchange: Exchange) {
        guard let backfill else { return exchange.respond(Response(.noAPIKey)) }
        guard let json = try? CanonicalJSON(parsing: Array(request.body)), let userId = json.string("userId"),
            !userId.isEmpty, let from = Self.bound("from", json), let to = Self.bound("to", json)
        else { return exchange.respond(Response(.malformedBackfill)) }
        var head = Response(status: 200, contentType: "application/x-ndjson")
        head.add("Cache-Control", "no-store" as StaticString)
        let stream = exchange.stream(head)
        backfillQueue.async {
            do throws(Backfill.Failure) {
                let done = try backfill.run(userId: userId, from: from, to: to) { stream.write(Self.line($0)) }
                _ = stream.write(Self.line(done, outcome: "complete"))
            } catch {
                _ = stream.write(Self.line(error))
            }
            stream.finish()
        }
    }

    /// The bound's value, `.some(nil)` where there is none, nil where it is no timestamp.
    private static func bound(_ name: StaticString, _ json: CanonicalJSON) -> Instant?? {
        guard let value = json.member(name), !value.isNull else { return .some(nil) }
        return json.instant(name).map { .some($0) }
    }

    private static func line(_ progress: Backfill.Progress, outcome: StaticString? = nil) -> [UInt8] {
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        if let outcome { writer.field("outcome", outcome) }
        writer.field("pages", progress.pages)
        writer.field("sessions", progress.sessions)
        writer.field("news", progress.news)
        if progress.unusable > 0 { writer.field("unusable", progress.unusable) }
        writer.endObject()
        writer.newline()
        return writer.bytes
    }

    private static func line(_ failure: Backfill.Failure) -> [UInt8] {
        let (code, detail): (String, String) =
            switch failure {
            case .driveAPI(let error): ("drive-api-\(error.code.rawValue)", error.detail)
            case .store(let error): (error.code.rawValue, error.message)
            case .endless: ("endless-history", "the Drive API's pages do not end")
            case .cancelled: ("cancelled", "nobody reads the answer")
            }
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        writer.field("outcome", "failed" as StaticString)
        writer.field("code", code)
        writer.field("detail", detail)
        writer.endObject()
        writer.newline()
        return writer.bytes
    }
}

extension Problem {
    static let malformedBackfill = Problem(
        400, "malformed-backfill", "The body must be {\"userId\":…,\"from\":…,\"to\":…}; the times may be left out.")
}
