import Base
import DriveAPI
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionModel
import SessionStore
import Testing

@Suite struct GatewayTests {
    private static let started = Upstream.json(#"{"sessionId":"S1"}"#)

    private func start(
        _ server: RunningServer, connector: String = "c1", user: String = "u1", key: String? = nil,
        credentials: [(name: String, value: String)] = [("Authorization", "Bearer \(RunningServer.token)")],
        base: String = ""
    ) throws -> ClientResponse {
        let fields = credentials + (key.map { [(name: "Idempotency-Key", value: $0)] } ?? [])
        return try server.send(
            ClientRequest(
                method: "POST", target: base + "/v1/users/\(user)/sessions/start", fields: fields,
                body: Array(#"{"connectorId":"\#(connector)"}"#.utf8)))
    }

    private func post(_ server: RunningServer, _ path: String) throws -> ClientResponse {
        try server.send(
            ClientRequest(
                method: "POST", target: path, fields: [("Authorization", "Bearer \(RunningServer.token)")], body: []))
    }

    @Test func `a start is passed on and the session is there before the answer`() throws {
        let upstream = Upstream { _, _ in Self.started }
        try withGateway(upstream) { server in
            let answer = try start(server)
            #expect(answer.status == 200)
            #expect(answer.text == #"{"sessionId":"S1"}"#)
            #expect(upstream.calls.map(\.path) == ["/v1/users/u1/sessions/start"])
            #expect(upstream.calls.first?.key == "the-key-of-the-drive-api")
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.string("sessionStatus") == "WAITING_TO_START")
            #expect(session?.string("userId") == "u1")
            #expect(session?.string("connectorId") == "c1")
        }
    }

    @Test func `an app that was written for the Drive API needs another host only`() throws {
        try withGateway(Upstream { _, _ in Self.started }) { server in
            let answer = try start(
                server, credentials: [("X-API-Key", RunningServer.token)], base: "/drive")
            #expect(answer.status == 200)
            let found1 = try start(server, credentials: [("X-API-Key", "another")]).status
            #expect(found1 == 401)
            let found2 = try start(server, credentials: []).status
            #expect(found2 == 401)
            let session = try server.send(
                ClientRequest(
                    method: "GET", target: "/drive/v1/users/u1/sessions/S1",
                    fields: [("X-API-Key", RunningServer.token)], body: []))
            #expect(session.json?.string("sessionStatus") == "WAITING_TO_START")
        }
    }

    @Test func `the connector cools down before upstream is asked`() throws {
        let now = Locked(testTime)
        let upstream = Upstream { _, number in Upstream.json(#"{"sessionId":"S\#(number)"}"#) }
        try withGateway(upstream, clock: { now.withLock { $0 } }) { server in
            let found3 = try start(server).status
            #expect(found3 == 200)
            now.withLock { $0 = $0.adding(seconds: 20) }
            let refused = try start(server, user: "u2")
            #expect(refused.status == 409)
            #expect(refused.problem == "connector-cooldown")
            #expect(refused.field("Retry-After") == "40")
            #expect(upstream.calls.count == 1)
            let found4 = try start(server, connector: "c2").status
            #expect(found4 == 200)
            now.withLock { $0 = $0.adding(seconds: 40) }
            let found5 = try start(server).status
            #expect(found5 == 200)
        }
    }

    @Test func `the cooldown survives a restart`() throws {
        let directory = TestDirectory()
        let upstream = Upstream { _, _ in Self.started }
        let first = try withGateway(upstream, in: directory) { try start($0) }
        #expect(first.status == 200)
        let second = try withGateway(upstream, in: directory) { try start($0) }
        #expect(second.status == 409)
    }

    @Test func `a key gets the same answer also after a restart`() throws {
        let directory = TestDirectory()
        let upstream = Upstream { _, number in Upstream.json(#"{"sessionId":"S\#(number)","more":[1, 2]}"#) }
        let first = try withGateway(upstream, in: directory) { server in
            let first = try start(server, key: "k")
            let found6 = try start(server, key: "k").body
            #expect(found6 == first.body)
            let found7 = try start(server, connector: "c2", key: "k").problem
            #expect(found7 == "idempotency-key-reused")
            let found8 = try start(server, connector: "c2", key: "k").status
            #expect(found8 == 422)
            // Another user's key is another key.
            let found9 = try start(server, connector: "c2", user: "u2", key: "k").status
            #expect(found9 == 200)
            return first
        }
        try withGateway(upstream, in: directory) { server in
            let again = try start(server, key: "k")
            #expect(again.body == first.body)
            #expect(again.field("Idempotency-Replayed") == "true")
        }
        #expect(upstream.calls.count == 2)
    }

    @Test func `a key in flight is refused`() throws {
        let upstream = Upstream { _, _ in nil }
        try withGateway(upstream) { server in
            let waiting = try server.raw()
            let body = #"{"connectorId":"c1"}"#
            waiting.send(
                "POST /v1/users/u1/sessions/start HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(RunningServer.token)\r\n"
                    + "Idempotency-Key: k\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            #expect(upstream.waitForCall())
            let found10 = try start(server, key: "k").problem
            #expect(found10 == "idempotency-in-flight")
            upstream.release(Self.started)
        }
    }

    @Test(arguments: ["", "two words", String(repeating: "k", count: 256), "\u{e9}"])
    func `a key must be visible ASCII`(_ key: String) throws {
        try withGateway(Upstream { _, _ in Self.started }) { server in
            let found11 = try start(server, key: key).problem
            #expect(found11 == "invalid-idempotency-key")
        }
    }

    @Test func `a call that had no effect gives key and connector free`() throws {
        let upstream = Upstream { _, number in
            number == 1 ? Upstream.json(#"{"message":"no"}"#, status: 404) : Self.started
        }
        try withGateway(upstream) { server in
            let refused = try start(server, key: "k")
            #expect(refused.status == 404)
            #expect(refused.json?.member("upstreamBody")?.text == #"{"message":"no"}"#)
            let found12 = try start(server, key: "k").status
            #expect(found12 == 200)
        }
    }

    @Test func `a call of unknown effect is not repeated`() throws {
        let upstream = Upstream { _, _ in Upstream.json("{}", status: 500) }
        try withGateway(upstream) { server in
            let failed = try start(server, key: "k")
            #expect(failed.status == 502)
            #expect(failed.problem == "drive-api-upstream-failed")
            let found13 = try start(server, key: "k").status
            #expect(found13 == 502)
            let found14 = try start(server).status
            #expect(found14 == 409)
            #expect(upstream.calls.count == 1)
        }
    }

    @Test func `a secret to sign is passed through and the connector is free`() throws {
        let upstream = Upstream { _, number in
            number == 1 ? Upstream.json(#"{"threeDSClientSecret":"pi_secret"}"#) : Self.started
        }
        try withGateway(upstream) { server in
            let found15 = try start(server).text
            #expect(found15 == #"{"threeDSClientSecret":"pi_secret"}"#)
            let found16 = try start(server).text
            #expect(found16 == #"{"sessionId":"S1"}"#)
        }
    }

    @Test(arguments: ["", "[]", "{}", #"{"connectorId":""}"#, #"{"connectorId":7}"#])
    func `a start needs a connector`(_ body: String) throws {
        let upstream = Upstream { _, _ in Self.started }
        try withGateway(upstream) { server in
            let answer = try server.send(
                ClientRequest(
                    method: "POST", target: "/v1/users/u/sessions/start",
                    fields: [("Authorization", "Bearer \(RunningServer.token)")], body: Array(body.utf8)))
            #expect(answer.problem == "invalid-start")
            #expect(upstream.calls.isEmpty)
        }
    }

    @Test func `a stop is noted unless the session has ended`() throws {
        let upstream = Upstream { call, _ in
            call.path.hasSuffix("/stop") ? Response(status: 200) : Self.started
        }
        try withGateway(upstream) { server in
            _ = try start(server)
            let found17 = try post(server, "/v1/users/u1/sessions/S1/stop").status
            #expect(found17 == 200)
            let found18 = try server.get("/v1/sessions/S1").json?.string("sessionStatus")
            #expect(found18 == "WAITING_TO_STOP")
            _ = try server.post(Callback.body("SESSION_STOPPED", "S1", at: "2096-06-12T11:00:00Z"))
            let found19 = try post(server, "/v1/users/u1/sessions/S1/stop").status
            #expect(found19 == 200)
            let found20 = try server.get("/v1/sessions/S1").json?.string("sessionStatus")
            #expect(found20 == "STOPPED")
        }
        #expect(upstream.calls.last?.path == "/v1/users/u1/sessions/S1/stop")
    }

    @Test func `receipt and payment are passed on`() throws {
        let upstream = Upstream { call, _ in
            Upstream.json(call.method == "GET" ? #"{"url":"https://x"}"# : #"{"balanceStatus":"PAID"}"#)
        }
        try withGateway(upstream) { server in
            let found21 = try server.get("/v1/users/u1/sessions/S1/receipt").text
            #expect(found21 == #"{"url":"https://x"}"#)
            let paid = try post(server, "/v1/users/u1/sessions/S1/retry-payment")
            #expect(paid.text == #"{"balanceStatus":"PAID"}"#)
        }
        #expect(
            upstream.calls.map(\.path) == [
                "/v1/users/u1/sessions/S1/receipt", "/v1/users/u1/sessions/S1/retry-payment",
            ])
    }

    @Test(arguments: [
        "..", ".", "%2e%2E", "%2e", "a%2Fb", "..%2F..%2Fu2", "%2F", "a%5Cb", "%5c..", "a%252Fb", "%252e%252e",
        "a%255cb",
        "a%00", "..%2fu2%2fsessions%2fS2%3f",
    ])
    func `an id that leads elsewhere is not passed on`(_ id: String) throws {
        let upstream = Upstream { _, _ in Self.started }
        try withGateway(upstream) { server in
            for path in [
                "users/u1/sessions/\(id)/stop", "users/u1/sessions/\(id)/retry-payment", "users/\(id)/sessions/start",
                "users/\(id)/sessions/S1/stop",
            ] {
                let found = try post(server, "/v1/" + path).status
                #expect(found == 404)
            }
            #expect(upstream.calls.isEmpty)
        }
    }

    /// What is about this server's own request, or would have a client's library repeat it, says 502 to the client.
    @Test(arguments: [
        (400, 400), (402, 402), (409, 409), (405, 502), (407, 502), (408, 502), (413, 502), (425, 502), (426, 502),
    ])
    func `refusals that say nothing of the request are 502`(upstream status: UInt16, answered: Int) throws {
        try withGateway(Upstream { _, _ in Upstream.json(#"{"message":"no"}"#, status: status) }) { server in
            let answer = try post(server, "/v1/users/u1/sessions/S1/retry-payment")
            #expect(answer.status == answered)
            #expect(answer.problem == "drive-api-rejected")
            #expect(answer.json?.member("upstreamStatus")?.integer == Int(status))
        }
    }

    @Test(arguments: [(205, 200), (206, 200), (201, 201), (204, 204)])
    func `successes that are about something else are 200`(upstream status: UInt16, answered: Int) throws {
        try withGateway(Upstream { _, _ in Upstream.json(status == 204 ? "" : "{}", status: status) }) { server in
            let answer = try post(server, "/v1/users/u1/sessions/S1/stop")
            #expect(answer.status == answered)
        }
    }

    @Test func `a coded answer that nobody asked for is not passed on`() throws {
        let upstream = Upstream { _, _ in
            var response = Upstream.json("{}")
            response.add("Content-Encoding", "gzip")
            return response
        }
        try withGateway(upstream) { server in
            let answer = try post(server, "/v1/users/u1/sessions/S1/stop")
            #expect(answer.status == 502)
            #expect(answer.problem == "drive-api-malformed-answer")
        }
    }

    /// What one user's app asks for leaves room for the others.
    @Test func `a user has so many requests under way`() throws {
        let upstream = Upstream { _, number in number <= Gateway.requestsPerUserMax ? nil : Upstream.json("{}") }
        try withGateway(
            upstream,
            {
                $0.driveApi.concurrency = 2 * Gateway.requestsPerUserMax
                $0.driveApi.concurrencyOfUser = Gateway.requestsPerUserMax
            }
        ) { server in
            let waiting = try (0..<Gateway.requestsPerUserMax).map { _ in try server.raw() }
            for socket in waiting {
                socket.send(
                    "POST /v1/users/eve/sessions/S1/retry-payment HTTP/1.1\r\nHost: x\r\n"
                        + "Authorization: Bearer \(RunningServer.token)\r\nContent-Length: 0\r\n\r\n")
                #expect(upstream.waitForCall())
            }
            let refused = try post(server, "/v1/users/eve/sessions/S1/retry-payment")
            #expect(refused.status == 503)
            #expect(refused.problem == "gateway-busy")
            // A driver who cannot stop pays for it.
            #expect(try post(server, "/v1/users/eve/sessions/S1/stop").status == 200)
            upstream.release(Upstream.json("{}"))
            for socket in waiting { #expect(try socket.receive(through: "{}").hasPrefix("HTTP/1.1 200")) }
            let free = try post(server, "/v1/users/eve/sessions/S1/retry-payment").status
            #expect(free == 200)
        }
    }

    /// What is about nobody's session is somebody's request all the same.
    @Test func `a search for chargers is one of its user's requests`() throws {
        let upstream = Upstream { call, _ in call.path.contains("geosearch") ? nil : Upstream.json("{}") }
        let credentials = [(name: "Authorization", value: "Bearer \(RunningServer.token)")]
        try withGateway(
            upstream,
            {
                $0.driveApi.concurrency = 4 * Gateway.requestsPerUserMax
                $0.driveApi.concurrencyOfUser = Gateway.requestsPerUserMax
            }
        ) { server in
            let search = ClientRequest(
                method: "POST", target: "/v1/geosearch/radius", fields: credentials, body: Array("{}".utf8))
            let waiting = try (0..<Gateway.requestsPerUserMax).map { _ in try server.raw() }
            for socket in waiting {
                socket.send(
                    "POST /v1/geosearch/radius HTTP/1.1\r\nHost: x\r\n"
                        + "Authorization: Bearer \(RunningServer.token)\r\nContent-Length: 0\r\n\r\n")
                #expect(upstream.waitForCall())
            }
            #expect(try server.send(search).problem == "gateway-busy")
            #expect(try post(server, "/v1/users/u/sessions/S1/retry-payment").status == 200)
            upstream.release(Upstream.json("{}"))
            for socket in waiting { #expect(try socket.receive(through: "{}").hasPrefix("HTTP/1.1 200")) }
        }
    }

    /// Whoever has all the others, there is room for a stop.
    @Test func `a quarter of all requests is left to stops`() throws {
        let upstream = Upstream { call, _ in call.path.hasSuffix("/stop") ? Upstream.json("{}") : nil }
        try withGateway(upstream, { $0.gateway.requestsMax = 4 }) { server in
            let waiting = try (0..<3).map { _ in try server.raw() }
            for (number, socket) in waiting.enumerated() {
                socket.send(
                    "POST /v1/users/u\(number)/sessions/S1/retry-payment HTTP/1.1\r\nHost: x\r\n"
                        + "Authorization: Bearer \(RunningServer.token)\r\nContent-Length: 0\r\n\r\n")
                #expect(upstream.waitForCall())
            }
            #expect(try post(server, "/v1/users/v/sessions/S1/retry-payment").problem == "gateway-busy")
            #expect(try post(server, "/v1/users/v/sessions/S1/stop").status == 200)
            upstream.release(Upstream.json("{}"))
            for socket in waiting { #expect(try socket.receive(through: "{}").hasPrefix("HTTP/1.1 200")) }
        }
    }

    /// Another's session is answered like one that does not exist, and upstream is not asked.
    @Test func `a session of another user is not passed on`() throws {
        let upstream = Upstream { _, _ in Upstream.json("{}") }
        try withGateway(upstream) { server in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"bob""#))
            for call in ["stop", "retry-payment"] {
                let answer = try post(server, "/v1/users/eve/sessions/S1/\(call)")
                #expect(answer.status == 404)
                #expect(answer.problem == "session-not-found")
            }
            let receipt = try server.get("/v1/users/eve/sessions/S1/receipt")
            #expect(receipt.status == 404)
            #expect(upstream.calls.isEmpty)
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.member("version")?.integer == 1)
            let own = try post(server, "/v1/users/bob/sessions/S1/stop").status
            #expect(own == 200)
            // Of one that nobody has heard of, upstream decides.
            let unknown = try post(server, "/v1/users/eve/sessions/S9/stop").status
            #expect(unknown == 200)
        }
    }

    @Test func `a content type that is none is not passed on`() throws {
        let upstream = Upstream { _, _ in Response(status: 200, contentType: "nonsense", body: Array("{}".utf8)) }
        try withGateway(upstream) { server in
            let answer = try post(server, "/v1/users/u1/sessions/S1/stop")
            #expect(answer.field("Content-Type") == "application/json")
        }
    }

    @Test func `without a key these are 501 and all else works`() throws {
        try withApplication { server in
            for path in ["start", "S1/stop", "S1/retry-payment"] {
                let answer = try post(server, "/v1/users/u1/sessions/\(path)")
                #expect(answer.status == 501)
                #expect(answer.problem == "drive-api-not-configured")
                // What to set is named as the configuration has it.
                #expect(ConfigurationKey.all.contains { answer.text.contains("Set \($0.name) ") })
            }
            let found22 = try server.get("/v1/users/u1/sessions/S1/receipt").status
            #expect(found22 == 501)
            let found23 = try server.post(Callback.body("SESSION_STARTED")).status
            #expect(found23 == 200)
            let found24 = try server.get("/v1/sessions/S1").status
            #expect(found24 == 200)
        }
    }

    @Test func `an API that cannot be reached is 502 with Retry-After`() throws {
        try withGateway(
            Upstream { _, _ in nil }, { $0.driveApi.baseURL = "unix:/nonexistent/chargefold.sock" }
        ) { server in
            let answer = try start(server, key: "k")
            #expect(answer.status == 502)
            #expect(answer.problem == "drive-api-unreachable")
            #expect(answer.field("Retry-After") != nil)
            // Nothing was sent: the connector is free.
            let found25 = try start(server).status
            #expect(found25 == 502)
        }
    }

    @Test func `methods and paths of others are none of ours`() throws {
        try withGateway(Upstream { _, _ in Self.started }) { server in
            let found26 = try server.get("/v1/users/u1/sessions/start").status
            #expect(found26 == 405)
            let found27 = try server.get("/v1/users/u1/sessions/S1/stop").field("Allow")
            #expect(found27 == "POST")
            let found28 = try server.get("/drive/v1/downtime").status
            #expect(found28 == 404)
            let found29 = try server.get("/v1/users/%zz/sessions/S1/receipt").status
            #expect(found29 == 400)
        }
    }
}
