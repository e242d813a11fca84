import Testing
import WebhookSecurity

func repeating(_ byte: UInt8, _ count: Int) -> [UInt8] {
    [UInt8](repeating: byte, count: count)
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

func secretKey(_ text: String) throws -> SecretKey {
    try #require(SecretKey(utf8: text))
}

/// Lends the UTF-8 bytes of an optional text.
func withBytes<Result>(_ text: String?, _ body: (UnsafeRawBufferPointer?) throws -> Result) rethrows -> Result {
    guard let text else { return try body(nil) }
    return try Array(text.utf8).withUnsafeBytes { try body($0) }
}

extension SignatureVerifier {
    func verify(_ body: String, _ signature: String?) -> SignatureVerdict {
        Array(body.utf8).withUnsafeBytes { body in withBytes(signature) { verify(body: body, signature: $0) } }
    }

    func verify(_ body: [UInt8], _ signature: String) -> SignatureVerdict {
        verify(body, Array(signature.utf8))
    }

    func verify(_ body: [UInt8], _ signature: [UInt8]) -> SignatureVerdict {
        body.withUnsafeBytes { body in signature.withUnsafeBytes { verify(body: body, signature: $0) } }
    }
}

/// A request as the authenticator sees it.
struct Callback {
    var body: [UInt8] = Array("{}".utf8)
    var signature: String?
    var signedAt: String?
    var fields: [(name: String, value: String)] = []

    func authenticate(_ authenticator: CallbackAuthenticator, nowSeconds: Int64 = 0) -> CallbackAuthentication {
        // The buffers must outlive the lookup: arrays by name, lent through a pointer kept for the call.
        let values = fields.map { (Array($0.name.lowercased().utf8), Array($0.value.utf8)) }
        let buffers = values.map { name, value in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: value.count, alignment: 1)
            copy.copyBytes(from: value)
            return (name, copy)
        }
        defer { for (_, buffer) in buffers { buffer.deallocate() } }
        return body.withUnsafeBytes { body in
            withBytes(signature) { signature in
                withBytes(signedAt) { signedAt in
                    authenticator.authenticate(
                        body: body, signature: signature, signedAt: signedAt, nowSeconds: nowSeconds
                    ) { wanted in
                        let found = buffers.filter { $0.0 == wanted }
                        guard let first = found.first else { return nil }
                        return found.count > 1 ? UnsafeRawBufferPointer(start: nil, count: 0) : .init(first.1)
                    }
                }
            }
        }
    }

    var evidence: CredentialEvidence {
        var evidence = withBytes(signature) { signature in
            withBytes(signedAt) { CredentialEvidence(signature: signature, signedAt: $0) }
        }
        for (name, value) in fields {
            Array(name.utf8).withUnsafeBytes { name in
                Array(value.utf8).withUnsafeBytes { evidence.add(name: name, value: $0) }
            }
        }
        return evidence
    }
}
