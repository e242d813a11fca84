import Compression
import DriveAPI
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

/// Nothing authentic is lost: what is refused is kept, and taken once it can be.
@Suite struct QuarantineTests {
    private let body = Callback.body("SESSION_STARTED")

    @Test func `a verified body that is no event is durable before its 400`() throws {
        let directory = TestDirectory()
        let bodies = ["{}", "nonsense", #"{"event":"E"}"#].map { Array($0.utf8) }
        try withApplication(in: directory) { server throws in
            for body in bodies { #expect(try server.post(body).status == 400) }
        }
        try withApplication(in: directory) { server throws in
            let control = TestControl(directory)
            defer { control.close() }
            let entries = try control.entries()
            #expect(entries.map { $0.string("kind") } == ["verified", "verified", "verified"])
            #expect(entries.map { $0.string("reason") } == ["MISSING_EVENT", "INVALID_JSON", "MISSING_PAYLOAD"])
            #expect(entries.map { $0.member("bodyBytes")?.text } == ["2", "8", "13"])
            #expect(entries.map { $0.member("id")?.text } == ["1", "2", "3"])
            #expect(entries.allSatisfy { $0.string("receivedAt") == "2025-10-09T08:53:20Z" })
            #expect(entries.allSatisfy { $0.member("body") == nil }, "a list shows no bodies")
            let one = try control.send("GET", "/v1/quarantine/3")
            #expect(one.json?.string("body") == #"{"event":"E"}"#)
            #expect(
                try control.retry() == [
                    "1 refused MISSING_EVENT", "2 refused INVALID_JSON", "3 refused MISSING_PAYLOAD",
                ])
            #expect(try control.entries().count == 3, "what is still refused stays")
        }
    }

    @Test func `a verified body in a form that was not taken can be fed in by hand`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            #expect(try server.post(body, contentType: "text/plain").status == 415)
            #expect(try server.post(body, fields: [("Content-Encoding", "br")]).status == 415)
            #expect(try server.get("/v1/sessions/S1").status == 404)
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.retry() == ["1 accepted", "2 duplicate"])
            #expect(try control.entries().isEmpty)
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "STARTED")
        }
    }

    @Test func `a wrong secret in the configuration costs no event`() throws {
        let directory = TestDirectory()
        let coded = try gzip(Callback.body("SESSION_STOPPED", at: "2025-06-12T11:00:00Z"))
        let gzipField = [(name: "Content-Encoding", value: "gzip")]
        try withApplication(
            in: directory, { $0.webhook.secretCurrent = try Callback.key("mistyped-secret") }
        ) { server throws in
            #expect(try server.post(body).status == 403)
            #expect(try server.post(coded, fields: gzipField).status == 403)
            #expect(try server.post(body, secret: nil).status == 401)
            #expect(try server.post(body, secret: "of-an-attacker").status == 403)
            let control = TestControl(directory)
            defer { control.close() }
            let still = (1...4).map { "\($0) refused \($0 == 3 ? "SIGNATURE_MISSING" : "SIGNATURE_MISMATCH")" }
            #expect(try control.retry() == still)
        }
        try withApplication(in: directory) { server throws in
            let control = TestControl(directory)
            defer { control.close() }
            let entries = try control.entries()
            #expect(entries.map { $0.string("kind") } == Array(repeating: "unverified", count: 4))
            #expect(
                try control.retry() == [
                    "1 accepted", "2 accepted", "3 refused SIGNATURE_MISSING", "4 refused SIGNATURE_MISMATCH",
                ])
            #expect(try control.entries().map { $0.member("id")?.text } == ["3", "4"])
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.string("sessionStatus") == "STOPPED")
            #expect(session?.member("version")?.text == "2")
            #expect(session?.member("lastFact")?.string("receivedAt") == "2025-10-09T08:53:20Z")
        }
    }

    @Test func `agreed headers that were wrong in the configuration, too`() throws {
        let directory = TestDirectory()
        func agree(_ name: String, _ value: String) -> (inout ReceiverConfiguration) throws -> Void {
            { configuration in
                configuration.webhook.secretCurrent = nil
                configuration.webhook.authorizationHeaders = [NamedSecret(name: name, value: try Callback.key(value))]
            }
        }
        let sent = [(name: "X-Callback-Key", value: "hush-hush-value")]
        try withApplication(in: directory, agree("X-Calback-Key", "hush-hush-value")) { server throws in
            #expect(try server.post(body, secret: nil, fields: sent).status == 401)
        }
        try withApplication(in: directory, agree("X-Callback-Key", "hush-value")) { server throws in
            let stopped = Callback.body("SESSION_STOPPED", at: "2025-06-12T11:00:00Z")
            #expect(try server.post(stopped, secret: nil, fields: sent).status == 403)
        }
        try withApplication(in: directory, agree("X-Callback-Key", "hush-hush-value")) { server throws in
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.retry() == ["1 accepted", "2 accepted"])
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "STOPPED")
        }
        for name in ["ledger.sqlite", "log/00000000000000000001.log", "sessions.sqlite"] {
            let content = TestDirectory.read(directory.file("data/" + name))
            #expect(!content.isEmpty)
            #expect(content.firstRange(of: Array("hush-hush-value".utf8)) == nil, "\(name) holds no agreed value")
        }
    }

    @Test func `unverified bodies are bounded in number, and the oldest go first`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory, { $0.store.ledger.unverifiedCountMax = 3 }) { server throws in
            #expect(try server.post(Array("{}".utf8)).status == 400)
            for number in 1...8 {
                let body = Callback.body("SESSION_STARTED", "S\(number)")
                #expect(try server.post(body, secret: "some-other-secret").status == 403)
            }
            let control = TestControl(directory)
            defer { control.close() }
            let entries = try control.entries()
            #expect(entries.map { $0.member("id")?.text } == ["1", "7", "8", "9"])
            #expect(entries.first?.string("kind") == "verified", "what is verified is not bounded by that")
        }
        try withApplication(in: directory, { $0.store.ledger.unverifiedCountMax = 3 }) { server throws in
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.entries().map { $0.member("id")?.text } == ["1", "7", "8", "9"])
            #expect(try control.retry(#"{"ids":[7,2]}"#) == ["7 refused SIGNATURE_MISMATCH", "2 unknown"])
        }
    }

    @Test func `unverified bodies are bounded in bytes`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory, { $0.store.ledger.unverifiedBytesMax = 10_000 }) { server throws in
            for number in 1...6 {
                let fill = String(repeating: "x", count: 4_000)
                let body = Callback.body("SESSION_STARTED", "S\(number)", extra: #","fill":"\#(fill)""#)
                #expect(try server.post(body, secret: "some-other-secret").status == 403)
            }
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.entries().map { $0.member("id")?.text } == ["5", "6"])
        }
    }

    @Test func `entries are dropped for good`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            for _ in 1...3 { #expect(try server.post(Array("{}".utf8)).status == 400) }
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.send("DELETE", "/v1/quarantine/2").status == 204)
            let again = try control.send("DELETE", "/v1/quarantine/2")
            #expect(again.status == 404)
            #expect(again.problem == "not-found")
            #expect(try control.send("GET", "/v1/quarantine/2").problem == "not-found")
            #expect(try control.entries().map { $0.member("id")?.text } == ["1", "3"])
        }
        try withApplication(in: directory) { server throws in
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.entries().map { $0.member("id")?.text } == ["1", "3"])
            #expect(try server.post(Array("{}".utf8)).status == 400)
            #expect(try control.entries().map { $0.member("id")?.text } == ["1", "3", "4"], "no id is used twice")
        }
    }

    @Test func `the list comes in pages`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            for _ in 1...5 { #expect(try server.post(Array("{}".utf8)).status == 400) }
            let control = TestControl(directory)
            defer { control.close() }
            var ids: [String] = []
            var after = "0"
            var pages = 0
            while true {
                let page = try #require(try control.send("GET", "/v1/quarantine?limit=2&after=\(after)").json)
                ids += page.member("entries")?.elements.compactMap { $0.member("id")?.text } ?? []
                pages += 1
                guard let next = page.member("after")?.text else { break }
                after = next
            }
            #expect(ids == ["1", "2", "3", "4", "5"])
            #expect(pages == 3)
            for query in ["limit=0", "limit=501", "limit=x", "after=-1", "after=x", "limit=1&limit=2", "after=%F"] {
                let answer = try control.send("GET", "/v1/quarantine?" + query)
                #expect(answer.status == 400, "\(query)")
                #expect(answer.problem?.isEmpty == false)
            }
        }
    }

    @Test(arguments: [
        "", "{}", "[]", "nonsense", #"{"ids":["1"]}"#, #"{"ids":[1.5]}"#, #"{"all":false}"#, #"{"ids":1}"#,
    ])
    func `a retry must say of what`(selection: String) throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { _ throws in
            let control = TestControl(directory)
            defer { control.close() }
            let answer = try control.send("POST", "/v1/quarantine/retry", body: selection)
            #expect(answer.status == 400)
            #expect(answer.problem == "malformed-selection")
        }
    }

    @Test func `a body that is no text is shown in hexadecimal`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            #expect(try server.post([0x00, 0xFF, 0x0A]).status == 400)
            let control = TestControl(directory)
            defer { control.close() }
            let entry = try control.send("GET", "/v1/quarantine/1").json
            #expect(entry?.string("bodyHex") == "00ff0a")
            #expect(entry?.member("body") == nil)
        }
    }

    @Test func `no credential is shown anywhere`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            let signature = try Callback.signature(body, secret: "some-other-secret")
            #expect(
                try server.post(
                    body, secret: "some-other-secret",
                    fields: [("Authorization", "Bearer of-the-caller"), ("X-Callback-Key", "hush-hush-value")]
                ).status == 403)
            let control = TestControl(directory)
            defer { control.close() }
            let shown = try control.send("GET", "/v1/quarantine").text + control.send("GET", "/v1/quarantine/1").text
            for secret in [signature, "of-the-caller", "hush-hush", Callback.secret, "some-other-secret", "X-Callback"]
            {
                #expect(!shown.contains(secret))
                #expect(!server.log.text.contains(secret))
            }
        }
    }

    @Test func `what anybody sends unverified is kept as unverified`() throws {
        let directory = TestDirectory()
        func open(_ configuration: inout ReceiverConfiguration) {
            configuration.webhook.secretCurrent = nil
            configuration.webhook.allowUnverified = true
        }
        try withApplication(in: directory, open) { server throws in
            #expect(try server.post(Array("{}".utf8), secret: nil).status == 400)
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.entries().map { $0.string("kind") } == ["unverified"])
            #expect(try control.entries().map { $0.string("reason") } == ["MISSING_EVENT"])
        }
    }

    @Test func `an empty body is nothing to keep`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            #expect(try server.post([]).status == 400)
            #expect(try server.post([], secret: nil).status == 401)
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.entries().isEmpty)
        }
    }

    @Test func `operators with the scope do the same over HTTP`() throws {
        let store = FakeStore()
        try withReceiver(store, access: .operators()) { server, _ throws in
            #expect(try server.post(body, contentType: "text/plain").status == 415)
            #expect(try server.get("/v1/quarantine").json?.member("entries")?.elements.count == 1)
            let token = [(name: "Authorization", value: "Bearer \(RunningServer.token)")]
            let retried = try server.send(
                ClientRequest(
                    method: "POST", target: "/v1/quarantine/retry", fields: token, body: Array(#"{"ids":[1]}"#.utf8)))
            #expect(
                retried.text == #"{"results":[{"id":1,"outcome":"accepted","sessionId":"S1"}]}"#)
            #expect(try server.quarantine().isEmpty)
        }
    }
}
