import Base
import Compression
import HTTPClient
import Logging
import Receiver
import SessionModel
import Testing

/// What the log says of refused callbacks, and what it never says.
@Suite struct RefusalLogTests {
    private let body = Callback.body("SESSION_STARTED", "private-session", extra: #","userId":"private-user""#)

    @Test func `one line for each refused callback, with the reason`() throws {
        try withApplication { server throws in
            _ = try server.post(body, secret: nil)
            _ = try server.post(body, secret: "some-other-secret")
            _ = try server.post(body, secret: nil, fields: [("X-HMAC-SHA512-Signature", "x")])
            _ = try server.post(Array("{}".utf8))
            _ = try server.post(body, contentType: "text/plain")
            _ = try server.post(body, fields: [("Content-Encoding", "br")])
            _ = try server.post(body, fields: [("Content-Encoding", "gzip")])
            _ = try server.post(body)
            let lines = server.log.lines("callback refused")
            #expect(
                lines.map { "\($0.string("status") ?? "") \($0.string("reason") ?? "")" } == [
                    "401 SIGNATURE_MISSING", "403 SIGNATURE_MISMATCH", "403 SIGNATURE_MALFORMED", "400 MISSING_EVENT",
                    "415 UNSUPPORTED_MEDIA_TYPE", "415 UNSUPPORTED_CONTENT_CODING", "400 MALFORMED_CONTENT_CODING",
                ])
            #expect(lines.allSatisfy { $0.string("level") == "warning" && $0.string("detail")?.isEmpty == false })
            #expect(lines.allSatisfy { $0.instant("time") != nil })
        }
    }

    @Test func `refused before the body counts, a line too`() throws {
        try withApplication { server throws in
            _ = try server.post([UInt8](repeating: 0x20, count: 70_000))
            _ = try server.send(ClientRequest(method: "PUT", target: Callback.path))
            let socket = try server.raw()
            socket.send("POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            _ = try socket.receiveAll()
            let lines = server.log.lines("request refused")
            #expect(
                lines.map { "\($0.string("status") ?? "") \($0.string("reason") ?? "")" } == [
                    "413 BODY_TOO_LARGE", "405 METHOD_NOT_ALLOWED", "411 LENGTH_REQUIRED",
                ])
        }
    }

    @Test(arguments: [ReceiverConfiguration.Log.Format.json, .text])
    func `no secret, token, signature or content is ever in the log`(format: ReceiverConfiguration.Log.Format) throws {
        let directory = TestDirectory()
        let log = LogCapture(in: directory)
        defer { withExtendedLifetime((directory, log)) {} }
        var configuration = try testConfiguration(directory)
        configuration.webhook.authorizationHeaders = [
            NamedSecret(name: "X-Callback-Key", value: try Callback.key("hush-hush-value"))
        ]
        let agreed = [(name: "X-Callback-Key", value: "hush-hush-value")]
        let application = try Application(configuration, logger: log.logger(format))
        _ = try BackgroundExecutor.wait { try await application.start() }
        let server = RunningServer(
            socketPath: directory.file("http.sock"), log: log, features: application.receiver.features)
        #expect(try server.post(body, fields: agreed).status == 200)
        #expect(try server.post(body, secret: "some-other-secret", fields: agreed).status == 403)
        #expect(try server.post(body, fields: [("X-Callback-Key", "wrong-value")]).status == 403)
        #expect(try server.post(body, contentType: "private/type", fields: agreed).status == 415)
        #expect(try server.post(Array(#"{"private":"content"}"#.utf8), fields: agreed).status == 400)
        #expect(try server.get("/v1/sessions/private-session").status == 200)
        #expect(try server.get("/v1/sessions/private-session", token: "wrong-token").status == 401)
        #expect(try server.get("/v1/private-path?private=query").status == 404)
        server.connection.close()
        try BackgroundExecutor.wait { await application.stop() }
        let text = log.text
        #expect(!text.isEmpty)
        for secret in [
            Callback.secret, "some-other-secret", "hush-hush", "wrong-value", RunningServer.token, "wrong-token",
            "private",
            try Callback.signature(body), try Callback.signature(body, secret: "some-other-secret"),
        ] {
            #expect(!text.contains(secret), "\(secret)")
        }
        if format == .json { #expect(log.lines.allSatisfy { $0 != nil }) }
    }

    @Test func `every line of JSON is JSON, whatever is logged`() throws {
        let directory = TestDirectory()
        let log = LogCapture(in: directory)
        defer { withExtendedLifetime((directory, log)) {} }
        log.logger().warning(
            "a \"message\"\nwith lines", metadata: ["key": "a\u{0}b\r\n\u{1B}[31m", "b": ["x", "y"], "a": "1"])
        let line = try #require(log.lines.first ?? nil)
        #expect(log.lines.count == 1)
        #expect(line.string("message") == "a \"message\"\nwith lines")
        #expect(line.string("key") == "a\u{0}b\r\n\u{1B}[31m")
        #expect(line.string("level") == "warning")
    }

    @Test func `a line of text can't be broken, nor another one forged`() throws {
        let directory = TestDirectory()
        let log = LogCapture(in: directory)
        defer { withExtendedLifetime((directory, log)) {} }
        log.logger(.text).error(
            "first\nsecond",
            metadata: ["b": "two words", "a": "plain", "c": "x\n2026-01-01T00:00:00Z info forged=\"y\"", "d": ""])
        let text = log.text
        #expect(text.split(separator: "\n").count == 1)
        #expect(
            text.hasSuffix(
                #" error first\nsecond a=plain b="two words" c="x\n2026-01-01T00:00:00Z info forged=\"y\"" d="""# + "\n"
            ))
    }
}

@Suite struct RefusalLogBoundTests {
    @Test func `a second has so many lines, and the next one says how many are missing`() {
        let directory = TestDirectory()
        let capture = LogCapture(in: directory)
        let now = Locked<UInt64>(5_000_000_000)
        let log = RefusalLog(capture.logger(), nanoseconds: { now.withLock { $0 } })
        for _ in 0..<RefusalLog.linesPerSecondMax + 7 { log.write(.warning, "refused", ["reason": "X"]) }
        #expect(capture.lines("refused").count == RefusalLog.linesPerSecondMax)
        now.withLock { $0 += 1_000_000_000 }
        for _ in 0..<2 { log.write(.warning, "refused", ["reason": "X"]) }
        let lines = capture.lines("refused").suffix(2).map { $0.string("linesSuppressed") }
        #expect(lines == ["7", nil])
    }
}
