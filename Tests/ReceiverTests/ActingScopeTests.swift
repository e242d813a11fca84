import HTTPClient
import Receiver
import SessionModel
import Testing

/// Who may do something, and who may only look.
@Suite struct ActingScopeTests {
    private static let tokens: [(name: String, scopes: [Scope])] = [
        ("reads-everybody", [.read]), ("reads-user-a", [.readUser("user-a")]), ("acts-for-everybody", [.act]),
        ("acts-for-user-a", [.actUser("user-a")]), ("acts-a-reads-b", [.actUser("user-a"), .readUser("user-b")]),
        ("operator", [.admin]),
    ]

    private static func token(_ name: String) -> String { "the-token-that-" + name }

    private func withTokens(_ body: (RunningServer) throws -> Void) throws {
        try withApplication({ configuration in
            configuration.api.tokens = try Self.tokens.map {
                NamedSecret(name: $0.name, value: try Callback.key(Self.token($0.name)), scopes: $0.scopes)
            }
        }) { server throws in
            for user in ["a", "b"] {
                _ = try server.post(Callback.body("SESSION_STARTED", "S\(user)", extra: #","userId":"user-\#(user)""#))
            }
            try body(server)
        }
    }

    private func post(_ server: RunningServer, _ target: String, _ token: String, body: String = "") throws
        -> ClientResponse
    {
        try server.send(
            ClientRequest(
                method: "POST", target: target, fields: [("Authorization", "Bearer \(token)")], body: Array(body.utf8)))
    }

    /// Without a Drive API key whoever may act is answered 501, and nothing happens.
    @Test(arguments: [
        ("reads-everybody", false, false), ("reads-user-a", false, false), ("acts-for-everybody", true, true),
        ("acts-for-user-a", true, false), ("acts-a-reads-b", true, false), ("operator", true, true),
    ]) func `starting, stopping and paying need a scope that acts`(name: String, forA: Bool, forB: Bool) throws {
        try withTokens { server throws in
            for (user, isAllowed) in [("user-a", forA), ("user-b", forB)] {
                for target in ["start", "SA/stop", "SA/retry-payment"] {
                    let answer = try post(
                        server, "/v1/users/\(user)/sessions/\(target)", Self.token(name), body: #"{"connectorId":"c"}"#)
                    #expect(answer.status == (isAllowed ? 501 : 403), "\(target)")
                    if !isAllowed { #expect(answer.problem == "insufficient-scope") }
                }
            }
        }
    }

    @Test func `a receipt is read`() throws {
        try withTokens { server throws in
            for (name, status) in [("reads-everybody", 501), ("reads-user-a", 501), ("acts-for-user-a", 501)] {
                let target = "/v1/users/user-a/sessions/Sa/receipt"
                #expect(try server.get(target, token: Self.token(name)).status == status)
            }
            let others = try server.get("/v1/users/user-b/sessions/Sb/receipt", token: Self.token("reads-user-a"))
            #expect(others.problem == "insufficient-scope")
        }
    }

    @Test func `abandoning needs a scope that acts, and tells nothing of what there is to whoever has none`() throws {
        try withTokens { server throws in
            for name in ["reads-everybody", "reads-user-a"] {
                let refusals = try ["Sa", "Sb", "nowhere"].map {
                    try post(server, "/v1/sessions/\($0)/abandon", Self.token(name))
                }
                #expect(refusals.allSatisfy { $0.problem == "insufficient-scope" })
                #expect(Set(refusals.map(\.text)).count == 1)
            }
            let unknown = try post(server, "/v1/sessions/nowhere/abandon", Self.token("acts-for-user-a"))
            let others = try post(server, "/v1/sessions/Sb/abandon", Self.token("acts-for-user-a"))
            #expect(unknown.status == 404)
            #expect(others.body == unknown.body)
            #expect(
                try post(server, "/v1/sessions/Sb/abandon", Self.token("acts-a-reads-b")).problem
                    == "insufficient-scope")
            #expect(
                try server.get("/v1/sessions/Sb", token: Self.token("operator")).json?.member("version")?.integer == 1)
            #expect(try post(server, "/v1/sessions/Sa/abandon", Self.token("acts-for-user-a")).status == 200)
            #expect(try post(server, "/v1/sessions/Sb/abandon", Self.token("acts-for-everybody")).status == 200)
        }
    }

    @Test func `whoever acts reads as well`() throws {
        try withTokens { server throws in
            for (name, own, others) in [
                ("acts-for-everybody", 200, 200), ("acts-for-user-a", 200, 404), ("acts-a-reads-b", 200, 200),
                ("operator", 200, 200),
            ] {
                #expect(try server.get("/v1/sessions/Sa", token: Self.token(name)).status == own)
                #expect(try server.get("/v1/sessions/Sb", token: Self.token(name)).status == others)
            }
            #expect(try server.get("/v1/sessions?anomaly=ANY", token: Self.token("acts-for-user-a")).status != 200)
        }
    }

    @Test func `a minted token acts unless it is only to read, and the single token acts`() throws {
        try withTokens { server throws in
            func mint(_ scope: String?) throws -> (token: String, scope: String?) {
                let member = scope.map { #","scope":"\#($0)""# } ?? ""
                let answer = try post(
                    server, "/v1/tokens", Self.token("operator"), body: #"{"userId":"user-a"\#(member)}"#)
                #expect(answer.status == 201)
                return (try #require(answer.json?.string("token")), answer.json?.string("scope"))
            }
            let target = "/v1/users/user-a/sessions/Sa/stop"
            for (wish, scope, status) in [(nil, "act", 501), ("act", "act", 501), ("read", "read", 403)] {
                let minted = try mint(wish)
                #expect(minted.scope == "\(scope):user:user-a")
                #expect(try post(server, target, minted.token).status == status)
                #expect(try server.get("/v1/sessions/Sa", token: minted.token).status == 200)
                #expect(try server.get("/v1/sessions/Sb", token: minted.token).status == 404)
            }
            #expect(try post(server, target, RunningServer.token).status == 501)
        }
    }
}
