import Base
import Compression
import HTTPServer
import Ledger
import SessionModel
import WebhookSecurity

/// The body of a callback, to whichever webhook: verified by all configured modes, and unpacked within bounds.
struct VerifiedBody {
    /// Why there is no content.
    enum Oddity: Error {
        case unknownCoding, malformedCoding, tooLarge
    }

    /// What the credentials say.
    let authentication: CallbackAuthentication
    /// nil: it came as it is.
    fileprivate let unpacked: Result<[UInt8], Oddity>?

    /// The body without its content coding.
    /// - Parameter request: the one that was verified.
    func content(of request: borrowing Request) throws(Oddity) -> [UInt8] {
        try unpacked?.get() ?? Array(request.body)
    }
}

/// Verifies and unpacks what comes to the webhooks.
struct BodyVerifier: Sendable {
    let credentials: CurrentCredentials
    /// The largest body in bytes, also after decompression.
    let bodyBytesMax: Int

    var authenticator: CallbackAuthenticator { credentials.now.authenticator }

    /// Most bodies come as they are; a coded one is verified as it came, and failing that as it was meant: upstream does not
    /// say which of the two it signs.
    func verify(_ request: borrowing Request, at receivedAt: Instant) -> VerifiedBody {
        let authentication = authenticate(request, body: request.body, receivedAt)
        switch MediaType.contentCoding(of: request.head) {
        case .identity: return VerifiedBody(authentication: authentication, unpacked: nil)
        case nil: return VerifiedBody(authentication: authentication, unpacked: .failure(.unknownCoding))
        case .gzip:
            let unpacked = unpack(request.body)
            guard case .success(let content) = unpacked, case .wrong = authentication else {
                return VerifiedBody(authentication: authentication, unpacked: unpacked)
            }
            let second = content.withUnsafeBytes { authenticate(request, body: $0, receivedAt) }
            return VerifiedBody(authentication: second, unpacked: unpacked)
        }
    }

    private func unpack(_ body: UnsafeRawBufferPointer) -> Result<[UInt8], VerifiedBody.Oddity> {
        do throws(CompressionError) {
            return .success(try gunzip(body, decompressedBytesMax: bodyBytesMax))
        } catch {
            if case .tooLarge = error { return .failure(.tooLarge) }
            return .failure(.malformedCoding)
        }
    }

    private func authenticate(
        _ request: borrowing Request, body: UnsafeRawBufferPointer, _ receivedAt: Instant
    ) -> CallbackAuthentication {
        authenticator.authenticate(
            body: body,
            signature: request.head.soleValue("x-hmac-sha512-signature"),
            signedAt: request.head.soleValue("x-hmac-sha512-signedat"),
            nowSeconds: receivedAt.seconds,
            field: { request.head.value(ofFieldNamed: $0) })
    }

    /// Whether a callback verifies; never true where nothing is verified.
    func isAuthentic(_ request: borrowing Request, at receivedAt: Instant) -> Bool {
        guard case .authentic(let means) = verify(request, at: receivedAt).authentication else { return false }
        return means != .unverified
    }

    /// A body as the quarantine keeps it, with what a later look needs to verify it.
    ///
    /// - Parameter isVerified: what is not has to look like a callback to be kept longer than noise.
    func quarantined(
        _ request: borrowing Request, reason: String, receivedAt: Instant, isVerified: Bool
    ) -> QuarantinedBody {
        var evidence = CredentialEvidence(
            signature: request.head.soleValue("x-hmac-sha512-signature"),
            signedAt: request.head.soleValue("x-hmac-sha512-signedat"))
        for index in 0..<request.head.fieldCount {
            let field = request.head.field(index)
            evidence.add(name: field.name, value: field.value)
        }
        return QuarantinedBody(
            receivedAt: receivedAt, reason: reason, body: Array(request.body), credentials: evidence.encoded,
            isPlausible: !isVerified && isPlausible(request))
    }

    /// Whether a request looks like a callback with a secret that is not known here: signed in good form, if callbacks have
    /// to be, and with the content of an event or a record. The dearest is looked at last.
    private func isPlausible(_ request: borrowing Request) -> Bool {
        let signature = request.head.soleValue("x-hmac-sha512-signature")
        guard SignatureVerifier.isWellFormed(signature) || !authenticator.verifiesSignatures else { return false }
        var content = Array(request.body)
        if MediaType.contentCoding(of: request.head) == .gzip {
            guard case .success(let unpacked) = unpack(request.body) else { return false }
            content = unpacked
        }
        return (try? SessionEvent.decode(content, limits: .callbacks(bodyBytesMax: bodyBytesMax))) != nil
            || (try? ChargeDetailRecord(decoding: content)) != nil
    }
}

extension EventLimits {
    /// The bounds of a callback under the configured limit, which goes before the model's own.
    static func callbacks(bodyBytesMax: Int) -> EventLimits {
        var limits = EventLimits()
        limits.bodyBytesMax = bodyBytesMax
        return limits
    }
}
