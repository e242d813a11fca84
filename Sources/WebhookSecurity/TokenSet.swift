internal import Base

/// The bearer tokens that open the query API (RFC 6750), each with a name for the log and its scopes.
///
/// A presented token is compared with all of them by digest, so that the time tells neither which one was close nor
/// how many there are before the right one. Only digests are kept.
package struct TokenSet: Sendable {
    /// Who a token belongs to and what it opens.
    package struct Holder: Sendable, Hashable {
        /// The token's name from the configuration; not secret.
        package let name: String
        /// What it opens; the meaning is the caller's. Empty: not restricted by scope.
        package let scopes: [String]

        package init(name: String, scopes: [String] = []) {
            self.name = name
            self.scopes = scopes
        }
    }

    /// What an `Authorization` header says.
    package enum Verdict: Sendable, Equatable {
        case accepted(Holder)
        /// A well-formed bearer token that is none of ours.
        case unknown
        /// Not `Bearer` and one token68 (RFC 9110 section 11.2).
        case malformed
        /// No header, or an empty one.
        case missing
    }

    private let holders: [Holder]
    private let digests: [Digest]

    /// - Parameter tokens: tokens must consist of token68 characters, or no client could present them; see
    ///   ``isPresentable(_:)``. Where one token is given twice the first holder counts.
    package init(_ tokens: [(holder: Holder, token: SecretKey)]) {
        holders = tokens.map(\.holder)
        digests = tokens.map { $0.token.withUnsafeBytes { Digest(of: $0) } }
    }

    package var isEmpty: Bool { holders.isEmpty }
    package var count: Int { holders.count }

    /// Judges the value of the `Authorization` header.
    package func verify(authorization: UnsafeRawBufferPointer?) -> Verdict {
        guard let value = authorization?.trimmingOptionalWhitespace, !value.isEmpty else { return .missing }
        guard let token = Self.bearerToken(value) else { return .malformed }
        return holder(ofToken: token).map { .accepted($0) } ?? .unknown
    }

    /// The holder of a bare token.
    package func holder(ofToken token: UnsafeRawBufferPointer) -> Holder? {
        let presented = Digest(of: token)
        var found = -1
        for index in digests.indices {
            let matches = digests[index].isEqual(to: presented)
            if matches && found < 0 { found = index }
        }
        return found < 0 ? nil : holders[found]
    }

    /// Whether a token can be sent in a bearer header at all.
    package static func isPresentable(_ token: SecretKey) -> Bool {
        token.withUnsafeBytes { isToken68($0) }
    }

    /// The token of an `Authorization` header's value; nil where it is none.
    package static func bearerToken(ofAuthorization value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        bearerToken(value.trimmingOptionalWhitespace)
    }

    private static func bearerToken(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let scheme: StaticString = "bearer"
        guard value.count > scheme.utf8CodeUnitCount + 1 else { return nil }
        for index in 0..<scheme.utf8CodeUnitCount where value[index] | 0x20 != scheme.utf8Start[index] { return nil }
        var start = scheme.utf8CodeUnitCount
        guard value[start] == 0x20 else { return nil }
        while start < value.count, value[start] == 0x20 { start += 1 }
        let token = UnsafeRawBufferPointer(rebasing: value[start...])
        return isToken68(token) ? token : nil
    }

    /// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
    private static func isToken68(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var end = bytes.count
        while end > 0, bytes[end - 1] == UInt8(ascii: "=") { end -= 1 }
        return end > 0
            && bytes[..<end].allSatisfy {
                ASCII.isUnreserved($0) || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/")
            }
    }
}
