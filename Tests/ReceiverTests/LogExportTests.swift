import Compression
import HTTPClient
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

/// `GET /v1/log`, through the control socket and over HTTP.
@Suite struct LogExportTests {
    /// The positions of the lines.
    private func positions(_ bytes: [UInt8]) throws -> [Int] {
        try bytes.split(separator: UInt8(ascii: "\n")).map { line in
            try #require(Int(try CanonicalJSON(parsing: Array(line)).member("position")?.text ?? ""))
        }
    }

    @Test func `every delivery is a line, just as it was received`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            let odd = Array(
                #" { "event" : "E\u0041" , "payload":{"timestamp":"2025-06-12T10:00:00.10Z","sessionId":"é"}} "#.utf8)
            #expect(try server.post(odd).status == 200)
            #expect(try server.post(odd).status == 200)
            #expect(try server.post(Array("{}".utf8)).status == 400)
            #expect(try server.post(try gzip(odd), fields: [("Content-Encoding", "gzip")]).status == 200)
            let control = TestControl(directory)
            defer { control.close() }
            let answer = try control.send("GET", "/v1/log")
            #expect(answer.status == 200)
            #expect(answer.field("Content-Type") == "application/x-ndjson")
            #expect(answer.field("Content-Encoding") == nil)
            #expect(answer.field("Vary") == "Accept-Encoding")
            let lines = answer.text.split(separator: "\n")
            #expect(lines.count == 3)
            for (index, line) in lines.enumerated() {
                let row = try CanonicalJSON(parsing: String(line))
                #expect(row.member("position")?.text == "\(index + 1)")
                #expect(row.string("cursor")?.hasPrefix("\(index + 1)-") == true)
                #expect(line.contains(#","receivedAt":"2025-10-09T08:53:20Z","source":"webhook","body":"#))
                #expect(try CanonicalJSON(parsing: String(line)).string("body").map { Array($0.utf8) } == odd)
            }
            #expect(answer.text.hasSuffix("}\n"))
        }
    }

    @Test func `from and limit choose a part`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            for number in 1...7 { #expect(try server.post(Callback.body("E", "S\(number)")).status == 200) }
            let control = TestControl(directory)
            defer { control.close() }
            func page(_ query: String) throws -> [Int] {
                let answer = try control.send("GET", "/v1/log" + query)
                #expect(answer.status == 200)
                return try positions(answer.body)
            }
            #expect(try page("") == Array(1...7))
            #expect(try page("?from=5") == [5, 6, 7])
            #expect(try page("?limit=3") == [1, 2, 3])
            #expect(try page("?from=3&limit=2") == [3, 4])
            #expect(try page("?from=8") == [])
            #expect(try page("?from=9223372036854775807&limit=9223372036854775807") == [])
            for query in [
                "?from=0", "?from=-1", "?from=x", "?limit=0", "?limit=", "?from=1&from=2", "?from=9223372036854775808",
            ] {
                let answer = try control.send("GET", "/v1/log" + query)
                #expect(answer.status == 400, "\(query)")
                #expect(answer.problem == "malformed-query")
            }
        }
    }

    @Test func `gzip on request, for an empty log too`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            let control = TestControl(directory)
            defer { control.close() }
            func coded(_ accept: String) throws -> ClientResponse {
                try control.send("GET", "/v1/log", fields: [("Accept-Encoding", accept)])
            }
            let empty = try coded("gzip")
            #expect(empty.field("Content-Encoding") == "gzip")
            #expect(try gunzip(empty.body, decompressedBytesMax: 100).isEmpty)
            for number in 1...3 { #expect(try server.post(Callback.body("E", "S\(number)")).status == 200) }
            let plain = try control.send("GET", "/v1/log").body
            for accept in ["gzip", "br, gzip;q=0.5", "*", "x-gzip"] {
                let answer = try coded(accept)
                #expect(answer.field("Content-Encoding") == "gzip")
                #expect(try gunzip(answer.body, decompressedBytesMax: 1 << 20) == plain)
            }
            for accept in ["gzip;q=0", "identity", "br", "*;q=0", ""] {
                let answer = try coded(accept)
                #expect(answer.field("Content-Encoding") == nil, "\(accept)")
                #expect(answer.body == plain)
            }
        }
    }

    @Test func `a log of many pieces comes whole, with lines of any length`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory, { $0.webhook.bodyBytesMax = 4 << 20 }) { server throws in
            for number in 1...40 {
                let fill = String(repeating: "x", count: number == 20 ? 3 << 20 : 60_000)
                let body = Callback.body("E", "S\(number)", extra: #","fill":"\#(fill)""#)
                #expect(try server.post(body).status == 200)
            }
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try positions(try control.send("GET", "/v1/log").body) == Array(1...40))
            let coded = try control.send("GET", "/v1/log", fields: [("Accept-Encoding", "gzip")])
            #expect(try positions(try gunzip(coded.body, decompressedBytesMax: 64 << 20)) == Array(1...40))
            #expect(coded.body.count < 200_000)
            let head = try control.send("HEAD", "/v1/log")
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
            #expect(try control.send("GET", "/healthz").status == 200)
        }
    }

    @Test func `an operator gets it over HTTP as well`() throws {
        try withReceiver(FakeStore(), access: .operators()) { server, _ throws in
            for number in 1...3 { #expect(try server.post(Callback.body("E", "S\(number)")).status == 200) }
            let answer = try server.get("/v1/log?from=2")
            #expect(answer.status == 200)
            #expect(try positions(answer.body) == [2, 3])
        }
    }
}
