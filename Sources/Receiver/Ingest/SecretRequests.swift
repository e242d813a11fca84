import Base
import HTTPServer
import SessionModel
import WebhookSecurity

/// What operators ask of the callbacks' secrets.
struct SecretRequests: Sendable {
    let credentials: CurrentCredentials
    let use: SecretUse

    /// `GET /v1/secrets`: which secret callbacks are signed with, and whether a rotation is through.
    func show(_ call: borrowing Call<Operator>) {
        let authenticator = credentials.now.authenticator
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        for (name, account, isConfigured) in [
            ("current" as StaticString, use.current, authenticator.verifiesSignatures),
            ("next", use.next, authenticator.hasNextSecret),
        ] {
            writer.key(name)
            writer.beginObject()
            writer.field("configured", isConfigured)
            writer.field("verified", Int(account.count.value))
            writer.field("lastVerifiedAt", account.lastMicroseconds.map { Instant(microsecondsSince1970: $0) })
            writer.endObject()
        }
        writer.key("refused")
        writer.beginObject()
        writer.field("callbacks", Int(use.neither.count.value))
        writer.field("lastRefusedAt", use.neither.lastMicroseconds.map { Instant(microsecondsSince1970: $0) })
        writer.endObject()
        writer.field("wrong", use.isWrongHere)
        writer.field("rotation", rotation(authenticator))
        writer.endObject()
        call.exchange.respond(Response(json: writer.bytes))
    }

    private func rotation(_ authenticator: CallbackAuthenticator) -> StaticString {
        guard authenticator.hasNextSecret else { return "none" }
        return use.isRotationThrough ? "through" : "waiting"
    }
}
