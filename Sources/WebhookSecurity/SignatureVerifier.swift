internal import Base
internal import COpenSSL

/// What a signature header says about a body.
package enum SignatureVerdict: Sendable, Equatable {
    /// Signed with the current secret.
    case current
    /// Signed with the next secret: the sender has rotated already.
    case next
    /// A well-formed code that neither secret gives.
    case mismatch
    /// Not the base64 of 64 bytes.
    case malformed
    /// No header, or an empty one.
    case missing
}

/// Signs and verifies callback bodies: base64 of HMAC-SHA512 over the raw bytes (domain.md, "Authenticity").
///
/// A code is tried with the current secret, then with the next one, so that a rotation loses nothing.
package struct SignatureVerifier: Sendable {
    /// The header that carries the signature, as the Drive API spells it.
    package static let headerName = "X-HMAC-SHA512-Signature"

    private let current: SigningKey
    private let next: SigningKey?
    var hasNext: Bool { next != nil }

    /// - Parameters:
    ///   - current: the secret in force; also the one that ``sign(_:)-(UnsafeRawBufferPointer)`` uses.
    ///   - next: the secret that will follow it, while a rotation is under way.
    package init(current: SecretKey, next: SecretKey? = nil) {
        self.current = SigningKey(current)
        self.next = next.map(SigningKey.init)
    }

    /// Tells secrets apart without showing them: the codes of a text of ours under each. For comparisons within this process.
    var marks: (current: [UInt8], next: [UInt8]?) { (current.mark, next?.mark) }

    /// Judges the value of the signature header for `body`. Surrounding white space is ignored.
    package func verify(body: UnsafeRawBufferPointer, signature: UnsafeRawBufferPointer?) -> SignatureVerdict {
        guard let text = signature?.trimmingOptionalWhitespace, !text.isEmpty else { return .missing }
        return withUnsafeTemporaryAllocation(byteCount: 2 * SigningKey.codeCount, alignment: 16) { codes in
            let presented = UnsafeMutableRawBufferPointer(rebasing: codes[..<SigningKey.codeCount])
            let computed = UnsafeMutableRawBufferPointer(rebasing: codes[SigningKey.codeCount...])
            guard Base64.decode(text, into: presented) else { return .malformed }
            if current.gives(UnsafeRawBufferPointer(presented), for: body, scratch: computed) { return .current }
            if let next, next.gives(UnsafeRawBufferPointer(presented), for: body, scratch: computed) { return .next }
            return .mismatch
        }
    }

    /// Whether a signature header holds what could be a signature, whatever the secret.
    package static func isWellFormed(_ signature: UnsafeRawBufferPointer?) -> Bool {
        guard let text = signature?.trimmingOptionalWhitespace else { return false }
        return withUnsafeTemporaryAllocation(byteCount: SigningKey.codeCount, alignment: 16) {
            Base64.decode(text, into: $0)
        }
    }

    /// The header value for `body`, under the current secret.
    package func sign(_ body: UnsafeRawBufferPointer) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: SigningKey.codeCount) { code in
            if let base = code.baseAddress { current.authenticate(body, into: base) }
            return Base64.encode(UnsafeRawBufferPointer(code))
        }
    }

    /// The header value for `body`, under the current secret.
    package func sign(_ body: [UInt8]) -> String {
        body.withUnsafeBytes { sign($0) }
    }
}

extension SigningKey {
    fileprivate var mark: [UInt8] {
        var code = [UInt8](repeating: 0, count: Self.codeCount)
        Array("chargefold: which secret is this".utf8).withUnsafeBytes { text in
            code.withUnsafeMutableBufferPointer { code in
                if let base = code.baseAddress { authenticate(text, into: base) }
            }
        }
        return code
    }

    fileprivate func gives(
        _ presented: UnsafeRawBufferPointer, for body: UnsafeRawBufferPointer, scratch: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard let base = scratch.baseAddress else { return false }
        authenticate(body, into: base.assumingMemoryBound(to: UInt8.self))
        return UnsafeRawBufferPointer(scratch).isEqualInConstantTime(to: presented)
    }
}
