import Testing
import WebhookSecurity

@testable import Receiver

@Suite struct ConfigurationSecretsTests {
    @Test func `an empty file of the NEXT secret is no secret, and of the CURRENT one an error`() throws {
        let (secret, empty) = (try TemporaryFile("a-secret-of-its-own\n"), try TemporaryFile("\n"))
        let loaded = try load([
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": secret.path, "CHARGEFOLD_WEBHOOK_SECRET_NEXT_FILE": empty.path,
        ])
        #expect(loaded.configuration.webhook.secretNext == nil)
        // It is looked at for changes all the same.
        #expect(loaded.secretFiles.contains(empty.path))
        let wrong = problems([
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": empty.path,
            "CHARGEFOLD_WEBHOOK_SECRET_NEXT_FILE": secret.path,
        ])
        #expect(wrong.contains { $0.contains("is empty") })
    }

    @Test func `a NEXT secret that is the CURRENT one is told`() throws {
        let current = ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "a-secret-of-its-own"]
        let same = try load(current + ["CHARGEFOLD_WEBHOOK_SECRET_NEXT": "a-secret-of-its-own"]).warnings
        #expect(same.contains { $0.key == "webhook.secretNext" && $0.message.contains("no rotation is under way") })
        let other = try load(current + ["CHARGEFOLD_WEBHOOK_SECRET_NEXT": "another-secret-of-its-own"]).warnings
        #expect(!other.contains { $0.key == "webhook.secretNext" })
    }

    @Test func `secrets come from the environment, the file, or files of their own`() throws {
        let secretFile = try TemporaryFile("a-secret-of-its-own\n\n")
        let tokens = try TemporaryFile("app: token-of-the-app\n\nops:token-of-the-ops\n")
        let headers = try TemporaryFile("X-One: value, with commas\nX-Two: b:c\n")
        let loaded = try load([
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": secretFile.path,
            "CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS_FILE": headers.path,
            "CHARGEFOLD_API_TOKENS_FILE": tokens.path, "CHARGEFOLD_API_TOKEN": "the-single-token",
            "CHARGEFOLD_WEBHOOK_ALLOW_SHORT_SECRETS": "true",
        ]).configuration
        #expect(loaded.webhook.secretCurrent?.text == "a-secret-of-its-own")
        #expect(loaded.webhook.authorizationHeaders.map(\.name) == ["X-One", "X-Two"])
        #expect(loaded.webhook.authorizationHeaders.map(\.value.text) == ["value, with commas", "b:c"])
        #expect(loaded.api.allTokens.map(\.name) == ["default", "app", "ops"])
        #expect(loaded.api.allTokens.map(\.value.text) == ["the-single-token", "token-of-the-app", "token-of-the-ops"])
        let header = Array("Bearer token-of-the-ops".utf8)
        #expect(
            header.withUnsafeBytes { loaded.api.tokenSet.verify(authorization: $0) }
                == .accepted(.init(name: "ops", scopes: ["read"])))

        let yaml = try TemporaryFile(
            """
            webhook:
              secretCurrentFile: \(secretFile.path)
              secretNext: "another-secret-here"
              authorizationHeaders: ["X-One: a, b", "X-Two: c"]
              allowShortSecrets: true
            api:
              tokens:
                - app:token-of-the-app
            """)
        let fromFile = try load([:], yaml)
        #expect(fromFile.configuration.webhook.secretCurrent?.text == "a-secret-of-its-own")
        #expect(fromFile.configuration.webhook.secretNext?.text == "another-secret-here")
        #expect(fromFile.configuration.webhook.authorizationHeaders.map(\.value.text) == ["a, b", "c"])
        #expect(fromFile.configuration.api.tokens.map(\.name) == ["app"])
        #expect(fromFile.report.contains("api.tokens: [app: <secret of 16 bytes> for read]"))
        // A secret in the environment goes before one in a file that the configuration file names.
        let over = try load(["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "from-the-environment"], yaml)
        #expect(over.configuration.webhook.secretCurrent?.text == "from-the-environment")
    }

    @Test func `lists in the environment`() throws {
        let loaded = try load([
            "CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "X-One: a, b\nX-Two: c",
            "CHARGEFOLD_WEBHOOK_ALLOW_SHORT_SECRETS": "true",
            "CHARGEFOLD_API_TOKENS": "app:token-of-the-app, ops:token-of-the-ops\nqa:token-of-the-tests",
        ]).configuration
        #expect(loaded.webhook.authorizationHeaders.map(\.value.text) == ["a, b", "c"])
        #expect(loaded.api.tokens.map(\.value.text) == ["token-of-the-app", "token-of-the-ops", "token-of-the-tests"])
    }

    @Test(arguments: [
        ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": ""],
        ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": ""],
        ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": "/nowhere/at-all"],
        ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": "/dev/null"],
        ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": "/dev/zero"],
        [
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "shown-nowhere-at-all",
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": "/dev/null",
        ],
        ["CHARGEFOLD_WEBHOOK_SECRET_NEXT": "shown-nowhere-at-all"],
        ["CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "shown-nowhere-at-all"],
        ["CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "X-A: shown-nowhere-at-all\nx-a: shown-nowhere-at-all"],
        ["CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "Host: shown-nowhere-at-all"],
        ["CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "X A: shown-nowhere-at-all"],
        ["CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "X-A:"],
        ["CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "1", "CHARGEFOLD_API_TOKEN": "shown nowhere at all"],
        ["CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "1", "CHARGEFOLD_API_TOKENS": "shown-nowhere-at-all"],
        [
            "CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "1",
            "CHARGEFOLD_API_TOKENS": "a:shown-nowhere-at-all,a:shown-nowhere-at-all",
        ],
        [
            "CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "1", "CHARGEFOLD_API_TOKENS": "default:shown-nowhere-else",
            "CHARGEFOLD_API_TOKEN": "shown-nowhere-at-all",
        ],
        [:],
    ]) func `what is wrong with a secret is said without showing it`(environment: [String: String]) {
        let found = problems(environment)
        #expect(found.count == 1, "\(found)")
        #expect(!found.joined().contains("shown"))
    }

    @Test func `a server wants verification, a tool does not`() throws {
        #expect(problems([:]).first?.contains("CHARGEFOLD_WEBHOOK_SECRET_CURRENT") == true)
        let tool = try ReceiverConfiguration.load(environment: [:], use: .tool, defaultPath: nil)
        #expect(tool.warnings.isEmpty)
        let open = try load(["CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "true"])
        #expect(!open.configuration.webhook.authenticator.verifies)
        #expect(open.warnings.map(\.key) == ["webhook.allowUnverified", "api.token"])
    }

    @Test func `what is unwise is a warning`() throws {
        let loaded = try load([
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "short", "CHARGEFOLD_WEBHOOK_SECRET_NEXT": " spaces-around-this-one ",
            "CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "true", "CHARGEFOLD_API_TOKEN": "short",
            "CHARGEFOLD_API_ALLOW_ANONYMOUS_READS": "true", "CHARGEFOLD_WEBHOOK_ALLOW_SHORT_SECRETS": "true",
            "CHARGEFOLD_API_ALLOW_SHORT_TOKENS": "true",
        ])
        #expect(
            Set(loaded.warnings.map(\.key)) == [
                "webhook.secretCurrent", "webhook.secretNext", "webhook.allowUnverified", "api.token",
                "api.allowAnonymousReads",
            ])
        #expect(!loaded.warnings.map(\.description).joined().contains("spaces-around"))
        let freshness = try load([
            "CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "X-A: a-long-enough-value",
            "CHARGEFOLD_WEBHOOK_SIGNED_AT_FRESHNESS_SECONDS": "300", "CHARGEFOLD_API_TOKEN": "a-long-enough-token",
        ])
        #expect(freshness.warnings.map(\.key) == ["webhook.signedAtFreshnessSeconds"])
    }

    @Test(arguments: [
        ("CHARGEFOLD_WEBHOOK_SECRET_CURRENT", "", "webhook"), ("CHARGEFOLD_WEBHOOK_SECRET_NEXT", "", "webhook"),
        ("CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS", "X-A: ", "webhook"), ("CHARGEFOLD_API_TOKEN", "", "api"),
        ("CHARGEFOLD_API_ADMIN_TOKEN", "", "api"), ("CHARGEFOLD_API_TOKENS", "app:", "api"),
        ("CHARGEFOLD_API_SEAL_KEY", "", "api"),
    ]) func `what can be guessed must be allowed in so many words`(name: String, before: String, section: String) throws
    {
        let base = [
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "a-secret-for-the-tests",
            "CHARGEFOLD_API_TOKEN": "a-token-for-the-tests",
        ]
        let short = [name: before + "15-bytes-of-it!".replacing("!", with: "0")] + base
        let found = problems(short)
        let permission =
            section == "api" ? "CHARGEFOLD_API_ALLOW_SHORT_TOKENS" : "CHARGEFOLD_WEBHOOK_ALLOW_SHORT_SECRETS"
        #expect(found.count == 1)
        #expect(found.first?.contains("has 15 bytes") == true)
        #expect(found.first?.contains(permission) == true)
        #expect(problems([name: before + "16-bytes-of-it-0"] + base).isEmpty)
        #expect(try load([permission: "true"] + short).warnings.count == 1)
        #expect(try ReceiverConfiguration.load(environment: short, use: .tool, defaultPath: nil).warnings.isEmpty)
    }

    @Test(arguments: [
        ["CHARGEFOLD_API_TOKEN": "the-same-text-twice", "CHARGEFOLD_API_ADMIN_TOKEN": "the-same-text-twice"],
        [
            "CHARGEFOLD_API_TOKEN": "the-same-text-twice",
            "CHARGEFOLD_API_TOKENS": "app:the-same-text-twice:read:user:u",
        ],
        ["CHARGEFOLD_API_TOKENS": "app:the-same-text-twice:read,ops:the-same-text-twice:admin"],
    ]) func `two tokens of the same text are an error`(environment: [String: String]) {
        let found = problems(environment + ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "a-secret-for-the-tests"])
        #expect(found.count == 1)
        #expect(found.first?.contains("are the same text") == true)
        #expect(!found.joined().contains("the-same-text-twice"))
    }

    @Test func `the authenticator checks what is configured`() throws {
        let webhook = try load([
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "the-current-secret",
            "CHARGEFOLD_WEBHOOK_SECRET_NEXT": "the-next-secret!",
            "CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "X-Agreed: a-long-enough-value",
        ]).configuration.webhook
        let next = SignatureVerifier(current: try #require(SecretKey(utf8: "the-next-secret!")))
        let body = Array("{}".utf8)
        let signature = Array(next.sign(body).utf8)
        let value = Array("a-long-enough-value".utf8)
        let outcome = body.withUnsafeBytes { body in
            signature.withUnsafeBytes { signature in
                value.withUnsafeBytes { value in
                    webhook.authenticator.authenticate(body: body, signature: signature, signedAt: nil, nowSeconds: 0) {
                        $0 == Array("x-agreed".utf8) ? value : nil
                    }
                }
            }
        }
        #expect(outcome == .authentic([.nextSecret, .headers]))
    }
}

extension SecretKey {
    fileprivate var text: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}
