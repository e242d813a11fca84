import Compression
import HTTPClient
import Receiver
import SessionModel
import Testing

/// Compression, HEAD and caching, over a real socket.
@Suite struct ContentCodingTests {
    private static let admin = "token-of-an-operator"
    private static let targets = [
        "/v1/sessions/S1", "/v1/sessions/S1/facts", "/v1/sessions/nowhere", "/v1/quarantine", "/v1/quarantine/7",
        "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/log",
    ]

    private func withSession(_ body: (RunningServer) throws -> Void) throws {
        try withApplication({ $0.api.adminToken = try Callback.key(Self.admin) }) { server throws in
            for index in 0..<20 {
                let extra = #","note":"\#(String(repeating: "x", count: 40))\#(index)""#
                _ = try server.post(Callback.body("SESSION_STOPPED", extra: extra))
            }
            try body(server)
        }
    }

    @Test func `long answers are compressed for those who take it`() throws {
        try withSession { server throws in
            let plain = try server.get("/v1/sessions/S1/facts")
            #expect(plain.field("Content-Encoding") == nil)
            #expect(plain.field("Vary") == "Accept-Encoding")
            for accepted in ["gzip", "deflate, gzip;q=0.5", "*"] {
                let packed = try server.get("/v1/sessions/S1/facts", fields: [("Accept-Encoding", accepted)])
                #expect(packed.field("Content-Encoding") == "gzip")
                #expect(packed.field("Vary") == "Accept-Encoding")
                #expect(packed.body.count < plain.body.count / 2)
                #expect(try gunzip(packed.body, decompressedBytesMax: 1 << 20) == plain.body)
            }
            for refused in ["gzip;q=0", "identity", "br"] {
                let answer = try server.get("/v1/sessions/S1/facts", fields: [("Accept-Encoding", refused)])
                #expect(answer.field("Content-Encoding") == nil)
            }
        }
    }

    @Test func `short answers are not, nor are those to callbacks`() throws {
        try withSession { server throws in
            for target in ["/healthz", "/v1/sessions/nowhere"] {
                let answer = try server.get(target, fields: [("Accept-Encoding", "gzip")])
                #expect(answer.field("Content-Encoding") == nil)
                #expect(answer.field("Vary") == nil)
            }
            let callback = try server.post(Callback.documentedStart, fields: [("Accept-Encoding", "gzip")])
            #expect(callback.field("Content-Encoding") == nil)
        }
    }

    @Test func `an entity tag is good for both forms`() throws {
        try withSession { server throws in
            let gzip = [(name: "Accept-Encoding", value: "gzip")]
            let tag = try #require(try server.get("/v1/sessions/S1").field("ETag"))
            #expect(try server.get("/v1/sessions/S1", fields: gzip).field("ETag") == tag)
            let answer = try server.get("/v1/sessions/S1", fields: gzip + [("If-None-Match", tag)])
            #expect(answer.status == 304)
            #expect(answer.body.isEmpty)
        }
    }

    @Test(arguments: targets, ["gzip", "identity"])
    func `HEAD answers with the fields of GET`(target: String, coding: String) throws {
        try withSession { server throws in
            func fields(_ method: String) throws -> [String] {
                let answer = try server.get(
                    target, method: method, token: Self.admin, fields: [("Accept-Encoding", coding)])
                #expect(method == "GET" || answer.body.isEmpty)
                // Figures change between two looks at them.
                return ["\(answer.status)"]
                    + answer.fields.map { "\($0.name): \($0.value)" }.filter { field in
                        !field.hasPrefix("Date:") && !(target == "/metrics" && field.hasPrefix("Content-Length:"))
                    }
            }
            #expect(try fields("HEAD") == fields("GET"))
        }
    }

    @Test func `nothing may be stored by caches`() throws {
        try withSession { server throws in
            for target in Self.targets {
                #expect(try server.get(target, token: Self.admin).field("Cache-Control") == "no-store", "\(target)")
            }
            #expect(try server.get("/v1/quarantine").field("Cache-Control") == "no-store")
            #expect(try server.get("/nowhere").field("Cache-Control") == "no-store")
            #expect(try server.post(Callback.documentedStart).field("Cache-Control") == "no-store")
            #expect(try server.post([1, 2, 3]).field("Cache-Control") == "no-store")
        }
    }
}
