package import Base

/// Makes the header fields by which a receiver takes a body for a callback of the Drive API: for what stands in for it (probes,
/// replays).
package struct CallbackSigner: Sendable {
    /// The fields of every request, whatever its body.
    package let agreed: [(name: String, value: String)]
    private let verifier: SignatureVerifier?

    /// - Parameters:
    ///   - secret: the secret that bodies are signed with; nil: they are not.
    ///   - headers: what was agreed upon to be sent with every callback.
    package init(secret: SecretKey?, headers: [(name: String, value: SecretKey)]) {
        verifier = secret.map { SignatureVerifier(current: $0) }
        agreed =
            [("Content-Type", "application/json")]
            + headers.map { ($0.name, $0.value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }) }
    }

    /// All fields that `body` is sent with at that time.
    package func fields(for body: [UInt8], at time: Instant) -> [(name: String, value: String)] {
        guard let verifier else { return agreed }
        return agreed + [
            (SignatureVerifier.headerName, verifier.sign(body)), (SignedAt.headerName, time.rfc3339),
        ]
    }
}
