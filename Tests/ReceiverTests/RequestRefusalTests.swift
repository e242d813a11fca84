import Base
import HTTPClient
import HTTPServer
import Receiver
import SessionIndex
import SessionStore
import Testing

/// Requests that reach no resource, or not in a form that it takes, over a real socket.
@Suite struct RequestRefusalTests {
    @Test(arguments: [
        "/", "/webhooks", "/webhooks/", "/webhooks/session-events/x", "//healthz",
        "/healthz/", "/Healthz", "/v1", "/v1/sessions/", "/v1/sessions/S1/", "/v1/sessions//facts",
        "/v1/sessions/S1/facts/1", "/v1/sessions/S1/Facts", "/v2/sessions/S1", "/v1/log/1", "/v1/quarantine/",
        "/v1/quarantine/abc", "/v1/quarantine/99999999999999999999", "/v1/a/b/c/d/e/f", "/metrics?/x/",
    ]) func `unknown paths: 404`(path: String) throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try server.get(path)
            if path.hasPrefix("/metrics?") {
                #expect(answer.status == 200, "a query does not count")
                return
            }
            #expect(answer.status == 404, "\(path)")
            #expect(answer.problem == "not-found")
        }
    }

    @Test func `a path that does not decode: 400`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try server.get("/v1/sessions/%FF")
            #expect(answer.status == 400)
            #expect(answer.problem == "malformed-path")
            let half = try server.get("/v1/sessions/%4")
            #expect(half.status == 400)
            #expect(half.problem?.isEmpty == false)
        }
    }

    @Test(arguments: [
        (Callback.path, ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"], "POST"),
        ("/v1/sessions/S1", ["POST", "PUT", "DELETE", "OPTIONS"], "GET, HEAD"),
        ("/v1/sessions/S1/facts", ["POST", "DELETE"], "GET, HEAD"), ("/v1/log", ["POST", "DELETE"], "GET, HEAD"),
        ("/v1/quarantine", ["POST", "DELETE"], "GET, HEAD"),
        ("/v1/quarantine/1", ["POST", "PUT"], "GET, HEAD, DELETE"),
        ("/v1/quarantine/retry", ["GET", "HEAD", "DELETE"], "POST"), ("/healthz", ["POST", "DELETE"], "GET, HEAD"),
        ("/readyz", ["POST"], "GET, HEAD"), ("/metrics", ["POST", "TRACE"], "GET, HEAD"),
    ]) func `other methods: 405 with those that are allowed`(path: String, methods: [String], allow: String) throws {
        try withReceiver(FakeStore()) { server, _ throws in
            for method in methods {
                let answer = try server.send(ClientRequest(method: method, target: path))
                #expect(answer.status == 405, "\(method) \(path)")
                #expect(answer.field("Allow") == allow)
                #expect(method == "HEAD" || answer.problem == "method-not-allowed")
                #expect(answer.body.isEmpty == (method == "HEAD"))
            }
        }
    }

    /// Sends raw text and takes the whole answer apart.
    private func exchange(_ server: RunningServer, _ text: String) throws -> RawAnswer {
        let socket = try server.raw()
        socket.send(text)
        socket.finish()
        return try #require(RawAnswer(try socket.receiveAll()))
    }

    private func expect(
        _ answer: RawAnswer, _ status: Int, _ problem: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(answer.status == status, sourceLocation: sourceLocation)
        #expect(answer.field("Content-Type") == "application/problem+json", sourceLocation: sourceLocation)
        #expect(
            answer.body.hasPrefix(#"{"type":"urn:chargefold:problem:\#(problem)","#), "\(answer.body)",
            sourceLocation: sourceLocation)
        #expect(answer.body.contains(#""status":\#(status)"#), sourceLocation: sourceLocation)
    }

    @Test(arguments: ["*", "http://x"]) func `the options of the server as a whole: 204`(target: String) throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try exchange(server, "OPTIONS \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(answer.status == 204)
            #expect(answer.field("Allow") == "GET, HEAD, POST, DELETE, OPTIONS")
            #expect(answer.field("Content-Length") == nil)
            #expect(answer.body.isEmpty)
        }
    }

    @Test func `the method's case matters`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try exchange(server, "get /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            expect(answer, 405, "method-not-allowed")
        }
    }

    @Test func `CONNECT is allowed nowhere, and that is said once`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try exchange(server, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
            expect(answer, 405, "http-connect-not-supported")
            let allows = answer.head.split(separator: "\r\n").filter { $0.lowercased().hasPrefix("allow:") }
            #expect(allows.count == 1)
        }
    }

    @Test func `a callback without a body: 411, and the connection lives on`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let head = "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\n"
            let socket = try server.raw()
            socket.send(head + "\r\n" + "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let both = try socket.receiveAll()
            expect(try #require(RawAnswer(both)), 411, "length-required")
            #expect(both.contains(#"{"status":"ok"}"#))
            // An empty body is a body, and no event.
            expect(try exchange(server, head + "Content-Length: 0\r\n\r\n"), 401, "missing-credentials")
        }
    }

    @Test func `a body that is announced too large is refused before it comes`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            for length in ["65537", "99999999999"] {
                let socket = try server.raw()
                socket.send("POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n")
                expect(try #require(RawAnswer(try socket.receiveAll())), 413, "http-body-too-large")
            }
            let waiting = try server.raw()
            waiting.send(
                "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n")
            expect(try #require(RawAnswer(try waiting.receiveAll())), 413, "http-body-too-large")
        }
    }

    @Test func `100-continue is sent where the body will be taken`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let body = Callback.body("SESSION_STARTED")
            let socket = try server.raw()
            socket.send(
                "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\nConnection: close\r\n"
                    + "X-HMAC-SHA512-Signature: \(try Callback.signature(body))\r\nExpect: 100-continue\r\n\r\n")
            #expect(try socket.receive(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            socket.send(body)
            #expect(RawAnswer(try socket.receiveAll())?.status == 200)
        }
    }

    @Test func `what is too long has its own answers`() throws {
        var limits = Limits()
        limits.targetBytesMax = 256
        limits.headerBytesMax = 1024
        limits.headerCountMax = 8
        try withReceiver(FakeStore(), limits: limits) { server, _ throws in
            let long = try server.get("/v1/sessions/" + String(repeating: "x", count: 300))
            #expect(long.status == 414)
            #expect(long.problem == "http-target-too-long")
            let large = try server.get("/healthz", fields: [("X-Filler", String(repeating: "x", count: 2000))])
            #expect(large.status == 431)
            #expect(large.problem == "http-header-too-large")
            let many = try server.get("/healthz", fields: (0..<10).map { (name: "X-\($0)", value: "x") })
            #expect(many.status == 431)
            expect(
                try exchange(server, String(repeating: "M", count: 100) + " / HTTP/1.1\r\nHost: x\r\n\r\n"), 501,
                "http-method-too-long")
        }
    }

    @Test func `who does not come to the point: 408`() throws {
        var limits = Limits()
        limits.headerTimeoutSeconds = 0.05
        limits.bodyTimeoutSeconds = 0.05
        try withReceiver(FakeStore(), limits: limits) { server, _ throws in
            for text in [
                "GET /healthz HTT", "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345",
            ] {
                let socket = try server.raw()
                socket.send(text)
                expect(try #require(RawAnswer(try socket.receiveAll())), 408, "http-timeout")
            }
        }
    }

    @Test(arguments: [
        ("nonsense\r\n\r\n", 400, "http-malformed-request-line"),
        ("GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http-unsupported-version"),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400, "http-missing-host"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400, "http-folded-field"),
        (
            "POST /webhooks/session-events HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", 400,
            "http-invalid-length"
        ),
        (
            "POST /webhooks/session-events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400, "http-ambiguous-length"
        ),
        (
            "POST /webhooks/session-events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
            "http-unsupported-transfer-coding"
        ),
        (
            "POST /webhooks/session-events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400,
            "http-malformed-chunk"
        ),
        (
            "POST /webhooks/session-events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123", 400,
            "http-incomplete-message"
        ),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417, "http-expectation-failed"),
    ]) func `what is no acceptable HTTP is a problem too`(text: String, status: Int, problem: String) throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try exchange(server, text)
            expect(answer, status, problem)
            #expect(answer.field("Connection")?.lowercased() == "close")
            #expect(server.features.metrics.refusedRequests.value == 1)
            #expect(server.log.lines("request refused").count == 1)
        }
    }
}
