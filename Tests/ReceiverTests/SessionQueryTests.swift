import HTTPClient
import Receiver
import SessionModel
import Testing

/// The query API over a real socket.
@Suite struct SessionQueryTests {
    private let body = Callback.body("SESSION_STARTED", extra: #","userId":"user1""#)

    @Test func `every answer of a session`() throws {
        try withApplication { server throws in
            #expect(try server.post(body).status == 200)
            #expect(try server.post(body).status == 200)
            #expect(try server.post(Callback.body("SESSION_STOPPED", at: "2025-06-12T09:00:00Z")).status == 200)
            let answer = try server.get("/v1/sessions/S1")
            #expect(answer.status == 200)
            #expect(answer.field("Content-Type") == "application/json")
            #expect(answer.field("Cache-Control") == "no-store")
            #expect(answer.field("ETag")?.wholeMatch(of: /W\/"2-[0-9a-f]{8}"/) != nil)
            #expect(
                answer.text
                    == #"{"sessionId":"S1","userId":"user1","sessionStatus":"STARTED","#
                    + #""statusSince":"2025-06-12T10:00:00Z","startTime":"2025-06-12T10:00:00Z","#
                    + #""stopTime":"2025-06-12T09:00:00Z","duration":"PT2854H53M20S","version":2,"#
                    + #""lastFact":{"event":"SESSION_STARTED","timestamp":"2025-06-12T10:00:00Z","#
                    + #""receivedAt":"2025-10-09T08:53:20Z","source":"webhook"},"#
                    + #""deliveries":{"received":3,"duplicates":1,"arrivedLate":1},"effectiveStatus":"STARTED","actions":{"#
                    + #""stop":{"allowed":false,"reason":"KEY_TYPE_UNKNOWN"},"#
                    + #""startAnother":{"allowed":true,"reason":"SEVERAL_SESSIONS_ALLOWED"},"#
                    + #""abandon":{"allowed":true,"reason":"STARTED_TOO_LONG"},"#
                    + #""retryPayment":{"allowed":false,"reason":"NOT_COMPLETE"}},"#
                    + #""anomalies":[{"code":"STARTED_TOO_LONG","explanation":"#
                    + #""The session started long ago, and nothing told of its end."},"#
                    + #"{"code":"STOPPED_BEFORE_STARTED","explanation":"#
                    + #""The session stopped before it started, as its facts have it."}]}"#)
        }
    }

    @Test func `every fact in fold order, and why one decided`() throws {
        try withApplication { server throws in
            for event in [
                Callback.body("SESSION_COMPLETE", at: "2025-06-12T10:30:00Z"),
                Callback.body("SESSION_STOPPED", at: "2025-06-12T10:31:00Z"),
                Callback.body("SESSION_FEE_INCURRING", at: "2025-06-12T10:15:00Z", extra: #","feeType":"BLOCKING""#),
                Callback.body("SESSION_STARTED", at: "2025-06-12T12:00:00+02:00"),
                Callback.body("SESSION_COMPLETED", at: "2025-06-12T10:30:00.000Z"),
            ] {
                #expect(try server.post(event).status == 200)
            }
            let answer = try server.get("/v1/sessions/S1/facts")
            #expect(answer.status == 200)
            #expect(answer.field("Content-Type") == "application/json")
            let json = try #require(answer.json)
            #expect(json.string("sessionId") == "S1")
            #expect(json.string("sessionStatus") == "COMPLETE")
            #expect(json.member("version")?.text == "4")
            #expect(json.member("decision")?.string("reason") == "COMPLETE_IS_FINAL")
            let facts = json.member("facts")?.elements ?? []
            #expect(
                facts.map { $0.string("event") } == [
                    "SESSION_STARTED", "SESSION_FEE_INCURRING", "SESSION_COMPLETE", "SESSION_STOPPED",
                ])
            #expect(facts.map { $0.member("decided")?.text } == ["false", "false", "true", "false"])
            #expect(
                facts.map { $0.string("reason") } == [
                    "EARLIER_TIMESTAMP", "CHANGES_NO_STATUS", "COMPLETE_IS_FINAL", "OVERRULED_BY_COMPLETE",
                ])
            #expect(facts.map { $0.member("deliveries")?.text } == ["1", "1", "2", "1"])
            #expect(facts.allSatisfy { $0.string("receivedAt") == "2025-10-09T08:53:20Z" })
            #expect(facts.allSatisfy { $0.string("explanation")?.isEmpty == false })
            #expect(facts.first?.string("timestamp") == "2025-06-12T10:00:00Z")
            #expect(facts.dropFirst().first?.member("payload")?.text == #"{"feeType":"BLOCKING"}"#)
        }
    }

    @Test func `HEAD has the headers of GET and no body`() throws {
        try withApplication { server throws in
            #expect(try server.post(body).status == 200)
            for target in [
                "/v1/sessions/S1", "/v1/sessions/S1/facts", "/v1/sessions/unknown", "/healthz", "/readyz",
            ] {
                let get = try server.get(target)
                let head = try server.get(target, method: "HEAD")
                #expect(head.status == get.status)
                #expect(head.body.isEmpty)
                #expect(head.field("Content-Length") == String(get.body.count))
                #expect(head.field("Content-Type") == get.field("Content-Type"))
                #expect(head.field("ETag") == get.field("ETag"))
            }
            for target in ["/metrics", "/v1/quarantine", "/v1/log"] {
                let head = try server.get(target, method: "HEAD")
                #expect(head.status == (target == "/metrics" ? 200 : 403))
                #expect(head.body.isEmpty)
            }
            #expect(try server.get("/healthz").status == 200, "the connection is still in step")
        }
    }

    @Test func `an unknown session: 404`() throws {
        try withApplication { server throws in
            for target in [
                "/v1/sessions/unknown", "/v1/sessions/unknown/facts", "/v1/sessions/s1", "/v1/sessions/retry",
            ] {
                let answer = try server.get(target)
                #expect(answer.status == 404)
                #expect(answer.problem == "session-not-found")
                #expect(answer.field("ETag") == nil)
            }
            #expect(try server.get("/v1/sessions/unknown", fields: [("If-None-Match", "*")]).status == 404)
        }
    }

    @Test(arguments: [
        ("a b", "a%20b"), ("a/b", "a%2Fb"), ("a/facts", "a%2ffacts"), ("ü-ß-漢", "%C3%BC-%C3%9F-%E6%BC%A2"),
        ("100%", "100%25"),
        ("a+b", "a+b"), ("a?b#c", "a%3Fb%23c"), ("..", ".."), ("..", "%2E%2E"),
        ("~-._!$&'()*,;=:@", "~-._!$&'()*,;=:@"),
        ("facts", "facts"), ("🔌", "%F0%9F%94%8C"),
    ]) func `session ids are percent-decoded`(id: String, encoded: String) throws {
        try withApplication { server throws in
            #expect(try server.post(Callback.body("SESSION_STARTED", id)).status == 200)
            let answer = try server.get("/v1/sessions/\(encoded)")
            #expect(answer.status == 200, "\(encoded)")
            #expect(answer.json?.string("sessionId") == id)
            #expect(try server.get("/v1/sessions/\(encoded)/facts").json?.string("sessionId") == id)
        }
    }

    @Test func `ids of other bytes are other sessions`() throws {
        try withApplication { server throws in
            #expect(try server.post(Callback.body("SESSION_STARTED", "\u{E9}")).status == 200)
            #expect(try server.get("/v1/sessions/%C3%A9").status == 200)
            #expect(try server.get("/v1/sessions/e%CC%81").status == 404)
        }
    }

    @Test func `preconditions are lists, in one field or in several`() throws {
        try withApplication { server throws in
            #expect(try server.post(body).status == 200)
            let tag = try #require(try server.get("/v1/sessions/S1").field("ETag"))
            func status(_ fields: [(name: String, value: String)], _ method: String = "GET") throws -> Int {
                try server.get("/v1/sessions/S1", method: method, fields: fields).status
            }
            #expect(try status([("If-None-Match", "\"x\""), ("If-None-Match", tag)]) == 304)
            #expect(try status([("If-None-Match", "\"x\""), ("If-None-Match", "\"y\"")]) == 200)
            // Our tags are weak, and those never match here (RFC 9110 section 13.1.1).
            #expect(try status([("If-Match", tag)]) == 412)
            #expect(try status([("If-Match", "\"x\"")], "HEAD") == 412)
            #expect(try status([("If-Match", "*")]) == 200)
            let abandoned = try server.get("/v1/sessions/S1/abandon", method: "POST", fields: [("If-Match", "\"x\"")])
            #expect(abandoned.problem == "precondition-failed")
            #expect(try server.get("/v1/sessions/S2", fields: [("If-Match", "\"x\"")]).status == 404)
        }
    }

    @Test func `an entity tag that is known: 304 until a new fact comes`() throws {
        try withApplication { server throws in
            #expect(try server.post(body).status == 200)
            let tag = try #require(try server.get("/v1/sessions/S1").field("ETag"))
            let strong = String(tag.dropFirst(2))
            func status(_ known: String) throws -> Int {
                let answer = try server.get("/v1/sessions/S1", fields: [("If-None-Match", known)])
                if answer.status == 304 {
                    #expect(answer.body.isEmpty)
                    #expect(answer.field("ETag") == tag)
                    #expect(answer.field("Content-Type") == nil)
                }
                return answer.status
            }
            for known in [tag, strong, "*", #""a", \#(tag)"#, #""0" , \#(strong) "#, #"W/"x",\#(tag),W/"y""#] {
                #expect(try status(known) == 304, "\(known)")
            }
            for known in [#""2""#, #"W/"1""#, #"W/"11""#, "1", "", "w/" + strong, #""*""#, "W/ " + strong] {
                #expect(try status(known) == 200, "\(known)")
            }
            #expect(try server.post(body).status == 200)
            #expect(try status(tag) == 304, "a repeat changes no state")
            #expect(try server.post(Callback.body("SESSION_STOPPED", at: "2025-06-12T11:00:00Z")).status == 200)
            #expect(try status(tag) == 200)
            #expect(try server.get("/v1/sessions/S1").field("ETag")?.hasPrefix(#"W/"2-"#) == true)
        }
    }
}
