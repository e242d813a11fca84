import Testing
import WebhookSecurity

@Suite struct CallbackAuthenticatorTests {
    private static func verifier(_ secret: String = "the-current-secret", next: String? = nil) throws
        -> SignatureVerifier
    {
        SignatureVerifier(current: try secretKey(secret), next: try next.map(secretKey))
    }

    private static func agreed(_ headers: [(String, String)]) throws -> AuthorizationHeaders {
        try #require(AuthorizationHeaders(try headers.map { ($0.0, try secretKey($0.1)) }))
    }

    @Test func `each configured mode must pass`() throws {
        let verifier = try Self.verifier(next: "the-next-secret")
        let headers = try Self.agreed([("X-Agreed", "one"), ("Authorization", "Basic YTpi")])
        let both = CallbackAuthenticator(signature: verifier, headers: headers)
        var callback = Callback()
        #expect(callback.authenticate(both).code == "401 SIGNATURE_MISSING")
        callback.signature = verifier.sign(callback.body)
        #expect(callback.authenticate(both).code == "401 AUTHORIZATION_HEADER_MISSING")
        callback.fields = [("x-agreed", " one ")]
        #expect(callback.authenticate(both).code == "401 AUTHORIZATION_HEADER_MISSING")
        callback.fields.append(("AUTHORIZATION", "Basic YTpj"))
        #expect(callback.authenticate(both).code == "403 AUTHORIZATION_HEADER_MISMATCH")
        callback.fields[1].value = "Basic YTpi"
        #expect(callback.authenticate(both) == .authentic([.currentSecret, .headers]))
        callback.signature = try Self.verifier("the-next-secret").sign(callback.body)
        #expect(callback.authenticate(both) == .authentic([.nextSecret, .headers]))
        callback.signature = try Self.verifier("another-secret").sign(callback.body)
        #expect(callback.authenticate(both).code == "403 SIGNATURE_MISMATCH")
        callback.signature = "nonsense"
        #expect(callback.authenticate(both).code == "403 SIGNATURE_MALFORMED")
    }

    @Test func `something wrong weighs more than something missing`() throws {
        let both = CallbackAuthenticator(
            signature: try Self.verifier(), headers: try Self.agreed([("X-Agreed", "one")]))
        let callback = Callback(fields: [("X-Agreed", "two")])
        #expect(callback.authenticate(both).code == "403 AUTHORIZATION_HEADER_MISMATCH")
    }

    @Test func `without a mode everything passes as unverified`() {
        let open = CallbackAuthenticator(signature: nil, headers: nil)
        #expect(!open.verifies)
        #expect(Callback().authenticate(open) == .authentic(.unverified))
    }

    @Test func `a repeated agreed header never matches`() throws {
        let headers = CallbackAuthenticator(signature: nil, headers: try Self.agreed([("X-Agreed", "one")]))
        let callback = Callback(fields: [("X-Agreed", "one"), ("X-Agreed", "one")])
        #expect(callback.authenticate(headers).code == "403 AUTHORIZATION_HEADER_MISMATCH")
        #expect(callback.authenticateEvidence(headers).code == "403 AUTHORIZATION_HEADER_MISMATCH")
    }

    @Test func `freshness is judged with the signature only`() throws {
        let verifier = try Self.verifier()
        let strict = CallbackAuthenticator(signature: verifier, headers: nil, freshness: .init(seconds: 60))
        var callback = Callback()
        callback.signature = verifier.sign(callback.body)
        #expect(callback.authenticate(strict, nowSeconds: 1000).code == "401 SIGNED_AT_MISSING")
        callback.signedAt = "yesterday"
        #expect(callback.authenticate(strict, nowSeconds: 1000).code == "403 SIGNED_AT_MALFORMED")
        callback.signedAt = "939"
        #expect(callback.authenticate(strict, nowSeconds: 1000).code == "403 SIGNED_AT_STALE")
        callback.signedAt = "940"
        #expect(callback.authenticate(strict, nowSeconds: 1000) == .authentic(.currentSecret))
        let headersOnly = CallbackAuthenticator(
            signature: nil, headers: try Self.agreed([("X-Agreed", "one")]), freshness: .init(seconds: 60))
        #expect(Callback(fields: [("X-Agreed", "one")]).authenticate(headersOnly) == .authentic(.headers))
    }

    @Test func `agreed headers need names, values and no repeats`() throws {
        let value = try secretKey("v")
        #expect(AuthorizationHeaders([]) == nil)
        #expect(AuthorizationHeaders([("", value)]) == nil)
        #expect(AuthorizationHeaders([("X-A", value), ("x-a", value)]) == nil)
        #expect(AuthorizationHeaders([("X-A", try secretKey(" \t"))]) == nil)
        #expect(AuthorizationHeaders([("X-A", value), ("X-B", value)])?.names == ["X-A", "X-B"])
    }

    @Test func `problems are described without the values`() throws {
        for code in CredentialProblem.Code.allCases {
            let problem = CredentialProblem(code: code, headerName: "X-Name")
            #expect(problem.description.contains("X-Name"))
        }
    }
}

@Suite struct CredentialEvidenceTests {
    private let salted = Callback(
        body: Array("the body".utf8),
        fields: [("X-Agreed", "a-long-agreed-value"), ("Authorization", "Basic YTpi"), ("Host", "example.org")]
    )

    @Test func `a body verifies later, under a corrected configuration`() throws {
        var callback = salted
        let right = SignatureVerifier(current: try secretKey("the-right-secret"))
        callback.signature = right.sign(callback.body)
        callback.signedAt = "1000"
        let evidence = try #require(CredentialEvidence(decoding: callback.evidence.encoded))

        func verdict(_ secret: String?, _ headers: [(String, String)], body: [UInt8]? = nil) throws -> String {
            let authenticator = CallbackAuthenticator(
                signature: try secret.map { SignatureVerifier(current: try secretKey($0)) },
                headers: AuthorizationHeaders(try headers.map { ($0.0, try secretKey($0.1)) }),
                freshness: .init(seconds: 10)
            )
            return (body ?? callback.body).withUnsafeBytes {
                authenticator.authenticate(body: $0, evidence: evidence, receivedAtSeconds: 1005).code
            }
        }
        #expect(try verdict("the-wrong-secret", []) == "403 SIGNATURE_MISMATCH")
        #expect(try verdict("the-right-secret", []) == "authentic 1")
        #expect(try verdict("the-right-secret", [], body: [1]) == "403 SIGNATURE_MISMATCH")
        #expect(try verdict(nil, [("X-AGREED", "a-long-agreed-value")]) == "authentic 4")
        #expect(try verdict(nil, [("X-Agreed", "a-long-agreed-valuf")]) == "403 AUTHORIZATION_HEADER_MISMATCH")
        #expect(try verdict(nil, [("X-Other", "a-long-agreed-value")]) == "401 AUTHORIZATION_HEADER_MISSING")
        #expect(
            try verdict("the-right-secret", [("x-agreed", "a-long-agreed-value"), ("authorization", "Basic YTpi")])
                == "authentic 5")
        #expect(try verdict(nil, [("Host", "example.org")]) == "401 AUTHORIZATION_HEADER_MISSING")
    }

    @Test func `no value of a field is readable, and two records of it differ`() {
        let one = salted.evidence.encoded
        let two = salted.evidence.encoded
        #expect(one != two)
        #expect(!String(decoding: one, as: UTF8.self).contains("agreed-value"))
        #expect(!String(decoding: one, as: UTF8.self).contains("YTpi"))
    }

    @Test func `nothing presented is remembered as nothing`() throws {
        let evidence = try #require(CredentialEvidence(decoding: Callback().evidence.encoded))
        let authenticator = CallbackAuthenticator(
            signature: SignatureVerifier(current: try secretKey("a-secret")), headers: nil)
        let verdict = [UInt8]().withUnsafeBytes {
            authenticator.authenticate(body: $0, evidence: evidence, receivedAtSeconds: 0)
        }
        #expect(verdict.code == "401 SIGNATURE_MISSING")
    }

    @Test func `is bounded, whatever the request holds`() {
        var callback = Callback(
            signature: String(repeating: "s", count: 10_000), signedAt: String(repeating: "9", count: 9000))
        for index in 0..<200 { callback.fields.append(("X-\(index)", String(repeating: "v", count: 1000))) }
        callback.fields.append((String(repeating: "n", count: 5000), "v"))
        let count = callback.evidence.encoded.count
        #expect(count < 2 * 131 + CredentialEvidence.fieldsMax * (3 + 5 + 32) + 17)
        #expect(CredentialEvidence(decoding: callback.evidence.encoded) != nil)
    }

    @Test func `rejects what it did not write`() {
        let encoded = salted.evidence.encoded
        #expect(CredentialEvidence(decoding: []) == nil)
        #expect(CredentialEvidence(decoding: [2] + encoded.dropFirst()) == nil)
        #expect(CredentialEvidence(decoding: encoded + [9, 0, 0]) == nil)
        let boundaries = (0..<encoded.count).filter { CredentialEvidence(decoding: encoded.prefix($0)) != nil }
        // Only between two entries: after the salt, and after the first of the two fields.
        #expect(boundaries.count == 2)
    }
}

extension CallbackAuthentication {
    /// The outcome in one short text, for tables.
    fileprivate var code: String {
        switch self {
        case .authentic(let means): "authentic \(means.rawValue)"
        case .missing(let problem): "401 \(problem.code.rawValue)"
        case .wrong(let problem): "403 \(problem.code.rawValue)"
        }
    }
}

extension Callback {
    fileprivate func authenticateEvidence(_ authenticator: CallbackAuthenticator) -> CallbackAuthentication {
        body.withUnsafeBytes { authenticator.authenticate(body: $0, evidence: evidence, receivedAtSeconds: 0) }
    }
}
