import HTTPServer
package import SessionModel

/// An error answer as `application/problem+json` (RFC 9457). `type` is stable: clients may switch on it.
package struct Problem: Error, Equatable, Sendable {
    /// The HTTP status code.
    package let status: UInt16
    /// The last part of `type`, e.g. `signature-mismatch`.
    package let code: String
    /// What this type of problem is, the same for every occurrence.
    package let title: String
    /// What went wrong this time. Never holds a secret, a token or a part of a body.
    package var detail: String?
    /// Seconds for the `Retry-After` header (RFC 9110 section 10.2.3), where trying again makes sense.
    package var retryAfterSeconds: Int?
    /// Further header fields, e.g. `Allow` or `WWW-Authenticate`.
    package var headers: [(name: StaticString, value: String)] = []
    /// Further members of the problem object, e.g. the code of a decoding error.
    package var members: [(name: StaticString, value: Member)] = []

    package enum Member: Sendable {
        case text(String)
        case number(Int)
        case json(CanonicalJSON)
    }

    package init(_ status: UInt16, _ code: String, _ title: String, detail: String? = nil) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
    }

    package var type: String { "urn:chargefold:problem:\(code)" }

    package static func == (left: Problem, right: Problem) -> Bool {
        left.status == right.status && left.code == right.code && left.detail == right.detail
    }

    /// The problem object's JSON text.
    package var body: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("type", type)
        writer.field("title", title)
        writer.field("status", Int(status))
        if let detail { writer.field("detail", detail) }
        for member in members {
            switch member.value {
            case .text(let text): writer.field(member.name, text)
            case .number(let number): writer.field(member.name, number)
            case .json(let json):
                writer.key(member.name)
                writer.json(json)
            }
        }
        writer.endObject()
        return writer.bytes
    }

    package func with(detail: String) -> Problem {
        var problem = self
        problem.detail = detail
        return problem
    }

    package func with(member name: StaticString, _ value: String) -> Problem {
        var problem = self
        problem.members.append((name, .text(value)))
        return problem
    }

    package func with(member name: StaticString, _ value: CanonicalJSON) -> Problem {
        var problem = self
        problem.members.append((name, .json(value)))
        return problem
    }

    package func with(member name: StaticString, _ value: Int) -> Problem {
        var problem = self
        problem.members.append((name, .number(value)))
        return problem
    }
}

extension Problem {
    package static let notFound = Problem(404, "not-found", "There is no such resource.")
    package static let sessionNotFound = Problem(404, "session-not-found", "No session with this id is known.")
    package static let malformedPath = Problem(400, "malformed-path", "The path has an invalid percent-encoding.")
    package static let malformedQuery = Problem(400, "malformed-query", "A query parameter is invalid.")
    package static let lengthRequired = Problem(
        411, "length-required", "The request needs a body with Content-Length or chunked transfer coding.")
    package static let bodyTooLarge = Problem(413, "body-too-large", "The body is larger than allowed.")
    package static let unsupportedMediaType = Problem(
        415, "unsupported-media-type", "The body must be application/json.")
    package static let unsupportedContentCoding = Problem(
        415, "unsupported-content-coding", "Only the content codings gzip and identity are accepted.",
        acceptEncoding: "gzip, identity")
    package static let malformedContentCoding = Problem(
        400, "malformed-content-coding", "The body is not what its Content-Encoding says.")
    package static let invalidEvent = Problem(400, "invalid-event", "The body is not a session event.")
    package static let missingCredentials = Problem(
        401, "missing-credentials", "The callback carries no credentials.", challenge: "HMAC-SHA512")
    package static let wrongCredentials = Problem(403, "wrong-credentials", "The callback's credentials are wrong.")
    package static let missingToken = Problem(
        401, "missing-token", "This needs an Authorization header with a Bearer token.",
        challenge: "Bearer realm=\"chargefold\"")
    package static let wrongToken = Problem(
        401, "wrong-token", "The bearer token is not valid.",
        challenge: "Bearer realm=\"chargefold\", error=\"invalid_token\"")
    package static let insufficientScope = Problem(
        403, "insufficient-scope", "The token does not allow this.",
        challenge: "Bearer realm=\"chargefold\", error=\"insufficient_scope\"")
    package static let apiClosed = Problem(
        403, "api-closed", "No API token is configured, so the query API is closed.")

    package static func methodNotAllowed(allow: String) -> Problem {
        var problem = Problem(405, "method-not-allowed", "The resource does not allow this method.")
        problem.headers.append(("Allow", allow))
        return problem
    }

    /// The queue of events to be made durable is full.
    package static let overloaded = unavailable(
        "overloaded", "Too much is waiting to be made durable.", retryAfterSeconds: 1)
    /// Callbacks wait; queries have to make way for them.
    package static let yielding = unavailable(
        "yielding-to-callbacks", "Callbacks have precedence, and there are many now.", retryAfterSeconds: 1)
    /// The store failed: the disk is full or broken. Nothing was acknowledged.
    package static let storeUnavailable = unavailable(
        "store-unavailable", "The event can't be made durable now.", retryAfterSeconds: 5)

    static func unavailable(_ code: String, _ title: String, retryAfterSeconds: Int) -> Problem {
        var problem = Problem(503, code, title)
        problem.retryAfterSeconds = retryAfterSeconds
        return problem
    }

    private init(_ status: UInt16, _ code: String, _ title: String, challenge: String) {
        self.init(status, code, title)
        headers.append(("WWW-Authenticate", challenge))
    }

    private init(_ status: UInt16, _ code: String, _ title: String, acceptEncoding: String) {
        self.init(status, code, title)
        headers.append(("Accept-Encoding", acceptEncoding))
    }
}
