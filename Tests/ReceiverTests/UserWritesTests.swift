import Base
import DriveAPI
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionModel
import SessionStore
import Testing

/// What users cause to be written: no more than there is to say, and no more than their share.
@Suite struct UserWritesTests {
    private func post(_ server: RunningServer, _ path: String, _ body: String = "") throws -> ClientResponse {
        try server.send(
            ClientRequest(
                method: "POST", target: path, fields: [("Authorization", "Bearer \(RunningServer.token)")],
                body: Array(body.utf8)))
    }

    private func received(_ server: RunningServer, _ id: String) throws -> Int? {
        try server.get("/v1/sessions/\(id)").json?.member("deliveries")?.member("received")?.integer
    }

    @Test func `a stop that is asked for again within the same status writes nothing`() throws {
        let now = Locked(testTime)
        let upstream = Upstream { _, _ in Upstream.json("{}") }
        try withGateway(upstream, clock: { now.withLock { $0 } }) { server in
            _ = try server.post(
                Callback.body("SESSION_STARTED", "S1", at: "2020-01-01T00:00:00Z", extra: #","userId":"u""#))
            for _ in 0..<50 { #expect(try post(server, "/v1/users/u/sessions/S1/stop").status == 200) }
            #expect(try received(server, "S1") == 2)
            _ = try server.post(
                Callback.body("SESSION_STOP_FAILED", "S1", at: "2096-01-01T00:00:00Z", extra: #","userId":"u""#))
            #expect(try post(server, "/v1/users/u/sessions/S1/stop").status == 200)
            #expect(try received(server, "S1") == 3)
            now.withLock { $0 = $0.adding(seconds: 1) }
            // It is older than what it is to change, so it changes nothing: known once all the same.
            for _ in 0..<50 { #expect(try post(server, "/v1/users/u/sessions/S1/stop").status == 200) }
            #expect(try received(server, "S1") == 4)
            #expect(upstream.calls.count == 101)
        }
    }

    @Test func `a stop of an unknown session is one fact`() throws {
        let upstream = Upstream { _, _ in Upstream.json("{}") }
        try withGateway(upstream) { server in
            for user in ["eve", "u", "eve"] { _ = try post(server, "/v1/users/\(user)/sessions/S9/stop") }
            #expect(try received(server, "S9") == 1)
        }
    }

    @Test func `a user's writes have a budget, and another's are not touched by it`() throws {
        let now = Locked(testTime)
        let upstream = Upstream { _, _ in Upstream.json("{}") }
        try withGateway(upstream, clock: { now.withLock { $0 } }, { $0.gateway.userWritesPerMinute = 3 }) { server in
            for id in 1...3 { #expect(try post(server, "/v1/users/eve/sessions/S\(id)/stop").status == 200) }
            let refused = try post(server, "/v1/users/eve/sessions/S4/stop")
            #expect(refused.status == 429)
            #expect(refused.problem == "write-budget-spent")
            #expect(refused.field("Retry-After") == "20")
            #expect(try post(server, "/v1/users/eve/sessions/start", #"{"connectorId":"c"}"#).status == 429)
            #expect(upstream.calls.count == 3)
            // What writes nothing needs none.
            #expect(try post(server, "/v1/users/eve/sessions/S1/stop").status == 200)
            #expect(try post(server, "/v1/users/u/sessions/S5/stop").status == 200)
            now.withLock { $0 = $0.adding(seconds: 20) }
            #expect(try post(server, "/v1/users/eve/sessions/S4/stop").status == 200)
        }
    }

    @Test func `a repeat of a key costs nothing, and gets its answer also where the budget is spent`() throws {
        let upstream = Upstream { _, _ in Upstream.json(#"{"sessionId":"S1"}"#) }
        try withGateway(upstream, { $0.gateway.userWritesPerMinute = 2 }) { server in
            func start(_ key: String) throws -> ClientResponse {
                try server.send(
                    ClientRequest(
                        method: "POST", target: "/v1/users/u/sessions/start",
                        fields: [("Authorization", "Bearer \(RunningServer.token)"), ("Idempotency-Key", key)],
                        body: Array(#"{"connectorId":"c"}"#.utf8)))
            }
            #expect(try start("one").status == 200)
            for _ in 0..<5 {
                let again = try start("one")
                #expect(again.status == 200 && again.field("Idempotency-Replayed") == "true")
            }
            #expect(try start("two").problem == "connector-cooldown")
            #expect(try start("three").problem == "write-budget-spent")
            #expect(try start("one").status == 200)
        }
    }

    /// Upstream decides whose a session is that nobody has heard of here, so anybody may ask.
    @Test func `strangers spend nothing of a session's user, and are told nothing by it`() throws {
        let upstream = Upstream { call, _ in
            call.path.contains("/eve/") ? Upstream.json("{}", status: 404) : Upstream.json("{}")
        }
        try withGateway(upstream, { $0.gateway.sessionWritesPerMinute = 3 }) { server in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"bob""#))
            let answers = try ["S1", "S9"].map { id in
                try (0..<5).map { _ in
                    let answer = try post(server, "/v1/users/eve/sessions/\(id)/stop")
                    return "\(answer.status) \(answer.fields.filter { $0.name != "Date" }) \(answer.text)"
                }
            }
            #expect(answers[0] == answers[1])
            #expect(answers[0].map { $0.prefix(3) } == ["404", "404", "404", "429", "429"])
            for (id, user) in [("S1", "bob"), ("S9", "u")] {
                #expect(try post(server, "/v1/users/\(user)/sessions/\(id)/stop").status == 200)
            }
        }
    }

    @Test func `abandoning is paid for from the same budget`() throws {
        try withApplication({ $0.gateway.userWritesPerMinute = 2 }) { server in
            for id in 1...3 {
                _ = try server.post(Callback.body("SESSION_STOP_FAILED", "S\(id)", extra: #","userId":"eve""#))
            }
            #expect(try post(server, "/v1/sessions/S1/abandon").status == 200)
            #expect(try post(server, "/v1/sessions/S1/abandon").status == 200)
            #expect(try post(server, "/v1/sessions/S2/abandon").status == 200)
            #expect(try post(server, "/v1/sessions/S3/abandon").status == 429)
        }
    }

    @Test func `a budget is a minute's worth at once, and one after the other from then on`() {
        var budget = WriteBudget(perMinuteOfUser: 100, perMinuteOfSession: 2)
        func spend(_ user: String?, _ session: String?, _ seconds: Int64) -> Int? {
            budget.spend(userId: user, sessionId: session, now: testTime.adding(seconds: seconds))
        }
        #expect(spend("u", "s", 0) == nil)
        #expect(spend("u", "s", 0) == nil)
        #expect(spend("u", "s", 0) == 30)
        // What others spend on a session is not its user's.
        #expect(spend("v", "s", 0) == nil)
        #expect(spend("u", "t", 0) == nil)
        #expect(spend("u", "s", 29) == 1)
        #expect(spend("u", "s", 30) == nil)
        #expect(spend("u", "s", 31) == 29)
        // A clock that is set back keeps nobody waiting for longer than a whole budget takes.
        #expect(spend("u", "s", -86_400) == 30)
        #expect(spend(nil, "x", 0) == nil)
    }

    // MARK: Whose a session is

    @Test func `a stop makes no session anybody's`() throws {
        let upstream = Upstream { _, _ in Upstream.json("{}") }
        try withGateway(upstream) { server in
            for call in ["stop", "retry-payment"] { _ = try post(server, "/v1/users/eve/sessions/S1/\(call)") }
            _ = try server.get("/v1/users/eve/sessions/S1/receipt")
            #expect(try server.get("/v1/sessions/S1").json?.member("userId") == nil)
            #expect(try server.get("/v1/users/eve/sessions/S1").status == 404)
            _ = try server.post(
                Callback.body("SESSION_STARTED", "S1", at: "2020-01-01T00:00:00Z", extra: #","userId":"bob""#))
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.string("userId") == "bob")
            #expect(session?.member("userIds") == nil)
            #expect(session?.member("anomalies")?.text.contains("USER_ID_CONFLICT") != true)
            #expect(try post(server, "/v1/users/eve/sessions/S1/stop").problem == "session-not-found")
            #expect(try post(server, "/v1/users/bob/sessions/S1/stop").status == 200)
        }
    }

    @Test func `a start that upstream has answered makes the session the user's`() throws {
        try withGateway(Upstream { _, _ in Upstream.json(#"{"sessionId":"S1"}"#) }) { server in
            _ = try post(server, "/v1/users/u/sessions/start", #"{"connectorId":"c"}"#)
            #expect(try server.get("/v1/users/u/sessions/S1").status == 200)
            #expect(try post(server, "/v1/users/eve/sessions/S1/stop").problem == "session-not-found")
        }
    }

    @Test(arguments: [SessionEvent.ClientAction.stop, .abandon])
    func `what a client claims is no fact of ownership, wherever it stands`(
        _ action: SessionEvent.ClientAction
    ) throws {
        let claim = SessionEvent.clientBody(action, sessionId: "S1", userId: "eve", at: testTime.adding(seconds: 9))
        let fact = try SessionEvent.decode(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"bob""#))
        let stop = try SessionEvent.decode(claim, source: .client)
        for events in [[stop, fact], [fact, stop]] {
            var record = SessionRecord(sessionId: "S1")
            for (index, event) in events.enumerated() {
                record.apply(
                    event, position: Int64(index + 1), receivedAt: testTime,
                    place: Place(origin: .none, sequence: Int64(index + 1)))
            }
            #expect(record.state.userId == "bob")
            #expect(record.state.userIds == ["bob"])
        }
    }
}
