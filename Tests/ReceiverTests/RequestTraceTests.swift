import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionModel
import Testing

/// What a request is called across programs, and the lines about it.
@Suite struct RequestTraceTests {
    @Test(arguments: [
        ("3f2a-11EE_b9.d1:c/a+b=", true), (String(repeating: "x", count: 128), true),
        (String(repeating: "x", count: 129), false), ("two words", false), ("<script>", false), ("a\"b", false),
        ("ä", false),
    ]) func `an id of safe form comes back, any other does not`(id: String, isSafe: Bool) throws {
        try withApplication { server throws in
            for target in ["/v1/sessions/none", "/healthz", "/metrics"] {
                let answer = try server.get(target, fields: [("X-Request-Id", id)])
                #expect(answer.field("X-Request-Id") == (isSafe ? id : nil), "\(target)")
            }
        }
    }

    @Test func `a refused callback has a line with who sent what, and where it is kept`() throws {
        try withApplication { server throws in
            _ = try server.post(
                Callback.body("SESSION_STARTED", "a"), secret: "some-other-secret",
                fields: [("X-Request-Id", "r-17"), ("X-Forwarded-For", "192.0.2.7")])
            _ = try server.post(Array("{}".utf8))
            let lines = server.log.lines("callback refused")
            #expect(lines.map { $0.string("path") } == [Callback.path, Callback.path])
            #expect(lines.map { $0.string("method") } == ["POST", "POST"])
            #expect(lines.map { $0.string("client") } == ["unix", "unix"])
            #expect(lines[0].string("requestId") == "r-17")
            #expect(lines[0].string("forwardedFor") == "192.0.2.7")
            let kept = try server.quarantine().map { "\($0.id)" }
            #expect(lines.compactMap { $0.string("quarantine") }.sorted() == kept.sorted())
            #expect(kept.count == 2)
        }
    }

    @Test func `what leads nowhere is answered with the id, and to pages that may ask, as everything is`() throws {
        try withApplication({ $0.http.corsOrigins = "https://app.example.com" }) { server throws in
            let fields = [("X-Request-Id", "r-404"), ("Origin", "https://app.example.com")]
            for (method, target, status) in [("GET", "/v1/nope", 404), ("PUT", "/v1/sessions/x", 405)] {
                let answer = try server.get(target, method: method, fields: fields)
                #expect(answer.status == status)
                #expect(answer.field("X-Request-Id") == "r-404")
                #expect(answer.field("Access-Control-Allow-Origin") == "https://app.example.com")
            }
        }
    }

    @Test func `at debug every request has a line, which names no person`() throws {
        try withApplication { server throws in
            _ = try server.get("/v1/users/private-user/sessions", fields: [("X-Request-Id", "r-18")])
            _ = try server.post(Callback.body("SESSION_STARTED", "a"))
            let lines = server.log.lines("request")
            #expect(lines.map { $0.string("route") } == ["/v1/users/{userId}/sessions", Callback.path])
            #expect(lines.map { $0.string("status") } == ["200", "200"])
            #expect(lines.map { $0.string("level") } == ["debug", "debug"])
            #expect(lines[0].string("requestId") == "r-18")
            #expect(!server.log.text.contains("private-user"))
        }
    }

    @Test func `what is safe of it goes upstream with a call, and nothing else`() throws {
        let upstream = Upstream { call, _ in Upstream.json(#"{"sessionId":"S1"}"#) }
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        try withGateway(upstream) { server in
            func call(_ method: String, _ path: String, _ fields: [(name: String, value: String)]) throws {
                _ = try server.send(
                    ClientRequest(
                        method: method, target: "/v1/users/u1/sessions/" + path,
                        fields: [("Authorization", "Bearer \(RunningServer.token)")] + fields,
                        body: Array(#"{"connectorId":"c1"}"#.utf8)))
            }
            for (method, path) in [
                ("POST", "start"), ("POST", "S1/stop"), ("GET", "S1/receipt"), ("POST", "S1/retry-payment"),
            ] {
                try call(method, path, [("X-Request-Id", "r-\(path)"), ("traceparent", trace)])
            }
            #expect(upstream.calls.map(\.requestId) == ["r-start", "r-S1/stop", "r-S1/receipt", "r-S1/retry-payment"])
            #expect(upstream.calls.allSatisfy { $0.traceparent == trace })
            try call("POST", "S1/stop", [("X-Request-Id", "no; good"), ("traceparent", trace.uppercased())])
            #expect(upstream.calls.last?.requestId == nil)
            #expect(upstream.calls.last?.traceparent == nil)
        }
    }

    @Test func `a line about a call that failed names the request that it was made for`() throws {
        let upstream = Upstream { _, _ in Response(status: 500) }
        try withGateway(upstream) { server in
            let fields = [("Authorization", "Bearer \(RunningServer.token)"), ("X-Request-Id", "r-19")]
            _ = try server.send(
                ClientRequest(method: "POST", target: "/v1/users/u1/sessions/S1/stop", fields: fields, body: []))
            #expect(server.log.lines("a call to the Drive API failed").map { $0.string("requestId") } == ["r-19"])
        }
    }
}
