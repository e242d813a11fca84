import Base
import HTTPClient
import Receiver
import SessionModel
import Testing
import WebhookSecurity

/// What each kind of token opens, over a real socket.
@Suite struct ScopeTests {
    private static let admin = "token-of-an-operator"

    private func withTokens(
        _ body: (RunningServer) throws -> Void
    ) throws {
        try withApplication({ configuration in
            configuration.api.adminToken = try Callback.key(Self.admin)
            configuration.api.tokens = [
                NamedSecret(name: "a", value: try Callback.key("token-of-user-a"), scopes: [.readUser("user-a")])
            ]
        }) { server throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "SA", extra: #","userId":"user-a""#))
            _ = try server.post(Callback.body("SESSION_STARTED", "SB", extra: #","userId":"user-b""#))
            _ = try server.post(Callback.body("SESSION_FEE_INCURRING", "S0"))
            _ = try server.post(Callback.body("SESSION_STARTED", "SAB", extra: #","userId":"user-a""#))
            _ = try server.post(Callback.body("SESSION_STOPPED", "SAB", extra: #","userId":"user-b""#))
            try body(server)
        }
    }

    private func mint(_ server: RunningServer, _ json: String, token: String? = admin) throws -> ClientResponse {
        try server.send(
            ClientRequest(
                method: "POST", target: "/v1/tokens",
                fields: token.map { [("Authorization", "Bearer \($0)")] } ?? [], body: Array(json.utf8)))
    }

    @Test func `another user's session is answered exactly like one that does not exist`() throws {
        try withTokens { server throws in
            let minted = try mint(server, #"{"userId":"user-a","ttlSeconds":60}"#)
            #expect(minted.status == 201)
            let token = try #require(minted.json?.string("token"))
            #expect(minted.json?.string("scope") == "act:user:user-a")
            #expect(minted.json?.instant("expiresAt") == Instant(seconds: testTime.seconds + 60, nanoseconds: 0))
            for bearer in ["token-of-user-a", token] {
                for suffix in ["", "/facts"] {
                    #expect(try server.get("/v1/sessions/SA" + suffix, token: bearer).status == 200)
                    let missing = try server.get("/v1/sessions/nowhere" + suffix, token: bearer)
                    #expect(missing.status == 404)
                    // Another's, one that nobody is known of, and one that is another's as well.
                    for id in ["SB", "S0", "SAB"] {
                        let other = try server.get("/v1/sessions/\(id)" + suffix, token: bearer)
                        #expect(other.status == 404, "\(id)")
                        #expect(other.body == missing.body)
                    }
                }
                for target in ["/v1/quarantine", "/v1/log"] {
                    let refused = try server.get(target, token: bearer)
                    #expect(refused.problem == "insufficient-scope")
                    #expect(refused.field("WWW-Authenticate")?.contains("insufficient_scope") == true)
                }
                #expect(try mint(server, #"{"userId":"user-b"}"#, token: bearer).status == 403)
                #expect(try server.get("/v1/users/user-a", method: "DELETE", token: bearer).status == 403)
            }
        }
    }

    @Test func `operators read everything`() throws {
        try withTokens { server throws in
            for id in ["SA", "SB", "S0", "SAB"] {
                #expect(try server.get("/v1/sessions/\(id)", token: Self.admin).status == 200)
            }
            #expect(try server.get("/v1/quarantine", token: Self.admin).status == 200)
        }
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"userId":""}"#, #"{"userId":7}"#, #"{"userId":"u","ttlSeconds":0}"#,
        #"{"userId":"u","ttlSeconds":86401}"#, #"{"userId":"u","ttlSeconds":"60"}"#,
        #"{"userId":"u","ttlSeconds":1.5}"#,
        #"{"userId":"u","scope":"admin"}"#, #"{"userId":"u","scope":"act:user:v"}"#, #"{"userId":"u","scope":""}"#,
        #"{"userId":"u","scope":["act"]}"#, #"{"userId":"u","scope":null}"#, #"{"userId":"u","userId":"v"}"#,
        "{\"userId\":\"" + String(repeating: "u", count: 257) + "\"}",
    ]) func `a request for a token must be sound`(json: String) throws {
        try withTokens { server throws in
            let answer = try mint(server, json)
            #expect(answer.status == 400)
            #expect(answer.problem == "malformed-token-request")
        }
    }

    @Test func `expired and altered tokens are refused`() throws {
        let key = try Callback.key("the key of all our instances")
        let tokens = UserTokens(key: key)
        try withApplication({ $0.api.sealKey = key }) { server throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "SA", extra: #","userId":"user-a""#))
            let now = testTime.seconds
            let valid = try #require(tokens.mint(userId: "user-a", mayAct: true, expiresAtSeconds: now + 1))
            // Minted elsewhere, with the same key.
            #expect(try server.get("/v1/sessions/SA", token: valid).status == 200)
            let late = try #require(tokens.mint(userId: "user-a", mayAct: true, expiresAtSeconds: now))
            let expired = try server.get("/v1/sessions/SA", token: late)
            #expect(expired.status == 401)
            #expect(expired.problem == "expired-token")
            #expect(expired.field("WWW-Authenticate")?.contains(#"error="invalid_token""#) == true)
            let foreign = try #require(
                UserTokens(key: try Callback.key("the key of somebody else")).mint(
                    userId: "user-a", mayAct: true, expiresAtSeconds: now + 60))
            var altered = [
                foreign, String(valid.dropLast()), valid + "A", String(valid.dropFirst(4)), "cfu_", "cfu_AAAA",
            ]
            for index in stride(from: 4, to: valid.count, by: 3) {
                var characters = Array(valid)
                characters[index] = characters[index] == "A" ? "B" : "A"
                altered.append(String(characters))
            }
            for text in altered { #expect(try server.get("/v1/sessions/SA", token: text).problem == "wrong-token") }
        }
    }

    @Test func `tokens are those of the data directory after a restart`() throws {
        let directory = TestDirectory()
        var token = ""
        for round in 0..<2 {
            try withApplication(in: directory, { $0.api.adminToken = try Callback.key(Self.admin) }) { server throws in
                if round == 0 {
                    token = try #require(try mint(server, #"{"userId":"ü 1"}"#).json?.string("token"))
                    _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"ü 1""#))
                }
                #expect(try server.get("/v1/sessions/S1", token: token).status == 200)
            }
        }
    }

    @Test func `scopes are read from the configuration`() throws {
        let environment = [
            "CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "1", "CHARGEFOLD_API_ADMIN_TOKEN": "an-operators-token",
            "CHARGEFOLD_API_TOKENS":
                "a:a-token-of-somebody:read:user:u%20%2C1 read:user:u2,b:b-token-of-somebody:admin,c:c-token-of-somebody",
        ]
        let api = try load(environment).configuration.api
        #expect(api.allTokens.map(\.name) == ["admin", "a", "b", "c"])
        #expect(api.allTokens.map(\.scopes) == [[.admin], [.readUser("u ,1"), .readUser("u2")], [.admin], [.read]])
        #expect(try load(environment).report.contains("for read:user:u%20%2C1 read:user:u2"))
        let acting = try load([
            "CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "1", "CHARGEFOLD_API_TOKEN": "the-token-of-the-app",
            "CHARGEFOLD_API_TOKENS": "a:a-token-of-somebody:act:user:u%2F1 read,b:b-token-of-somebody:act",
        ]).configuration.api
        #expect(acting.allTokens.map(\.scopes) == [[.act], [.actUser("u/1"), .read], [.act]])
        for wrong in [
            "a:shown-nowhere-in-it:write", "a:shown-nowhere-in-it:", "a:shown-nowhere-in-it:read:user:",
            "a:shown-nowhere-in-it:act:user:", "a:shown-nowhere-in-it:act:users:u", "a:shown-nowhere-in-it:Act",
            "a:a-token-of-somebody:read,admin:b-token-of-somebody",
        ] {
            let found = problems([
                "CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "1", "CHARGEFOLD_API_TOKENS": wrong,
                "CHARGEFOLD_API_ADMIN_TOKEN": "an-operators-token",
            ])
            #expect(found.count == 1, "\(found)")
            #expect(!found.joined().contains("shown"))
        }
    }
}
