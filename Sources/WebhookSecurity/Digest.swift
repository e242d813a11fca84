internal import COpenSSL

/// A SHA-256 digest. Equality takes the same time wherever two digests differ.
///
/// Secrets of differing lengths are compared by their digests: the time then tells nothing of the length either.
package struct Digest: Sendable {
    static let count = 32
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    /// The digest of `bytes`.
    package init(of bytes: UnsafeRawBufferPointer) {
        var context = SHA256_CTX()
        SHA256_Init(&context)
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
        Swift.withUnsafeMutableBytes(of: &words) { output in
            _ = SHA256_Final(output.baseAddress?.assumingMemoryBound(to: UInt8.self), &context)
        }
    }

    /// HMAC-SHA256 of `message` under `key`.
    init(authenticating message: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) {
        Swift.withUnsafeMutableBytes(of: &words) { output in
            _ = HMAC(
                EVP_sha256(), key.baseAddress, Int32(key.count), message.baseAddress, message.count,
                output.baseAddress?.assumingMemoryBound(to: UInt8.self), nil
            )
        }
    }

    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Swift.withUnsafeBytes(of: words, body)
    }

    func isEqual(to other: Digest) -> Bool {
        withUnsafeBytes { own in other.withUnsafeBytes { own.isEqualInConstantTime(to: $0) } }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether both have the same bytes, in a time that depends on the lengths only.
    func isEqualInConstantTime(to other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        return count == 0 || CRYPTO_memcmp(baseAddress, other.baseAddress, count) == 0
    }
}
