import Base
import HTTPClient
import Receiver
import SessionIndex
import SessionStore
import Testing

/// Who may ask, over a real socket.
@Suite struct AccessTests {
    private static let targets = ["/v1/sessions/S1", "/v1/sessions/S1/facts"]

    @Test(arguments: targets) func `a token is wanted, and it must be right`(target: String) throws {
        try withApplication { server throws in
            let none = try server.get(target, token: nil)
            #expect(none.status == 401)
            #expect(none.problem == "missing-token")
            #expect(none.field("WWW-Authenticate") == #"Bearer realm="chargefold""#)
            let authorizations = [
                "Bearer wrong", "Bearer " + RunningServer.token + "x", "Bearer", "Bearer ", RunningServer.token,
                "Basic " + RunningServer.token, "Bearer " + RunningServer.token.uppercased(),
                "Bearer \(RunningServer.token) \(RunningServer.token)",
            ]
            for authorization in authorizations {
                let answer = try server.get(target, token: nil, fields: [("Authorization", authorization)])
                #expect(answer.status == 401, "\(authorization)")
                #expect(answer.problem == "wrong-token")
                #expect(answer.field("WWW-Authenticate") == #"Bearer realm="chargefold", error="invalid_token""#)
            }
            #expect(try server.get(target).status == 404)
            let scheme = try server.get(
                target, token: nil, fields: [("Authorization", "bEARER  " + RunningServer.token)])
            #expect(scheme.status == 404)
            #expect(server.features.metrics.refusedQueries.value == UInt64(1 + authorizations.count))
            #expect(server.features.metrics.queries.value == 2)
        }
    }

    @Test(arguments: targets) func `two Authorization headers are refused, even if both are right`(target: String)
        throws
    {
        try withApplication { server throws in
            let right = (name: "Authorization", value: "Bearer " + RunningServer.token)
            for other in [right, (name: "authorization", value: "Bearer wrong"), (name: "Authorization", value: "")] {
                for fields in [[right, other], [other, right]] {
                    let answer = try server.get(target, token: nil, fields: fields)
                    #expect(answer.status == 401)
                    #expect(answer.problem == "wrong-token")
                }
            }
        }
    }

    @Test func `each of several tokens opens the door`() throws {
        try withApplication({ configuration in
            configuration.api.tokens = [
                NamedSecret(name: "app", value: try Callback.key("token-of-the-app")),
                NamedSecret(name: "support", value: try Callback.key("token-of-support")),
            ]
        }) { server throws in
            for token in [RunningServer.token, "token-of-the-app", "token-of-support"] {
                #expect(try server.get("/v1/sessions/S1", token: token).status == 404)
            }
            for token in ["app", "token-of", "default"] {
                #expect(try server.get("/v1/sessions/S1", token: token).status == 401)
            }
        }
    }

    @Test(arguments: targets) func `without any token configured it is closed`(target: String) throws {
        try withApplication({ $0.api.token = nil }) { server throws in
            for token in [nil, "", "anything"] {
                let answer = try server.get(target, token: token)
                #expect(answer.status == 403)
                #expect(answer.problem == "api-closed")
            }
        }
    }

    @Test(arguments: [true, false]) func `anonymous reads only where they are allowed`(hasToken: Bool) throws {
        try withApplication({ configuration in
            if !hasToken { configuration.api.token = nil }
            configuration.api.allowAnonymousReads = true
        }) { server throws in
            for token in [nil, "anything"] {
                #expect(try server.get("/v1/sessions/S1", token: token).status == 404)
                // What operators do is never open.
                #expect(try server.get("/v1/quarantine", token: token).status >= 401)
                #expect(try server.get("/v1/log", token: token).status >= 401)
                // Nor is what changes anything.
                #expect(try server.get("/v1/sessions/S1/abandon", method: "POST", token: token).status >= 401)
            }
        }
    }

    @Test(arguments: [
        ("GET", "/v1/quarantine"), ("GET", "/v1/quarantine/1"), ("DELETE", "/v1/quarantine/1"),
        ("POST", "/v1/quarantine/retry"), ("GET", "/v1/log"),
    ]) func `operators' resources want their scope`(method: String, target: String) throws {
        func answer(_ server: RunningServer, _ token: String?) throws -> ClientResponse {
            try server.get(target, method: method, token: token)
        }
        try withReceiver(FakeStore(), access: .operators()) { server, _ throws in
            #expect(try answer(server, nil).problem == "missing-token")
            #expect(try answer(server, "wrong").problem == "wrong-token")
            let reader = try answer(server, "reader-token")
            #expect(reader.status == 403)
            #expect(reader.problem == "insufficient-scope")
            #expect(![401, 403].contains(try answer(server, RunningServer.token).status))
            #expect(try server.get("/v1/sessions/S1", token: "reader-token").status == 404)
        }
        try withApplication { server throws in
            #expect(try answer(server, RunningServer.token).problem == "insufficient-scope")
        }
        try withApplication({ $0.api.token = nil }) { server throws in
            #expect(try answer(server, RunningServer.token).problem == "api-closed")
        }
    }

    @Test func `health, readiness and metrics need no token`() throws {
        try withApplication({ $0.api.token = nil }) { server throws in
            for target in ["/healthz", "/readyz", "/metrics"] {
                #expect(try server.get(target, token: nil).status == 200)
            }
        }
    }
}
