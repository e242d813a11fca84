import Base
import CSQLite
import Compression
import HTTPClient
import Ledger
import Receiver
import SessionModel
import SessionStore
import TestSupport
import Testing

/// Callbacks whose address is not quite a webhook's.
@Suite struct StrayCallbackTests {
    private let body = Callback.body("SESSION_STARTED")

    private func send(
        _ server: RunningServer, _ path: String, _ body: [UInt8], method: String = "POST",
        secret: String? = Callback.secret, fields: [(name: String, value: String)] = []
    ) throws -> ClientResponse {
        let request = try Callback.request(body, secret: secret, fields: fields)
        return try server.send(ClientRequest(method: method, target: path, fields: request.fields, body: body))
    }

    private func entries(_ directory: TestDirectory) throws -> [CanonicalJSON] {
        let control = TestControl(directory)
        defer { control.close() }
        return try control.entries()
    }

    @Test(arguments: [
        "/webhooks/session-events/", "//webhooks/session-events", "/webhooks//session-events//",
        "/webhooks/session%2Devents",
        "/webhooks/session%2devents", "/Webhooks/Session-Events", "/WEBHOOKS/SESSION-EVENTS/",
        "/%77ebhooks/session-events",
        "/webhooks/session-events?source=drive", "/webhooks/session-events/?",
        "////////webhooks////////session-events////////",
        "/%57EBHOOKS/%73ession%2Devents",
    ]) func `what differs in slashes, case or needless encoding alone is the webhook`(path: String) throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try send(server, path, body)
            #expect(answer.status == 200)
            #expect(answer.json?.string("outcome") == "accepted")
            #expect(try send(server, path, body, secret: nil).status == 401)
            #expect(try server.get(path).status == 405)
            let record = try send(
                server,
                path.replacing("session%2Devents", with: "cdrs").replacing("session%2devents", with: "cdrs")
                    .replacing("%73ession%2Devents", with: "cdrs").replacing("session-events", with: "%63drs")
                    .replacing("Session-Events", with: "CDRs").replacing("SESSION-EVENTS", with: "CDRS"),
                Array(#"{"requestId":"r","sessionId":"S1"}"#.utf8))
            #expect(record.json?.string("outcome") == "accepted")
        }
    }

    @Test(arguments: [
        ("POST", "/", 404, "STRAY_NOT_FOUND"), ("POST", "/webhook/session-events", 404, "STRAY_NOT_FOUND"),
        ("POST", "/api/webhooks/session-events", 404, "STRAY_NOT_FOUND"),
        ("POST", "/webhooks/session-events/S1", 404, "STRAY_NOT_FOUND"),
        ("POST", "/webhooks%2Fsession-events", 404, "STRAY_NOT_FOUND"),
        ("POST", "/webhooks/session-event", 404, "STRAY_NOT_FOUND"), ("POST", "/webhooks", 404, "STRAY_NOT_FOUND"),
        ("POST", "/webhooks/./session-events", 404, "STRAY_NOT_FOUND"),
        ("POST", "/webhooks/session-events%20", 404, "STRAY_NOT_FOUND"),
        ("POST", "/v1/sessions/%FF", 400, "STRAY_MALFORMED_PATH"),
        ("POST", "/v1/sessions/S1", 405, "STRAY_METHOD_NOT_ALLOWED"),
        ("POST", "/metrics", 405, "STRAY_METHOD_NOT_ALLOWED"),
        ("PUT", "/webhooks/session-events", 405, "STRAY_METHOD_NOT_ALLOWED"),
        ("PATCH", "/webhooks/cdrs/", 405, "STRAY_METHOD_NOT_ALLOWED"),
        ("POST", "/v1/tokens", 404, "STRAY_NOT_FOUND"), ("POST", "/v1/sessions/S1/abandon", 404, "STRAY_NOT_FOUND"),
    ]) func `an authentic one that goes elsewhere is kept, said, and can be fed in`(
        method: String, path: String, status: Int, reason: String
    ) throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            let answer = try send(server, path, body, method: method)
            #expect(answer.status == status)
            #expect(answer.json?.string("detail")?.contains("quarantine") == true)
            #expect(try server.get("/v1/sessions/S1").status == 404)
            let line = try #require(server.log.lines("callback refused").first)
            #expect(line.string("method") == method)
            #expect(line.string("path") == path)
            #expect(line.string("reason") == reason)
            #expect(!server.log.text.contains("SESSION_STARTED"))
        }
        try withApplication(in: directory) { server throws in
            let entries = try entries(directory)
            #expect(entries.map { $0.string("kind") } == ["verified"])
            #expect(entries.map { $0.string("reason") } == [reason])
            let control = TestControl(directory)
            #expect(try control.retry() == ["1 accepted"])
            control.close()
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "STARTED")
        }
    }

    @Test func `the line about one names no user`() throws {
        let paths = [
            "/v1/users/alice/sessions/start", "/v1/%75sers/alice/sessions", "/v1/users/alice", "/v1/users/al%69ce/x",
        ]
        try withApplication { server throws in
            for path in paths {
                _ = try send(server, path, body, method: "POST")
                _ = try send(server, path, body, method: "PATCH")
            }
            let lines = server.log.lines("callback refused").compactMap { $0.string("path") }
            #expect(lines.contains("/v1/users/…/sessions/start"))
            #expect(!server.log.text.contains("alice") && !server.log.text.contains("al%69ce"))
        }
    }

    @Test func `a stray record becomes a record, and what is neither stays`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            for body in [CdrTests.record, "nonsense", #"{"event":"SESSION_PAUSED","payload":{"sessionId":"S"}}"#] {
                #expect(try send(server, "/cdrs", Array(body.utf8)).status == 404)
            }
            #expect(
                try send(server, "/webhooks/cdr", try gzip(body), fields: [("Content-Encoding", "gzip")]).status == 404)
            let control = TestControl(directory)
            #expect(
                try control.retry() == [
                    "1 accepted", "2 refused INVALID_JSON", "3 refused MISSING_TIMESTAMP", "4 accepted",
                ])
            control.close()
            #expect(try server.get("/v1/sessions/S1/cdr").text.contains(CdrTests.record))
        }
    }

    @Test func `what does not verify costs nothing and is answered as before`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            for secret in [nil, "a-wrong-secret-of-somebody"] {
                #expect(try send(server, "/webhook/session-events", body, secret: secret).problem == "not-found")
                #expect(try send(server, "/webhooks/session-events", body, method: "PUT", secret: secret).status == 405)
                #expect(try send(server, "/v1/tokens", body, secret: secret).status == 401)
                #expect(try send(server, "/v1/sessions/%FF", body, secret: secret).status == 400)
            }
            #expect(try send(server, "/webhook/session-events", []).problem == "not-found", "nothing to keep")
            #expect(try server.get("/webhook/session-events").problem == "not-found")
            #expect(try entries(directory).isEmpty)
            #expect(server.log.lines("callback refused").isEmpty)
        }
    }

    @Test func `agreed headers verify a stray callback as well, all of them or none`() throws {
        let directory = TestDirectory()
        let agreed = [(name: "X-Agreed", value: "the-agreed-value")]
        let change: (inout ReceiverConfiguration) throws -> Void = { configuration in
            configuration.webhook.secretCurrent = nil
            configuration.webhook.authorizationHeaders = [
                NamedSecret(name: "X-Agreed", value: try Callback.key("the-agreed-value"))
            ]
        }
        try withApplication(in: directory, change) { server throws in
            #expect(try send(server, "/hook", body, secret: nil).status == 404)
            #expect(try send(server, "/hook", body, secret: nil, fields: [("X-Agreed", "another-value")]).status == 404)
            #expect(try entries(directory).isEmpty)
            #expect(try send(server, "/hook", body, secret: nil, fields: agreed).status == 404)
            #expect(try entries(directory).count == 1)
            // Where the path is that of another call as well.
            let routes = ["/v1/tokens", "/v1/users/u/sessions/start", "/v1/quarantine/retry", "/v1/geosearch/radius"]
            for path in routes {
                #expect(try send(server, path, body, secret: nil).status == 401)
                #expect(
                    try send(server, path, body, secret: nil, fields: [("X-Agreed", "another-value")]).status == 401)
            }
            #expect(try entries(directory).count == 1)
            for path in routes { #expect(try send(server, path, body, secret: nil, fields: agreed).status == 404) }
            #expect(try entries(directory).count == 5)
            // Whoever has a token makes a call, whatever else it carries.
            let token = [(name: "Authorization", value: "Bearer \(RunningServer.token)")]
            #expect(
                try send(server, "/v1/users/u/sessions/start", body, secret: nil, fields: agreed + token).status == 501)
            #expect(try entries(directory).count == 5)
        }
    }

    @Test func `where nobody verifies nothing stray is kept`() throws {
        let directory = TestDirectory()
        try withApplication(
            in: directory,
            {
                $0.webhook.secretCurrent = nil
                $0.webhook.allowUnverified = true
            }
        ) { server throws in
            #expect(try send(server, "/hook", body).problem == "not-found")
            #expect(try entries(directory).isEmpty)
        }
    }

    @Test func `a ledger that fails is told`() throws {
        let faults = Faults("ledger.sqlite")
        var options = LedgerOptions()
        options.virtualFileSystem = faults.name
        try withReceiver(FakeStore(), ledger: options) { server, _ throws in
            faults.failWrites(Faults.wal, SQLITE_FULL)
            let answer = try send(server, "/hook", body)
            #expect(answer.status == 503)
        }
    }
}
