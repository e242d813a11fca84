internal import Base
import DriveAPI
import HTTPServer
import SessionIndex
package import SessionModel
import SessionStore

/// What operators have read from the Drive API.
struct BackfillRequests: Sendable {
    /// nil without a key.
    let backfill: Backfill?
    let reconciler: Reconciler?

    /// `POST /v1/backfill` `{"userId":…,"from":…,"to":…,"cursor":…}`: reads one page of the user's history from the Drive
    /// API. The answer has the cursor of the next one.
    func run(_ call: borrowing Call<Operator>) throws(Problem) {
        guard let backfill else { throw .noAPIKey }
        let body = Array(call.request.body)
        try CanonicalJSON.checkMembers(of: body, names: ["userId", "from", "to", "cursor"])
        guard let json = try? CanonicalJSON(parsing: body), let userId = json.string("userId"),
            !userId.isEmpty, let from = Self.bound("from", json), let to = Self.bound("to", json)
        else { throw .malformedBackfill }
        let cursor = json.string("cursor")
        call.exchange.answer { [reconciler] () async throws(Problem) in
            do throws(Backfill.Failure) {
                let page = try await backfill.page(userId: userId, from: from, to: to, cursor: cursor) {
                    // What has not ended is asked about from here on.
                    if $1.isNews { reconciler?.noted(sessionId: $0, $1.status, isDescribed: true) }
                }
                return Response(json: page.json)
            } catch {
                switch error {
                case .driveAPI(let error): throw Problem(error)
                case .store(let error): throw Problem(error, .storeUnavailable)
                }
            }
        }
    }

    /// The bound's value, `.some(nil)` where there is none, nil where it is no timestamp.
    private static func bound(_ name: StaticString, _ json: CanonicalJSON) -> Instant?? {
        guard let value = json.member(name), !value.isNull else { return .some(nil) }
        return json.instant(name).map { .some($0) }
    }
}

extension Backfill.Page {
    package var json: [UInt8] {
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        writer.field("sessions", sessions)
        writer.field("news", news)
        writer.field("unusable", unusable)
        if let cursor { writer.field("cursor", cursor) }
        writer.endObject()
        return writer.bytes
    }

    /// - Returns: nil where this is no page.
    package init?(_ json: CanonicalJSON) {
        guard let sessions = json.member("sessions")?.integer, let news = json.member("news")?.integer else {
            return nil
        }
        self.init()
        self.sessions = sessions
        self.news = news
        unusable = json.member("unusable")?.integer ?? 0
        cursor = json.string("cursor")
    }
}

extension Problem {
    static let malformedBackfill = Problem(
        400, "malformed-backfill", "The body must be {\"userId\":…,\"from\":…,\"to\":…}; the times may be left out.")
}
