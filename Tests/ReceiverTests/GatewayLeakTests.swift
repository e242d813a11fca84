import Base
import DriveAPI
import HTTPClient
import HTTPServer
import Receiver
import SessionModel
import Testing
import WebhookSecurity

/// What goes through the gateway, in either direction, and what does not.
@Suite struct GatewayLeakTests {
    private func post(_ server: RunningServer, _ path: String, _ body: String = "") throws -> ClientResponse {
        try server.send(
            ClientRequest(
                method: "POST", target: path, fields: [("Authorization", "Bearer \(RunningServer.token)")],
                body: Array(body.utf8)))
    }

    /// To the byte, fields and all but the date included.
    @Test func `another user's session and an unknown one have the same answer`() throws {
        let upstream = Upstream { call, _ in
            Upstream.json(#"{"message":"no such session \#(call.path)"}"#, status: 404)
        }
        try withGateway(upstream) { server in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"bob""#))
            _ = try server.post(Callback.body("SESSION_FEE_INCURRING", "S0"))
            for call in ["stop", "retry-payment", "receipt"] {
                let answers = try ["S1", "S9", "S0"].map { id in
                    let target = "/v1/users/eve/sessions/\(id)/\(call)"
                    let answer = call == "receipt" ? try server.get(target) : try post(server, target)
                    return "\(answer.status) \(answer.fields.filter { $0.name != "Date" }) \(answer.text)"
                }
                #expect(Set(answers).count == 1, "\(answers)")
                #expect(answers.first?.contains("session-not-found") == true)
                // Whose it is may know what upstream says of it.
                let target = "/v1/users/bob/sessions/S1/\(call)"
                let own = call == "receipt" ? try server.get(target) : try post(server, target)
                #expect(own.problem == "drive-api-not-found")
            }
        }
    }

    @Test func `of a start only the connector is passed on`() throws {
        let upstream = Upstream { _, _ in Upstream.json(#"{"sessionId":"S1"}"#) }
        try withGateway(upstream) { server in
            let answer = try server.send(
                ClientRequest(
                    method: "POST", target: "/v1/users/u1/sessions/start",
                    fields: [("Authorization", "Bearer \(RunningServer.token)")],
                    body: Array(#" {"userId":"victim","connectorId":"c\u0031\/\"x","chargingKeyId":7} "#.utf8)))
            #expect(answer.status == 200)
            #expect(upstream.calls.map(\.body) == [#"{"connectorId":"c1/\"x"}"#])
        }
    }

    @Test(arguments: [200, 201, 400, 404, 409, 500, 503] as [UInt16])
    func `our key never comes back`(status: UInt16) throws {
        let key = "the-key-of-the-drive-api"
        let escaped = "the-key-of-the-drive-\\u0061pi"
        for text in [
            #"{"sessionId":"S1","headers":{"X-API-Key":"\#(key)"}}"#, #"{"sessionId":"S1","message":"\#(escaped)"}"#,
            #"{"sessionId":"S1","\#(key)":["Basic dGhlLWtleS1vZi10aGUtZHJpdmUtYXBp"]}"#, "X-API-Key: \(key)",
            "<html>\(key)</html>", #""\#(key)""#,
        ] {
            let upstream = Upstream { _, _ in
                var response = Response(status: status, body: Array(text.utf8))
                response.add("Content-Type", "text/html; key=\(key)")
                return response
            }
            try withGateway(upstream) { server in
                let answers = [
                    try post(server, "/v1/users/u1/sessions/start", #"{"connectorId":"c1"}"#),
                    try post(server, "/v1/users/u1/sessions/S1/stop"),
                    try server.get("/v1/users/u1/sessions/S1/receipt"),
                    try post(server, "/v1/users/u1/sessions/S1/retry-payment"), try server.get("/v1/sessions/S1/facts"),
                ]
                for answer in answers {
                    let all = answer.text + "\(answer.fields)"
                    #expect(
                        !all.contains(key) && !all.contains(escaped)
                            && !all.contains("dGhlLWtleS1vZi10aGUtZHJpdmUtYXBp"))
                    #expect(answer.field("Content-Type")?.contains("html") != true)
                    #expect(answer.body.isEmpty || answer.json != nil)
                }
                #expect(!server.log.text.contains(key))
            }
        }
    }

    /// `/+abc` and the like: what another program writes differently from us.
    @Test func `nor does it in anything that it can be read out of`() throws {
        let key = "the/key+of=the&api"
        func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        func base64(_ text: String) -> String { Array(text.utf8).withUnsafeBytes { Base64.encode($0) } }
        let all = Array(key.utf8)
        let percent = all.map { "%" + hex($0) }.joined()
        var spellings = [
            percent, percent.uppercased(), "the%2Fkey+of=the&api", "the%2fkey+of%3dthe&api", "the/key%2Bof=the%26api",
            percent.replacing("%", with: "%25"), percent.replacing("%", with: "%2525"),
            #"the\/key\u002bof=the&api"#, #"the\\u002fkey+of=the&api"#, all.map { #"\\x"# + hex($0) }.joined(),
            "the&#47;key&#x2B;of=the&amp;api", "the&#x2f;key&plus;of=the&amp;amp;api",
            all.map(hex).joined(), all.map(hex).joined().uppercased(),
        ]
        for before in ["", "a", "ab", "user:", "x-api-key: "] {
            for after in ["", ":", "\n\n"] {
                let text = base64(before + key + after)
                let url = text.replacing("+", with: "-").replacing("/", with: "_")
                spellings += [
                    text, text.replacing("=", with: ""), url, url.replacing("=", with: ""),
                    text.replacing("+", with: "%2B").replacing("/", with: "%2F").replacing("=", with: "%3D"),
                    text.prefix(9) + #"\n"# + text.dropFirst(9),
                ]
            }
        }
        let shown = Locked("")
        let upstream = Upstream { _, _ in
            Upstream.json(#"{"request":["\#(shown.withLock { $0 })"],"why":"no"}"#, status: 409)
        }
        try withGateway(upstream, { $0.driveApi.apiKey = try Callback.key(key) }) { server in
            for spelling in spellings {
                shown.withLock { $0 = spelling }
                let body = try server.get("/v1/users/u1/sessions/S1/receipt").json?.member("upstreamBody")?.text
                #expect(body == #"{"request":["[redacted]"],"why":"no"}"#, "\(spelling)")
            }
            // What does not hold it comes as it came.
            for text in ["the%2Fkey", "100%", "%zz&#;&#x;&nothing;", #"\\u00"#, base64("the/key")] {
                shown.withLock { $0 = text }
                let body = try server.get("/v1/users/u1/sessions/S1/receipt").json?.member("upstreamBody")?.text
                #expect(body == #"{"request":["\#(text)"],"why":"no"}"#)
            }
        }
    }

    @Test func `what is no JSON is not passed on, but for a receipt's URL`() throws {
        let upstream = Upstream { call, _ in
            let isReceipt = call.path.hasSuffix("receipt")
            var response = Response(
                status: 200,
                body: Array((isReceipt ? "https://files.example/r?signature=x" : "<script>1</script>").utf8))
            response.add("Content-Type", "text/html")
            return response
        }
        try withGateway(upstream) { server in
            let receipt = try server.get("/v1/users/u1/sessions/S1/receipt")
            #expect(receipt.text == "https://files.example/r?signature=x")
            #expect(receipt.field("Content-Type") == "text/plain; charset=utf-8")
            for call in ["stop", "retry-payment"] {
                let answer = try post(server, "/v1/users/u1/sessions/S1/\(call)")
                #expect(answer.status == 200)
                #expect(answer.body.isEmpty)
            }
        }
        let failing = Upstream { _, _ in Response(status: 404, contentType: "text/html", body: Array("<h1>no".utf8)) }
        try withGateway(failing) { server in
            let answer = try post(server, "/v1/users/u1/sessions/S1/stop")
            #expect(answer.json?.member("upstreamBody") == nil)
        }
    }
}
