import HTTPClient
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing
import WebhookSecurity

/// Who may post callbacks, over a real socket.
@Suite struct CallbackCredentialsTests {
    private let body = Callback.body("SESSION_STARTED")

    private func expect(
        _ answer: ClientResponse, _ status: Int, _ problem: String, code: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(answer.status == status, sourceLocation: sourceLocation)
        #expect(answer.problem == problem, "\(answer.text)", sourceLocation: sourceLocation)
        #expect(answer.json?.string("code") == code, sourceLocation: sourceLocation)
        #expect(answer.json?.string("detail")?.isEmpty == false, sourceLocation: sourceLocation)
        #expect(answer.field("Cache-Control") == "no-store", sourceLocation: sourceLocation)
    }

    @Test func `CURRENT and NEXT both open the door, others do not`() throws {
        try withApplication({ $0.webhook.secretNext = try Callback.key(Callback.nextSecret) }) { server throws in
            #expect(try server.post(body).status == 200)
            #expect(try server.post(body, secret: Callback.nextSecret).json?.string("outcome") == "duplicate")
            expect(
                try server.post(body, secret: "some-other-secret"), 403, "wrong-credentials",
                code: "SIGNATURE_MISMATCH")
        }
    }

    @Test func `without a signature 401 with a challenge, with an empty one too`() throws {
        try withApplication { server throws in
            let none = try server.post(body, secret: nil)
            expect(none, 401, "missing-credentials", code: "SIGNATURE_MISSING")
            #expect(none.field("WWW-Authenticate") == "HMAC-SHA512")
            let empty = try server.post(body, secret: nil, fields: [("X-HMAC-SHA512-Signature", " ")])
            expect(empty, 401, "missing-credentials", code: "SIGNATURE_MISSING")
        }
    }

    @Test(arguments: [
        "nonsense", "AAAA", "====", String(repeating: "A", count: 88), String(repeating: "A", count: 4000),
    ])
    func `what is no HMAC-SHA512 in base64 is malformed`(signature: String) throws {
        try withApplication { server throws in
            let answer = try server.post(body, secret: nil, fields: [("X-HMAC-SHA512-Signature", signature)])
            expect(answer, 403, "wrong-credentials", code: "SIGNATURE_MALFORMED")
            #expect(!answer.text.contains(signature))
        }
    }

    @Test func `a byte more, less or changed breaks the signature`() throws {
        try withApplication { server throws in
            for changed in [body + [0x20], body.dropLast(), [0x20] + body] {
                expect(
                    try server.post(Array(changed), signing: body), 403, "wrong-credentials", code: "SIGNATURE_MISMATCH"
                )
            }
            #expect(try server.get("/v1/sessions/S1").status == 404)
        }
    }

    @Test func `two signatures that differ are wrong credentials, whichever is right`() throws {
        try withApplication { server throws in
            let right = try Callback.signature(body)
            let wrong = try Callback.signature(body, secret: "some-other-secret")
            let pairs = [
                (right, wrong), (wrong, right), (right, ""), ("", right), (right, right + "="), (right, "AAAA"),
            ]
            for (first, second) in pairs {
                let answer = try server.post(
                    body, secret: nil,
                    fields: [("X-HMAC-SHA512-Signature", first), ("x-hmac-sha512-signature", second)])
                expect(answer, 403, "wrong-credentials", code: "SIGNATURE_MALFORMED")
            }
            #expect(try server.get("/v1/sessions/S1").status == 404)
        }
    }

    @Test func `what came with two signatures is kept unverified`() throws {
        let store = FakeStore()
        try withReceiver(store) { server, _ throws in
            let right = try Callback.signature(body)
            let fields = [("X-HMAC-SHA512-Signature", right), ("X-HMAC-SHA512-Signature", "AAAA")]
            #expect(try server.post(body, secret: nil, fields: fields).status == 403)
            #expect(try server.quarantine().map(\.kind) == [.unverified])
            #expect(try server.quarantine().map(\.content.reason) == ["SIGNATURE_MALFORMED"])
            #expect(try server.quarantine().map(\.content.body) == [body])
        }
    }

    @Test func `the same signature twice is one`() throws {
        try withApplication { server throws in
            let field = (name: "X-HMAC-SHA512-Signature", value: try Callback.signature(body))
            #expect(try server.post(body, secret: nil, fields: [field, field]).status == 200)
        }
    }

    @Test func `two times of signing that differ are none`() throws {
        try withApplication({ $0.webhook.signedAtFreshnessSeconds = 60 }) { server throws in
            let signature = (name: "X-HMAC-SHA512-Signature", value: try Callback.signature(body))
            let times = ["1760000000", "1760000001"].map { (name: "X-HMAC-SHA512-SignedAt", value: $0) }
            expect(
                try server.post(body, secret: nil, fields: [signature] + times), 403, "wrong-credentials",
                code: "SIGNED_AT_MALFORMED")
            #expect(try server.post(body, secret: nil, fields: [signature, times[0], times[0]]).status == 200)
        }
    }

    @Test func `SignedAt is not asked for, and any text in it is fine`() throws {
        try withApplication { server throws in
            let signature = (name: "X-HMAC-SHA512-Signature", value: try Callback.signature(body))
            #expect(try server.post(body, secret: nil, fields: [signature]).status == 200)
            let odd = try server.post(body, secret: nil, fields: [signature, ("X-HMAC-SHA512-SignedAt", "yesterday")])
            #expect(odd.status == 200)
        }
    }

    @Test func `a freshness limit counts from the receiver's clock`() throws {
        try withApplication({ $0.webhook.signedAtFreshnessSeconds = 60 }) { server throws in
            let signature = (name: "X-HMAC-SHA512-Signature", value: try Callback.signature(body))
            func post(_ signedAt: String) throws -> ClientResponse {
                try server.post(body, secret: nil, fields: [signature, ("X-HMAC-SHA512-SignedAt", signedAt)])
            }
            for fresh in ["1760000000", "1760000060", "1759999940000", "2025-10-09T08:53:20Z"] {
                #expect(try post(fresh).status == 200, "\(fresh)")
            }
            expect(try post("1760000061"), 403, "wrong-credentials", code: "SIGNED_AT_STALE")
            expect(try post("soon"), 403, "wrong-credentials", code: "SIGNED_AT_MALFORMED")
            expect(
                try server.post(body, secret: nil, fields: [signature]), 401, "missing-credentials",
                code: "SIGNED_AT_MISSING")
        }
    }

    private static func agree(_ configuration: inout ReceiverConfiguration) throws {
        configuration.webhook.authorizationHeaders = [
            NamedSecret(name: "Authorization", value: try Callback.key("Basic agreed-with-upstream")),
            NamedSecret(name: "X-Callback-Key", value: try Callback.key("between you and me")),
        ]
    }

    private static let agreed = [
        (name: "authorization", value: "Basic agreed-with-upstream"),
        (name: "x-callback-key", value: "between you and me"),
    ]

    @Test func `agreed headers alone`() throws {
        try withApplication({ configuration in
            configuration.webhook.secretCurrent = nil
            try Self.agree(&configuration)
        }) { server throws in
            #expect(try server.post(body, secret: nil, fields: Self.agreed).status == 200)
            let one = try server.post(body, secret: nil, fields: [Self.agreed[0]])
            expect(one, 401, "missing-credentials", code: "AUTHORIZATION_HEADER_MISSING")
            #expect(one.json?.string("detail") == "an agreed header is missing")
            let wrong = try server.post(
                body, secret: nil, fields: [Self.agreed[0], ("X-Callback-Key", "another value")])
            expect(wrong, 403, "wrong-credentials", code: "AUTHORIZATION_HEADER_MISMATCH")
            #expect(!wrong.text.contains("between you"))
            let twice = try server.post(body, secret: nil, fields: Self.agreed + [Self.agreed[1]])
            expect(twice, 403, "wrong-credentials", code: "AUTHORIZATION_HEADER_MISMATCH")
        }
    }

    @Test func `agreed headers and HMAC must both pass`() throws {
        try withApplication(Self.agree) { server throws in
            #expect(try server.post(body, fields: Self.agreed).status == 200)
            expect(try server.post(body), 401, "missing-credentials", code: "AUTHORIZATION_HEADER_MISSING")
            expect(
                try server.post(body, secret: nil, fields: Self.agreed), 401, "missing-credentials",
                code: "SIGNATURE_MISSING")
            expect(
                try server.post(body, secret: "some-other-secret", fields: Self.agreed), 403, "wrong-credentials",
                code: "SIGNATURE_MISMATCH")
            expect(
                try server.post(body, fields: [Self.agreed[0], ("X-Callback-Key", "another value")]), 403,
                "wrong-credentials", code: "AUTHORIZATION_HEADER_MISMATCH")
        }
    }

    @Test func `the name of an agreed header is for the log, not for strangers`() throws {
        try withApplication({ configuration in
            configuration.webhook.secretCurrent = nil
            configuration.webhook.authorizationHeaders = [
                NamedSecret(name: "X-Known-To-Two", value: try Callback.key("the-agreed-value"))
            ]
        }) { server throws in
            for path in ["/webhooks/session-events", "/webhooks/cdrs", "/webhooks/other"] {
                for fields in [[], [(name: "X-Known-To-Two", value: "a-wrong-value-of-it")]] {
                    let answer = try server.send(
                        ClientRequest(method: "POST", target: path, fields: fields, body: Array(body)))
                    #expect((400..<500).contains(answer.status))
                    #expect(!"\(answer.fields) \(answer.text)".lowercased().contains("known-to-two"))
                }
            }
            #expect(server.log.text.contains("X-Known-To-Two"))
        }
    }

    @Test func `whoever is let in unverified is taken as is`() throws {
        try withApplication({ configuration in
            configuration.webhook.secretCurrent = nil
            configuration.webhook.allowUnverified = true
        }) { server throws in
            #expect(try server.post(body, secret: nil).status == 200)
            #expect(try server.post(body, secret: "any secret").json?.string("outcome") == "duplicate")
            #expect(try server.post([0x7B], secret: nil).problem == "invalid-event")
        }
    }
}
