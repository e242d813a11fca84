internal import Base

/// Finds a header field of the request by its name in lower case.
///
/// Returns the value without surrounding white space, or `nil` when the field is absent. A field that occurs twice must
/// be given as something that can't match (an empty buffer will do): which one counts is not defined.
package typealias FieldLookup = (_ lowercasedName: [UInt8]) -> UnsafeRawBufferPointer?

/// The headers that the integrator agreed with upstream, sent with every callback (domain.md, "Authenticity").
///
/// All of them must be there with the agreed value. Only digests of the values are kept.
package struct AuthorizationHeaders: Sendable {
    /// What the agreed headers say about a request.
    package enum Verdict: Sendable, Equatable {
        case authentic
        /// The named header has another value. Wins over `missing`.
        case mismatch(name: String)
        /// The named header is not there.
        case missing(name: String)
    }

    struct Agreed: Sendable {
        let name: String
        let lowercasedName: [UInt8]
        let digest: Digest
    }

    let agreed: [Agreed]

    /// - Parameter headers: names and values; surrounding white space of a value does not count.
    /// - Returns: `nil` for an empty list, an empty value, or a name that is empty or occurs twice.
    package init?(_ headers: [(name: String, value: SecretKey)]) {
        var names = Set<[UInt8]>()
        agreed = headers.map { header in
            let digest = header.value.withUnsafeBytes { Digest(of: $0.trimmingOptionalWhitespace) }
            return Agreed(name: header.name, lowercasedName: lowercased(header.name.utf8), digest: digest)
        }
        let valid = zip(headers, agreed).allSatisfy { header, entry in
            !entry.lowercasedName.isEmpty && names.insert(entry.lowercasedName).inserted
                && header.value.withUnsafeBytes { !$0.trimmingOptionalWhitespace.isEmpty }
        }
        guard valid, !agreed.isEmpty else { return nil }
    }

    /// Whether a field of this name can be an agreed header: a token (RFC 9110 section 5.6.2), and none that every
    /// client sends with values of its own.
    package static func canCarryCredentials(name: String) -> Bool {
        let name = lowercased(name.utf8)
        return !name.isEmpty && name.count <= CredentialEvidence.textBytesMax && !ordinaryNames.contains(name)
            && name.allSatisfy(ASCII.isToken)
    }

    /// The names, as configured.
    package var names: [String] { agreed.map(\.name) }

    /// Compares every agreed header; the time does not depend on which one is wrong, or how.
    package func verify(_ field: FieldLookup) -> Verdict {
        verify { header in
            field(header.lowercasedName).map {
                Digest(of: $0.trimmingOptionalWhitespace).isEqual(to: header.digest)
            }
        }
    }

    /// `matches` returns `nil` for a header that was not presented.
    func verify(_ matches: (Agreed) -> Bool?) -> Verdict {
        var missing: String?
        var wrong: String?
        for header in agreed {
            switch matches(header) {
            case nil: missing = missing ?? header.name
            case false?: wrong = wrong ?? header.name
            case true?: break
            }
        }
        if let wrong { return .mismatch(name: wrong) }
        return missing.map { .missing(name: $0) } ?? .authentic
    }
}

/// ASCII letters in lower case, all other bytes as they are.
func lowercased(_ name: some Sequence<UInt8>) -> [UInt8] {
    name.map(ASCII.lowercased)
}

/// Fields that every client sends, and those of the signature, in lower case.
let ordinaryNames: Set<[UInt8]> = Set(
    [
        "accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-encoding",
        "content-length", "content-type", "date", "expect", "host", "keep-alive", "te", "trailer",
        "transfer-encoding", "upgrade", "user-agent", "x-hmac-sha512-signature", "x-hmac-sha512-signedat",
    ].map { Array($0.utf8) }
)
