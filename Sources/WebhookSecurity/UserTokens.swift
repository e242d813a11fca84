/// Short-lived tokens that open one user's sessions. Nothing is stored: a token carries user and end, sealed by a key
/// (HMAC-SHA256), and every instance that has the key can verify it.
///
/// `cfu_` and the sealed bytes as base64url: a version byte (1), what it opens (1: reading, 2: acting as well), the end as
/// seconds since 1970 (eight bytes, big-endian), the user's id as UTF-8. The characters are those of token68 (RFC 9110 section 11.2).
package struct UserTokens: Sendable {
    package enum Verdict: Sendable, Equatable {
        /// Good until `expiresAtSeconds` (since 1970), at which it is no longer.
        case valid(userId: String, mayAct: Bool, expiresAtSeconds: Int64)
        /// It was valid once.
        case expired
        case invalid
    }

    /// What every token begins with, so that leaked ones can be found by machines.
    package static let prefix = "cfu_"
    /// How long tokens may be valid, in seconds.
    package static let secondsRange: ClosedRange<Int64> = 1...86_400
    package static let secondsDefault: Int64 = 3600
    /// Bytes of a user's id in a token.
    package static let userIdBytesMax = 256

    private static let version: UInt8 = 1
    private static let context = Array("chargefold user token".utf8)
    private static let reading: UInt8 = 1
    private static let acting: UInt8 = 2
    private static let headCount = 10
    private let seal: Seal

    package init(key: SecretKey) {
        seal = Seal(key: key)
    }

    /// - Parameter mayAct: whether it opens what may be done for the user, besides what may be read.
    /// - Returns: nil for an id that is empty or longer than ``userIdBytesMax``.
    package func mint(userId: String, mayAct: Bool, expiresAtSeconds: Int64) -> String? {
        let id = Array(userId.utf8)
        guard !id.isEmpty, id.count <= Self.userIdBytesMax else { return nil }
        var content = [Self.version, mayAct ? Self.acting : Self.reading]
        content += withUnsafeBytes(of: expiresAtSeconds.bigEndian) { Array($0) }
        content += id
        return Self.prefix + seal.close(content, context: Self.context)
    }

    package func verify(_ token: String, nowSeconds: Int64) -> Verdict {
        guard token.utf8.starts(with: Self.prefix.utf8),
            let content = seal.open(
                String(decoding: token.utf8.dropFirst(Self.prefix.utf8.count), as: UTF8.self), context: Self.context),
            content.count > Self.headCount, content[0] == Self.version,
            content[1] == Self.reading || content[1] == Self.acting,
            let userId = String(validating: content[Self.headCount...], as: UTF8.self)
        else { return .invalid }
        let end = content[2..<Self.headCount].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let expiresAtSeconds = Int64(bitPattern: end)
        return nowSeconds < expiresAtSeconds
            ? .valid(userId: userId, mayAct: content[1] == Self.acting, expiresAtSeconds: expiresAtSeconds) : .expired
    }
}
