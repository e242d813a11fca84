import Base
import HTTPServer
import SessionModel
import WebhookSecurity

extension Receiver {
    /// `GET /v1/secrets`: which secret callbacks are signed with, and whether a rotation is through.
    func answerSecrets(_ call: borrowing Call<Operator>) {
        let authenticator = authenticator
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        for (name, account, isConfigured) in [
            ("current" as StaticString, secretUse.current, authenticator.verifiesSignatures),
            ("next", secretUse.next, authenticator.hasNextSecret),
        ] {
            writer.key(name)
            writer.beginObject()
            writer.field("configured", isConfigured)
            writer.field("verified", Int(account.count.value))
            writer.field("lastVerifiedAt", account.lastMicroseconds.map { Instant(microsecondsSince1970: $0) })
            writer.endObject()
        }
        writer.field("rotation", rotation(authenticator))
        writer.endObject()
        call.exchange.respond(Response(json: writer.bytes))
    }

    private func rotation(_ authenticator: CallbackAuthenticator) -> StaticString {
        guard authenticator.hasNextSecret else { return "none" }
        guard let next = secretUse.next.lastMicroseconds else { return "waiting" }
        return secretUse.current.lastMicroseconds.map { $0 < next } ?? true ? "through" : "waiting"
    }
}
