import HTTPClient
import Receiver
import SessionModel
import Testing

/// A user's token and the resources that list, follow and change sessions.
@Suite struct LiveAccessTests {
    private func withUserToken(_ body: (RunningServer) throws -> Void) throws {
        let clock = TestClock()
        func configure(_ configuration: inout ReceiverConfiguration) throws {
            configuration.api.token = nil
            configuration.api.userStreamsMax = 3
            configuration.api.adminToken = try Callback.key("token-of-an-operator")
            configuration.api.tokens = [
                NamedSecret(name: "a", value: try Callback.key(RunningServer.token), scopes: [.actUser("user-a")])
            ]
        }
        try withApplication(clock: { clock.now }, live: .manual, configure) { server throws in
            try server.report("SESSION_STARTED", "SA", at: 0, extra: #","userId":"user-a""#)
            try server.report("SESSION_STARTED", "SB", at: 0, extra: #","userId":"user-b""#)
            try server.report("SESSION_STARTED", "SAB", at: 0, extra: #","userId":"user-b""#)
            try server.report("SESSION_STOPPED", "SAB", at: 1, extra: #","userId":"user-a""#)
            try body(server)
        }
    }

    @Test func `lists are of the token's user only`() throws {
        try withUserToken { server throws in
            for target in ["/v1/users/user-a/sessions?status=*", "/v1/users/user-a/sessions/active"] {
                let answer = try server.get(target)
                #expect(answer.status == 200)
                // Not the one in which another user is named as well.
                #expect(answer.json?.member("sessions")?.elements.map { $0.string("sessionId") } == ["SA"])
            }
            for target in [
                "/v1/users/user-b/sessions", "/v1/users/user-b/sessions/active", "/v1/users/nobody/sessions",
                "/v1/users/user-b/events", "/v1/users/nobody/events", "/v1/events", "/v1/fees",
                "/v1/sessions?anomaly=STARTED_MISSING",
            ] {
                let answer = try server.get(target)
                #expect(answer.problem == "insufficient-scope", "\(target)")
            }
        }
    }

    @Test func `a user's token holds so many streams and long polls, and leaves others theirs`() throws {
        try withUserToken { server throws in
            var streams = try (0..<3).map { _ in try EventStream(server, "/v1/users/user-a/events").opened() }
            #expect(streams.count == 3)
            for target in ["/v1/sessions/SA/events", "/v1/sessions/SA?wait=30s&version=1"] {
                let refused = try server.get(target)
                #expect(refused.status == 503)
                #expect(refused.problem == "too-many-streams")
            }
            let other = try server.get("/v1/sessions/SB?wait=30s&version=0", token: "token-of-an-operator")
            #expect(other.status == 200)
            streams = []
            // It is given back once the server has seen that its reader is gone.
            while try server.get("/v1/sessions/SA?wait=30s&version=0").status != 200 {}
        }
    }

    @Test func `others' sessions can't be followed or given up`() throws {
        try withUserToken { server throws in
            for id in ["SB", "SAB", "none"] {
                for target in ["/events", ""] {
                    #expect(try server.get("/v1/sessions/\(id)" + target).problem == "session-not-found")
                }
                #expect(try server.get("/v1/users/user-a/sessions/\(id)").problem == "session-not-found")
                #expect(try server.get("/v1/sessions/\(id)/abandon", method: "POST").problem == "session-not-found")
            }
            let other = try server.get("/v1/sessions/SB", token: "token-of-an-operator")
            #expect(other.json?.member("abandonedAt") == nil)
        }
    }

    @Test func `a stream goes silent when its session turns out to be another's`() throws {
        try withUserToken { server throws in
            let session = try EventStream(server, "/v1/sessions/SA/events").opened()
            let user = try EventStream(server, "/v1/users/user-a/events").opened()
            try server.report("SESSION_FEE_INCURRING", "SA", at: 2)
            #expect(try session.next(1).map(\.type) == ["fee"])
            #expect(try user.next(1).map(\.type) == ["fee"])
            try server.report("SESSION_X", "SA", at: 3, extra: #","userId":"user-b""#)
            try server.report("SESSION_STARTED", "SA2", at: 4, extra: #","userId":"user-a""#)
            #expect(try user.next(1).map { $0.session?.string("sessionId") } == ["SA2"])
        }
    }
}
