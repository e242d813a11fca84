import Compression
import HTTPClient
import Receiver
import SessionModel
import Testing
import WebhookSecurity

/// The operators' resources for one entry of the quarantine, and the log as a download, over a real socket.
@Suite struct QuarantineEntryTests {
    private func control(_ directory: TestDirectory, _ method: String, _ target: String) throws -> ClientResponse {
        let connection = HTTPConnection(
            Endpoint(transport: .unix(path: directory.file("data/" + Application.controlSocketName))))
        defer { connection.close() }
        return try connection.send(ClientRequest(method: method, target: target))
    }

    @Test func `one entry is listed, shown, tried again and dropped`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            #expect(try server.post(Callback.body("SESSION_STARTED", "S1"), secret: "a wrong secret").status == 403)
            #expect(try server.post(Array("{}".utf8)).status == 400)
            let list = try control(directory, "GET", "/v1/quarantine")
            let entries = list.json?.member("entries")?.elements ?? []
            #expect(entries.map { $0.string("kind") } == ["unverified", "verified"])
            let ids = entries.compactMap { $0.member("id")?.text }
            try #require(ids.count == 2)
            #expect(try control(directory, "GET", "/v1/quarantine/\(ids[1])").json?.string("body") == "{}")
            for id in ids {
                let answer = try control(directory, "POST", "/v1/quarantine/\(id)/retry")
                #expect(answer.status == 422)
                #expect(answer.problem == "quarantine-still-refused")
                #expect(answer.json?.string("code")?.isEmpty == false)
            }
            #expect(try control(directory, "GET", "/v1/quarantine/\(ids[0])/retry").field("Allow") == "POST")
            #expect(try control(directory, "POST", "/v1/quarantine/99/retry").status == 404)
            #expect(try control(directory, "DELETE", "/v1/quarantine/\(ids[1])").status == 204)
            #expect(try control(directory, "DELETE", "/v1/quarantine/\(ids[1])").status == 404)
            #expect(try server.get("/v1/quarantine/1/retry", method: "POST").status == 403)
        }
        // Once the secret is right, the entry becomes an event.
        try withApplication(
            in: directory, { $0.webhook.secretCurrent = try Callback.key("a wrong secret") }
        ) { server throws in
            let list = try control(directory, "GET", "/v1/quarantine")
            let id = try #require(list.json?.member("entries")?.elements.first?.member("id")?.text)
            let answer = try control(directory, "POST", "/v1/quarantine/\(id)/retry")
            #expect(answer.status == 200)
            #expect(answer.json?.string("outcome") == "accepted")
            #expect(answer.json?.string("sessionId") == "S1")
            #expect(try control(directory, "POST", "/v1/quarantine/\(id)/retry").status == 404)
            #expect(try server.get("/v1/sessions/S1").status == 200)
        }
    }

    @Test func `the log is one gzip stream, also over several pieces, and holds what clients did`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            let filler = String(repeating: "0123456789", count: 3_000)
            for second in 0..<12 {
                try server.report("SESSION_X", "S1", at: Int64(second), extra: #","filler":"\#(filler)""#)
            }
            #expect(try server.post("/v1/sessions/S1/abandon", "").status == 200)
            let connection = HTTPConnection(
                Endpoint(transport: .unix(path: directory.file("data/" + Application.controlSocketName))))
            defer { connection.close() }
            let plain = try connection.send(ClientRequest(method: "GET", target: "/v1/log?from=2"))
            let packed = try connection.send(
                ClientRequest(method: "GET", target: "/v1/log?from=2", fields: [("Accept-Encoding", "gzip")]))
            #expect(packed.field("Content-Encoding") == "gzip")
            #expect(packed.body.starts(with: [0x1F, 0x8B]))
            // A second member would begin like the first.
            let begins = packed.body.indices.dropLast(2).filter {
                Array(packed.body[$0...($0 + 2)]) == [0x1F, 0x8B, 8]
            }
            #expect(begins == [0])
            #expect(try packed.body.withUnsafeBytes { try gunzip($0, decompressedBytesMax: 1 << 24) } == plain.body)
            let lines = plain.body.split(separator: 0x0A)
            #expect(lines.count == 12)
            let last = try CanonicalJSON(parsing: Array(try #require(lines.last)))
            #expect(last.string("source") == "client")
            #expect(last.string("body")?.contains("SESSION_ABANDONED") == true)
        }
    }
}
