import Base
import HTTPClient
import HTTPServer
import Receiver
import SessionModel
import Testing

/// Lists by status, one answer to "may this user start here now?", and names that are misspelled.
@Suite struct UsableAnswersTests {
    private func ids(_ answer: ClientResponse) -> [String] {
        (answer.json?.member("sessions")?.elements ?? []).compactMap { $0.string("sessionId") }
    }

    /// Sessions in several statuses, an hour before now unless they say so.
    private func withSessions(_ body: (RunningServer) throws -> Void) throws {
        let upstream = Upstream { _, _ in Upstream.json(#"{"sessionId":"NEW","sessionStatus":"SUSPENDED"}"#) }
        try withReconciliation(upstream) { server, time throws in
            let now = time.now.seconds - testTime.seconds
            try server.report("SESSION_STARTED", "old", at: now - 7_200, extra: #","userId":"u1""#)
            try server.report("SESSION_STARTED", "young", at: now - 60, extra: #","userId":"u1""#)
            try server.report("SESSION_START_FAILED", "failed", at: now - 3_600, extra: #","userId":"u1""#)
            try server.report("SESSION_STARTED", "NEW", at: now - 3_600, extra: #","userId":"u1""#)
            try server.report("SESSION_COMPLETE", "done", at: now - 3_600, extra: #","userId":"u1""#)
            #expect(try server.post("/v1/users/u1/sessions/NEW/retry-payment", "").status == 200)
            try time.pass(0, server)
            #expect(try server.get("/v1/sessions/NEW").json?.string("sessionStatus") == "SUSPENDED")
            try body(server)
        }
    }

    @Test func `sessions are found by status, by the status that is shown, and by how long it has lasted`() throws {
        try withSessions { server throws in
            #expect(ids(try server.get("/v1/sessions?status=STARTED")) == ["young", "old"])
            #expect(ids(try server.get("/v1/sessions?status=STARTED&olderThan=1h")) == ["old"])
            #expect(ids(try server.get("/v1/sessions?status=COMPLETE&olderThan=30m")) == ["done"])
            #expect(Set(ids(try server.get("/v1/sessions?status=FAILED"))) == ["failed", "NEW"])
            #expect(Set(ids(try server.get("/v1/sessions?effectiveStatus=FAILED"))) == ["failed", "NEW"])
            #expect(ids(try server.get("/v1/sessions?status=SUSPENDED")) == ["NEW"])
            #expect(ids(try server.get("/v1/users/u1/sessions?status=SUSPENDED")) == ["NEW"])
            #expect(Set(ids(try server.get("/v1/users/u1/sessions?effectiveStatus=FAILED"))) == ["failed", "NEW"])
            #expect(try server.get("/v1/sessions?status=STARTED&olderThan=soon").status == 400)
        }
    }

    @Test(arguments: [
        ("/v1/sessions?status=COMPLET", "status", "COMPLETE"), ("/v1/sessions?status=started", "status", "STARTED"),
        ("/v1/sessions?status=FAILED,STARTD", "status", "STARTED"),
        ("/v1/sessions?effectiveStatus=FAILD", "effectiveStatus", "FAILED"),
        ("/v1/users/u1/sessions?status=stop-failed", "status", "STOP_FAILED"),
        ("/v1/users/u1/sessions?effectiveStatus=STOPED", "effectiveStatus", "STOPPED"),
    ]) func `a status that is hardly anything but a slip is refused`(target: String, name: String, meant: String) throws
    {
        try withSessions { server in
            let answer = try server.get(target)
            #expect(answer.status == 400)
            let detail = answer.json?.string("detail") ?? ""
            #expect(detail.hasPrefix("\(name): there is no status ") && detail.hasSuffix("Did you mean \(meant)?"))
        }
    }

    @Test func `a page of them leads to the next`() throws {
        try withSessions { server throws in
            let first = try server.get("/v1/sessions?status=STARTED&limit=1")
            #expect(ids(first) == ["young"])
            let cursor = try #require(first.json?.string("cursor"))
            #expect(ids(try server.get("/v1/sessions?status=STARTED&limit=1&cursor=\(cursor)")) == ["old"])
            #expect(try server.get("/v1/sessions?status=FAILED&limit=1&cursor=\(cursor)").status == 400)
        }
    }

    @Test func `a back-fill asks for statuses that are new to us as well`() throws {
        let upstream = Upstream { call, _ in
            call.method == "GET"
                ? Upstream.json(#"{"sessionId":"NEW","sessionStatus":"SUSPENDED"}"#)
                : Upstream.json(#"{"sessions":[],"count":0}"#)
        }
        try withReconciliation(upstream, { $0.api.adminToken = try Callback.key("of-an-operator-of-ours") }) {
            server, time throws in
            try server.report("SESSION_STARTED", "NEW", at: 0, extra: #","userId":"u1""#)
            try time.pass(0, server)
            try time.pass(2_300, server)
            let answer = try server.post("/v1/backfill", #"{"userId":"u1"}"#, token: "of-an-operator-of-ours")
            #expect(answer.status == 200)
            #expect(try #require(upstream.calls.last).body.contains(#""SUSPENDED""#))
        }
    }

    @Test func `a start may be asked about before it is made`() throws {
        let upstream = Upstream { _, _ in Upstream.json(#"{"sessionId":"S1"}"#) }
        let seconds = Locked<Int64>(0)
        try withGateway(upstream, clock: { testTime.adding(seconds: seconds.withLock { $0 }) }) { server throws in
            func check(_ connector: String, of user: String = "u1") throws -> (Bool?, String?, String?) {
                let answer = try server.get("/v1/users/\(user)/start-check?connectorId=\(connector)").json
                return (answer?.member("allowed")?.bool, answer?.string("reason"), answer?.string("sessionId"))
            }
            #expect(try check("c1") == (true, "NOTHING_IN_THE_WAY", nil))
            _ = try server.post("/v1/users/u1/sessions/start", #"{"connectorId":"c1"}"#)
            // While it starts, and to everybody while the connector cools down; but not elsewhere.
            #expect(try check("c1") == (false, "START_IN_PROGRESS", "S1"))
            #expect(try check("c1", of: "u2") == (false, "COOLDOWN", nil))
            #expect(try check("c2") == (true, "SEVERAL_SESSIONS_ALLOWED", nil))
            let another = try server.get("/v1/sessions/S1").json?.member("actions")?.member("startAnother")
            #expect(another?.string("reason") == "START_IN_PROGRESS")
            #expect(another?.string("connectorId") == "c1")
            #expect(another?.member("elsewhere")?.bool == true)
            seconds.withLock { $0 = 20 }
            try server.report("SESSION_STARTED", "S1", at: 15, extra: #","userId":"u1""#)
            #expect(try check("c1") == (false, "COOLDOWN", "S1"))
            #expect(try check("c1", of: "u2") == (false, "COOLDOWN", nil))
            seconds.withLock { $0 = 120 }
            #expect(try check("c1").0 == true)
            #expect(try server.get("/v1/users/u1/start-check").status == 400)
        }
    }

    @Test(arguments: [
        ("/v1/sessions?statsu=STARTED", "Did you mean status?"), ("/v1/sessions/S1?vesion=1", "Did you mean version?"),
        ("/v1/users/u1/sessions?limt=1", "Did you mean limit?"), ("/v1/sessions/S1/cdr?limit=1", "There is none."),
        ("/v1/fees?somethingElse=1", "Known are: dueWithin, limit."),
    ]) func `a parameter that is not known is named`(target: String, says: String) throws {
        try withApplication { server throws in
            let answer = try server.get(target)
            #expect(answer.status == 400)
            #expect(answer.problem == "malformed-query")
            #expect(answer.json?.string("detail")?.hasSuffix(says) == true, "\(answer.text)")
        }
    }

    @Test func `so is a member of a body`() throws {
        try withApplication({ $0.api.adminToken = try Callback.key("of-an-operator-of-ours") }) { server throws in
            for (path, body) in [
                ("/v1/tokens", #"{"userId":"u","ttl":5}"#), ("/v1/quarantine/retry", #"{"all":true,"id":[1]}"#),
            ] {
                let answer = try server.post(path, body, token: "of-an-operator-of-ours")
                #expect(answer.status == 400, "\(path) \(answer.text)")
                #expect(answer.problem == "unknown-member")
            }
        }
    }

    @Test func `a search for chargers is passed on as it came`() throws {
        let upstream = Upstream { _, _ in Upstream.json(#"{"locations":[]}"#) }
        try withGateway(upstream) { server throws in
            let target = "/drive/v1/geosearch/radius?latitude=52.290056&longitude=20.907028&distance=500"
            let answer = try server.send(
                ClientRequest(
                    method: "POST", target: target, fields: [("X-API-Key", RunningServer.token)],
                    body: Array(#"{"filters":{"locationStatuses":["AVAILABLE"]}}"#.utf8)))
            #expect(answer.status == 200)
            #expect(answer.text == #"{"locations":[]}"#)
            let call = try #require(upstream.calls.last)
            #expect(call.path == "/v1/geosearch/radius")
            #expect(call.body == #"{"filters":{"locationStatuses":["AVAILABLE"]}}"#)
            #expect(call.key == "the-key-of-the-drive-api")
            let broken = try server.post("/v1/geosearch/radius", "[]")
            #expect(broken.problem == "malformed-geosearch")
        }
    }

    @Test func `a page has a link to the next one`() throws {
        try withSessions { server throws in
            let first = try server.get("/v1/users/u1/sessions?cursor=&status=*&limit=2")
            let link = try #require(first.field("Link"))
            #expect(link.hasSuffix(#">; rel="next""#))
            let next = String(link.dropFirst().prefix { $0 != ">" })
            #expect(next.hasPrefix("/v1/users/u1/sessions?status=*&limit=2&cursor="))
            let second = try server.get(next)
            #expect(ids(second).count == 2)
            #expect(Set(ids(first)).isDisjoint(with: ids(second)))
            #expect(try server.get("/v1/users/u1/sessions?status=STARTED").field("Link") == nil)
        }
    }

    @Test func `pages of configured origins may read, and no others`() throws {
        let origin = [("Origin", "https://app.example.com")]
        try withApplication { server throws in
            #expect(try server.get("/v1/sessions/S1", fields: origin).field("Access-Control-Allow-Origin") == nil)
        }
        try withApplication({ $0.http.corsOrigins = "https://app.example.com, http://localhost:3000" }) {
            server throws in
            let answer = try server.get("/v1/sessions/S1", fields: origin)
            #expect(answer.status == 404)
            #expect(answer.field("Access-Control-Allow-Origin") == "https://app.example.com")
            let other = try server.get("/v1/sessions/S1", fields: [("Origin", "https://other.example.com")])
            #expect(other.field("Access-Control-Allow-Origin") == nil)
            let question = try server.get(
                "/v1/users/u1/sessions/history", method: "OPTIONS", token: nil,
                fields: origin + [("Access-Control-Request-Method", "POST")])
            #expect(question.status == 204)
            #expect(question.field("Access-Control-Allow-Methods") == "POST")
            #expect(question.field("Access-Control-Allow-Headers")?.contains("Authorization") == true)
            #expect(try server.get("/v1/sessions/S1", method: "OPTIONS", token: nil).status == 405)
        }
    }
}
