import Base
import HTTPClient
import SessionModel
import Testing
import WebhookSecurity

/// Callbacks as the Drive API sends them.
enum Callback {
    static let secret = "current-webhook-secret"
    static let nextSecret = "next-webhook-secret"
    static let path = "/webhooks/session-events"
    /// The two bodies of the Drive API's documentation (domain.md, "Session Event callbacks").
    static let documentedStart = Array(
        #"{"event":"SESSION_STARTED","payload":{"userId":"user1","sessionId":"L60XMxWy0oP","timestamp":"2025-06-12T10:56:51Z"}}"#
            .utf8)
    static let documentedFee = Array(
        #"{"event":"SESSION_FEE_INCURRING","payload":{"sessionId":"L60XMxWy0oP","timestamp":"2025-10-15T08:52:48Z","feeWillApplyFrom":"2025-10-15T09:02:48Z","feeType":"BLOCKING"}}"#
            .utf8)

    /// - Parameter extra: further members of the payload, with a leading comma.
    static func body(
        _ event: String, _ sessionId: String = "S1", at timestamp: String = "2025-06-12T10:00:00Z", extra: String = ""
    ) -> [UInt8] {
        Array(
            #"{"event":"\#(event)","payload":{"sessionId":"\#(sessionId)","timestamp":"\#(timestamp)"\#(extra)}}"#.utf8)
    }

    static func signature(_ body: [UInt8], secret: String = secret) throws -> String {
        SignatureVerifier(current: try key(secret)).sign(body)
    }

    static func key(_ secret: String) throws -> SecretKey {
        try #require(SecretKey(utf8: secret))
    }

    /// A signed callback.
    /// - Parameters:
    ///   - secret: nil for none.
    ///   - signing: the bytes to sign where they are not those that are sent.
    static func request(
        _ body: [UInt8], secret: String? = secret, signing: [UInt8]? = nil, contentType: String? = "application/json",
        fields: [(name: String, value: String)] = []
    ) throws -> ClientRequest {
        var all = fields
        if let contentType { all.append(("Content-Type", contentType)) }
        if let secret {
            all.append((SignatureVerifier.headerName, try signature(signing ?? body, secret: secret)))
            all.append((SignedAt.headerName, "2025-06-12T10:56:52Z"))
        }
        return ClientRequest(method: "POST", target: path, fields: all, body: body)
    }
}

extension ClientResponse {
    var text: String { String(decoding: body, as: UTF8.self) }
    var json: CanonicalJSON? { try? CanonicalJSON(parsing: body) }
    /// The last part of a problem's type, after checking that it is one (RFC 9457).
    var problem: String? {
        guard field("Content-Type") == "application/problem+json", let json, json.string("title")?.isEmpty == false,
            json.member("status")?.text == String(status), let type = json.string("type"),
            type.hasPrefix("urn:chargefold:problem:")
        else { return nil }
        return String(type.dropFirst("urn:chargefold:problem:".count))
    }
}

/// A clock that stands still.
let testTime = Instant(seconds: 1_760_000_000)
