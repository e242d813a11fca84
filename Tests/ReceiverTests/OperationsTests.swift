import HTTPClient
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

/// `/healthz`, `/readyz` and `/metrics`, over a real socket.
@Suite struct OperationsTests {
    private let body = Callback.body("SESSION_STARTED")

    @Test func `alive is alive, whatever the store does`() throws {
        let store = FakeStore(.fails(FakeStore.diskFull))
        try withReceiver(store) { server, _ throws in
            let answer = try server.get("/healthz", token: nil)
            #expect(answer.status == 200)
            #expect(answer.text == #"{"status":"ok"}"#)
            #expect(answer.field("Content-Type") == "application/json")
            server.features.hub.close()
            #expect(try server.get("/healthz", token: nil).status == 200)
        }
    }

    @Test func `ready is who can make the next event durable`() throws {
        let store = FakeStore()
        try withReceiver(store) { server, _ throws in
            #expect(try server.get("/readyz", token: nil).text == #"{"status":"ready"}"#)
            store.behave(.fails(FakeStore.diskFull))
            let failing = try server.get("/readyz", token: nil)
            #expect(failing.status == 503)
            #expect(failing.problem == "not-ready")
            #expect(failing.json?.string("code") == "UNAVAILABLE")
            #expect(!failing.text.contains("the disk is full"), "what the store says is for the log")
            store.behave(.isFull)
            #expect(try server.get("/readyz", token: nil).status == 503)
            store.behave(.works)
            #expect(try server.get("/readyz", token: nil).status == 200)
            server.features.hub.close()
            let draining = try server.get("/readyz", token: nil)
            #expect(draining.status == 503)
            #expect(draining.problem == "not-ready")
            #expect(try server.post(body).status == 200, "who comes all the same is served")
        }
    }

    @Test func `no answer is anything but what its type says`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            for target in [
                "/healthz", "/readyz", "/metrics", "/openapi.json", "/nowhere", "/v1/sessions/S1", "/v1/events",
                "/webhooks/session-events", "/v1/users/u/sessions/start",
            ] {
                let answer = try server.get(target, method: target == "/v1/events" ? "HEAD" : "GET")
                let values = answer.fields.filter { $0.name.lowercased() == "x-content-type-options" }.map(\.value)
                #expect(values == ["nosniff"], "\(target)")
            }
            let malformed = try server.raw()
            malformed.send("nonsense\r\n\r\n")
            #expect(try malformed.receiveAll().contains("X-Content-Type-Options: nosniff\r\n"))
        }
    }

    /// The samples of a page in Prometheus' text format, by name and labels; fails on anything that is none.
    private func samples(_ page: String) throws -> [String: Double] {
        var samples: [String: Double] = [:]
        var declared: [String: String] = [:]
        #expect(page.hasSuffix("\n"))
        for line in page.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if words.first == "#" {
                try #require(words.count == 4 && ["HELP", "TYPE"].contains(words[1]), "\(line)")
                if words[1] == "TYPE" {
                    #expect(["counter", "gauge", "histogram"].contains(words[3]))
                    #expect(declared.updateValue(words[3], forKey: words[2]) == nil, "\(words[2]) is declared twice")
                }
                continue
            }
            let parts = line.split(separator: " ")
            try #require(parts.count == 2, "\(line)")
            let value = try #require(Double(parts[1]), "\(line)")
            let name = parts[0].prefix { $0 != "{" }
            #expect(name.allSatisfy { $0.isLowercase || $0 == "_" || $0.isNumber })
            let base = ["_bucket", "_sum", "_count"].reduce(String(name)) { name, suffix in
                declared[name] == nil && name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name
            }
            #expect(declared[base] != nil, "\(base) has no TYPE")
            if declared[base] == "counter" { #expect(base.hasSuffix("_total")) }
            #expect(samples.updateValue(value, forKey: String(parts[0])) == nil, "\(parts[0]) comes twice")
        }
        return samples
    }

    @Test func `the metrics parse, and move`() throws {
        try withApplication { server throws in
            func page() throws -> [String: Double] {
                let answer = try server.get("/metrics", token: nil)
                #expect(answer.status == 200)
                #expect(answer.field("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
                return try samples(answer.text)
            }
            let before = try page()
            #expect(before["chargefold_store_writable"] == 1)
            #expect(before["chargefold_log_position"] == 0)
            #expect(before["chargefold_http_connections_open"] == 1)

            #expect(try server.post(body).status == 200)
            #expect(try server.post(body).status == 200)
            #expect(try server.post(Array("{}".utf8)).status == 400)
            #expect(try server.post(body, secret: nil).status == 401)
            #expect(try server.post(body, secret: "some-other-secret").status == 403)
            #expect(try server.post(body, contentType: "text/plain").status == 415)
            #expect(try server.post(body, fields: [("Content-Encoding", "gzip")]).status == 400)
            #expect(try server.get("/v1/sessions/S1").status == 200)
            #expect(try server.get("/v1/sessions/S1", token: nil).status == 401)
            #expect(try server.get("/nowhere").status == 404)

            let after = try page()
            func grew(_ name: String, by amount: Double) {
                #expect((after[name] ?? -1) - (before[name] ?? 0) == amount, "\(name)")
            }
            grew(#"chargefold_callbacks_total{outcome="accepted"}"#, by: 1)
            grew(#"chargefold_callbacks_total{outcome="duplicate"}"#, by: 1)
            grew(#"chargefold_callbacks_total{outcome="unavailable"}"#, by: 0)
            grew(#"chargefold_callbacks_total{outcome="refused",reason="invalid_event"}"#, by: 1)
            grew(#"chargefold_callbacks_total{outcome="refused",reason="missing_credentials"}"#, by: 1)
            grew(#"chargefold_callbacks_total{outcome="refused",reason="wrong_credentials"}"#, by: 1)
            grew(#"chargefold_callbacks_total{outcome="refused",reason="unsupported_media_type"}"#, by: 1)
            grew(#"chargefold_callbacks_total{outcome="refused",reason="malformed_content_coding"}"#, by: 1)
            grew(#"chargefold_callbacks_total{outcome="refused",reason="body_too_large"}"#, by: 0)
            grew("chargefold_callback_duration_seconds_count", by: 2)
            grew(#"chargefold_callback_duration_seconds_bucket{le="+Inf"}"#, by: 2)
            grew("chargefold_queries_total", by: 1)
            grew("chargefold_queries_refused_total", by: 1)
            grew("chargefold_requests_refused_total", by: 1)
            grew("chargefold_log_position", by: 2)
            grew(#"chargefold_quarantine_entries{kind="verified"}"#, by: 3)
            grew("chargefold_http_requests_total", by: 11)
        }
    }

    @Test func `the store's trouble is in the metrics`() throws {
        let store = FakeStore(.fails(FakeStore.diskFull))
        try withReceiver(store) { server, _ throws in
            #expect(try server.post(body).status == 503)
            let page = try samples(try server.get("/metrics", token: nil).text)
            #expect(page["chargefold_store_writable"] == 0)
            #expect(page[#"chargefold_callbacks_total{outcome="unavailable"}"#] == 1)
        }
    }
}
