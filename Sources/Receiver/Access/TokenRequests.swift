internal import Base
import HTTPServer
import SessionModel
import WebhookSecurity

/// Tokens that operators mint for users.
struct TokenRequests: Sendable {
    /// nil: none are accepted.
    let userTokens: UserTokens?
    let clock: @Sendable () -> Instant

    /// `POST /v1/tokens`: a short-lived token for one user's sessions.
    func mint(_ call: borrowing Call<Operator>) throws(Problem) {
        guard let userTokens else { throw .notFound }
        let body = Array(call.request.body)
        try CanonicalJSON.checkMembers(of: body, names: ["userId", "scope", "ttlSeconds"])
        guard let wish = TokenRequest(json: body) else { throw .malformedTokenRequest }
        let end = clock().seconds + wish.seconds
        guard let token = userTokens.mint(userId: wish.userId, mayAct: wish.mayAct, expiresAtSeconds: end) else {
            throw .malformedTokenRequest
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("token", token)
        writer.field("tokenType", "Bearer" as StaticString)
        writer.field("scope", (wish.mayAct ? Scope.actUser(wish.userId) : .readUser(wish.userId)).text)
        writer.field("userId", wish.userId)
        writer.field("expiresAt", Instant(seconds: end))
        writer.endObject()
        call.exchange.respond(Response(status: 201, json: writer.bytes))
    }
}

/// `{"userId":…,"scope":…,"ttlSeconds":…}`
struct TokenRequest {
    let userId: String
    /// `act`, which is meant where nothing is said, or `read`.
    let mayAct: Bool
    let seconds: Int64

    init?(json: [UInt8]) {
        guard let value = try? CanonicalJSON(parsing: json), let userId = value.string("userId") else { return nil }
        var seconds = UserTokens.secondsDefault
        if let member = value.member("ttlSeconds") {
            guard let number = Int64(member.text), UserTokens.secondsRange.contains(number) else { return nil }
            seconds = number
        }
        switch value.member("scope").map({ $0.string ?? "" }) {
        case nil, "act": mayAct = true
        case "read": mayAct = false
        default: return nil
        }
        self.userId = userId
        self.seconds = seconds
    }
}

extension Problem {
    static let malformedTokenRequest = Problem(
        400, "malformed-token-request",
        """
        The body must be {"userId":…,"scope":…,"ttlSeconds":…}: an id of 1 to 256 bytes, act or read (act without), and \
        1 to 86400 seconds (3600 without).
        """
    )
    package static let expiredToken = Problem(401, "expired-token", "The bearer token is no longer valid.")
        .challenging(
            "Bearer realm=\"chargefold\", error=\"invalid_token\", error_description=\"The token is no longer valid\"")

    func challenging(_ challenge: String) -> Problem {
        var problem = self
        problem.headers.append(("WWW-Authenticate", challenge))
        return problem
    }
}
