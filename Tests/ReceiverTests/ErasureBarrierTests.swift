import Base
import HTTPClient
import HTTPServer
import Receiver
import SessionModel
import Testing

/// What began before a user was erased does not end behind it.
@Suite struct ErasureBarrierTests {
    private static let operatorToken = "token-of-an-operator"

    /// Holds the call to upstream until the user has been erased.
    ///
    /// - Parameter path: the request whose answer comes too late.
    private func erasing(
        _ user: String, during path: String, _ body: String = "", answer: Response,
        _ check: (RunningServer, String) throws -> Void
    ) throws {
        let directory = TestDirectory()
        let upstream = Upstream { _, _ in nil }
        try withGateway(upstream, in: directory, { $0.api.adminToken = try Callback.key(Self.operatorToken) }) {
            server in
            let waiting = try server.raw()
            waiting.send(
                "POST \(path) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(Self.operatorToken)\r\n"
                    + "Idempotency-Key: k\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)")
            #expect(upstream.waitForCall())
            let erased = try server.get("/v1/users/\(user)", method: "DELETE", token: Self.operatorToken)
            #expect(erased.status == 200)
            upstream.release(answer)
            try check(server, try waiting.receive(through: "\r\n\r\n"))
        }
        #expect(directory.data(holding: user) == [])
    }

    @Test func `a start`() throws {
        try erasing(
            "erased-user", during: "/v1/users/erased-user/sessions/start", #"{"connectorId":"c"}"#,
            answer: Upstream.json(#"{"sessionId":"S1"}"#)
        ) { server, answer throws in
            #expect(answer.hasPrefix("HTTP/1.1 409"))
            #expect(try server.get("/v1/sessions/S1").status == 404)
            // What begins now is new.
            #expect(try server.get("/v1/users/erased-user/sessions?status=*").status == 200)
        }
    }

    @Test func `a stop`() throws {
        try erasing(
            "erased-user", during: "/v1/users/erased-user/sessions/S1/stop", answer: Upstream.json("{}")
        ) { server, answer throws in
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            #expect(try server.get("/v1/sessions/S1").status == 404)
        }
    }

    @Test func `a page of the history`() throws {
        try erasing(
            "erased-user", during: "/v1/backfill", #"{"userId":"erased-user"}"#,
            answer: Upstream.json(#"{"sessions":[{"sessionId":"S1","sessionStatus":"STARTED"}]}"#)
        ) { server, answer throws in
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            #expect(try server.get("/v1/sessions/S1").status == 404)
        }
    }

    /// As the interface says: events that arrive after the call are new data.
    @Test func `a callback after the erasure is new data`() throws {
        try withApplication({ $0.api.adminToken = try Callback.key(Self.operatorToken) }) { server in
            let body = Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u""#)
            _ = try server.post(body)
            #expect(try server.get("/v1/users/u", method: "DELETE", token: Self.operatorToken).status == 200)
            #expect(try server.get("/v1/sessions/S1").status == 404)
            _ = try server.post(body)
            #expect(try server.get("/v1/sessions/S1").status == 200)
        }
    }
}

extension TestDirectory {
    /// Files of the data directory that hold a text.
    fileprivate func data(holding text: String) -> [String] {
        let folders = ["data", "data/log"]
        let files = folders.flatMap { folder in Self.names(file(folder)).map { folder + "/" + $0 } }
        return files.filter { Self.read(file($0)).firstRange(of: Array(text.utf8)) != nil }
    }
}
