/// What is wrong with the credentials of a callback: a stable code for answers, logs and metrics.
package struct CredentialProblem: Sendable, Hashable, CustomStringConvertible {
    /// The codes. Raw values are part of the interface and never change.
    package enum Code: String, Sendable, CaseIterable {
        case signatureMissing = "SIGNATURE_MISSING"
        case signatureMalformed = "SIGNATURE_MALFORMED"
        case signatureMismatch = "SIGNATURE_MISMATCH"
        case headerMissing = "AUTHORIZATION_HEADER_MISSING"
        case headerMismatch = "AUTHORIZATION_HEADER_MISMATCH"
        case signedAtMissing = "SIGNED_AT_MISSING"
        case signedAtMalformed = "SIGNED_AT_MALFORMED"
        case signedAtStale = "SIGNED_AT_STALE"
    }

    package let code: Code
    /// The header concerned, as configured.
    package let headerName: String

    package init(code: Code, headerName: String) {
        self.code = code
        self.headerName = headerName
    }

    /// The same for whoever sent the request: the names of agreed headers are nobody's business but the two sides'.
    package var publicDescription: String {
        switch code {
        case .headerMissing: "an agreed header is missing"
        case .headerMismatch: "an agreed header does not have the agreed value"
        default: description
        }
    }

    /// A sentence for operators; holds no secret and nothing of the request, but names the header.
    package var description: String {
        switch code {
        case .signatureMissing, .signedAtMissing, .headerMissing: "the header \(headerName) is missing"
        case .signatureMalformed: "\(headerName) is not the base64 of an HMAC-SHA512 (64 bytes)"
        case .signatureMismatch: "\(headerName) does not match the body under any configured secret"
        case .headerMismatch: "\(headerName) does not have the agreed value"
        case .signedAtMalformed: "\(headerName) is neither RFC 3339 nor Unix time"
        case .signedAtStale: "\(headerName) is too far from the receiver's clock"
        }
    }
}

/// The outcome of checking a callback's credentials.
package enum CallbackAuthentication: Sendable, Equatable {
    /// How a callback was found authentic.
    package struct Means: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let currentSecret = Means(rawValue: 1)
        package static let nextSecret = Means(rawValue: 2)
        package static let headers = Means(rawValue: 4)
        /// Not checked: the configuration allows unverified callbacks and configures no mode.
        package static let unverified = Means(rawValue: 8)
    }

    /// All configured modes passed.
    case authentic(Means)
    /// Credentials are missing, and none that were presented are wrong: 401.
    case missing(CredentialProblem)
    /// Wrong credentials: 403.
    case wrong(CredentialProblem)
}

/// Checks callbacks by every configured mode; all of them must pass.
package struct CallbackAuthenticator: Sendable {
    let signature: SignatureVerifier?
    let headers: AuthorizationHeaders?
    let freshness: FreshnessWindow?

    /// Without any mode every callback passes as `.unverified`: whether that may be is for the configuration to
    /// decide, before this is made.
    ///
    /// - Parameter freshness: counts only together with `signature`.
    package init(signature: SignatureVerifier?, headers: AuthorizationHeaders?, freshness: FreshnessWindow? = nil) {
        self.signature = signature
        self.headers = headers
        self.freshness = signature == nil ? nil : freshness
    }

    /// Whether any mode is configured.
    package var verifies: Bool { signature != nil || headers != nil }

    /// Whether a request can be authentic as far as its head tells: it is signed, if it has to be, and has the agreed
    /// headers. Never true where nothing is verified.
    package func mayBeAuthentic(isSigned: Bool, field: FieldLookup) -> Bool {
        guard verifies, signature == nil || isSigned else { return false }
        return headers.map { $0.verify(field) == .authentic } ?? true
    }

    /// Whether a secret is known that is to follow the one in force.
    package var hasNextSecret: Bool { signature?.hasNext ?? false }

    /// Equal where the secrets are; nil where there is none. Not to be shown.
    package var secretMarks: (current: [UInt8]?, next: [UInt8]?) { (signature?.marks.current, signature?.marks.next) }

    /// Whether callbacks have to be signed.
    package var verifiesSignatures: Bool { signature != nil }

    /// Checks a request.
    ///
    /// - Parameters:
    ///   - body: the raw bytes as they came, before any content decoding.
    ///   - signature: the value of ``SignatureVerifier/headerName``.
    ///   - signedAt: the value of ``SignedAt/headerName``.
    ///   - nowSeconds: seconds since 1970; asked for only with a freshness window.
    ///   - field: looks the agreed headers up.
    package func authenticate(
        body: UnsafeRawBufferPointer,
        signature presented: UnsafeRawBufferPointer?,
        signedAt: UnsafeRawBufferPointer?,
        nowSeconds: @autoclosure () -> Int64,
        field: FieldLookup
    ) -> CallbackAuthentication {
        combine(
            signature: signature?.verify(body: body, signature: presented),
            freshness: freshness?.verify(signedAt: signedAt, nowSeconds: nowSeconds()),
            headers: headers?.verify(field)
        )
    }

    func combine(
        signature: SignatureVerdict?, freshness: FreshnessWindow.Verdict?, headers: AuthorizationHeaders.Verdict?
    ) -> CallbackAuthentication {
        var means: CallbackAuthentication.Means = []
        var missing: CredentialProblem?
        var wrong: CredentialProblem?

        func note(_ code: CredentialProblem.Code, _ headerName: String, isMissing: Bool = false) {
            let problem = CredentialProblem(code: code, headerName: headerName)
            if isMissing { missing = missing ?? problem } else { wrong = wrong ?? problem }
        }
        switch signature {
        case .current?: means.insert(.currentSecret)
        case .next?: means.insert(.nextSecret)
        case .missing?: note(.signatureMissing, SignatureVerifier.headerName, isMissing: true)
        case .malformed?: note(.signatureMalformed, SignatureVerifier.headerName)
        case .mismatch?: note(.signatureMismatch, SignatureVerifier.headerName)
        case nil: break
        }
        switch headers {
        case .authentic?: means.insert(.headers)
        case .missing(let name)?: note(.headerMissing, name, isMissing: true)
        case .mismatch(let name)?: note(.headerMismatch, name)
        case nil: break
        }
        switch freshness {
        case .missing?: note(.signedAtMissing, SignedAt.headerName, isMissing: true)
        case .malformed?: note(.signedAtMalformed, SignedAt.headerName)
        case .stale?: note(.signedAtStale, SignedAt.headerName)
        case .fresh?, nil: break
        }
        if let wrong { return .wrong(wrong) }
        if let missing { return .missing(missing) }
        return .authentic(means.isEmpty ? .unverified : means)
    }
}
