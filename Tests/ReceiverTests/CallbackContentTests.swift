import Base
import Compression
import HTTPClient
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

/// What callbacks may hold, and how it may be coded, over a real socket.
@Suite struct CallbackContentTests {
    private let body = Callback.body("SESSION_STARTED")

    static let invalid: [(body: String, code: String)] = [
        ("", "INVALID_JSON"), ("{", "INVALID_JSON"), ("nonsense", "INVALID_JSON"), ("{}{}", "INVALID_JSON"),
        ("[]", "NOT_AN_OBJECT"), ("null", "NOT_AN_OBJECT"), ("{}", "MISSING_EVENT"),
        (#"{"event":"","payload":{}}"#, "INVALID_EVENT"), (#"{"event":1,"payload":{}}"#, "INVALID_EVENT"),
        (#"{"event":"E"}"#, "MISSING_PAYLOAD"), (#"{"event":"E","payload":[]}"#, "INVALID_PAYLOAD"),
        (#"{"event":"E","payload":{"timestamp":"2025-06-12T10:56:51Z"}}"#, "MISSING_SESSION_ID"),
        (#"{"event":"E","payload":{"sessionId":"","timestamp":"2025-06-12T10:56:51Z"}}"#, "INVALID_SESSION_ID"),
        (#"{"event":"E","payload":{"sessionId":7,"timestamp":"2025-06-12T10:56:51Z"}}"#, "INVALID_SESSION_ID"),
        (#"{"event":"E","payload":{"sessionId":"a\nb","timestamp":"2025-06-12T10:56:51Z"}}"#, "INVALID_SESSION_ID"),
        (#"{"event":"E","payload":{"sessionId":"S"}}"#, "MISSING_TIMESTAMP"),
        (#"{"event":"E","payload":{"sessionId":"S","timestamp":"yesterday"}}"#, "INVALID_TIMESTAMP"),
        (#"{"event":"E","payload":{"sessionId":"S","timestamp":1749725811}}"#, "INVALID_TIMESTAMP"),
        (#"{"event":"E","event":"F","payload":{}}"#, "DUPLICATE_KEY"), (#"{"event":"\ud800"}"#, "LONE_SURROGATE"),
        (#"{"a":\#(String(repeating: "[", count: 100))"#, "TOO_DEEP"),
    ]

    @Test(arguments: invalid) func `no session event: 400 with the code`(body: String, code: String) throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try server.post(Array(body.utf8))
            #expect(answer.status == 400)
            #expect(answer.problem == "invalid-event")
            #expect(answer.json?.string("code") == code)
            #expect(server.features.metrics.refusedCallbacks[.invalidEvent]?.value == 1)
        }
    }

    @Test func `what is set aside beside a log that cannot be written to is promised to nobody`() throws {
        let store = FakeStore()
        try withReceiver(store) { server, _ throws in
            store.behave(.fails(StoreError(.unavailable, "gone")))
            #expect(try server.post(Array("{}".utf8)).status == 503)
            store.behave(.isFull)
            #expect(try server.post(Array("{}".utf8)).status == 400)
            store.behave(.works)
            #expect(try server.post(Array("{}".utf8)).status == 400)
        }
    }

    @Test func `invalid UTF-8 is told apart`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            #expect(try server.post(Array(#"{"event":""#.utf8) + [0xFF]).json?.string("code") == "INVALID_UTF8")
        }
    }

    @Test func `a byte order mark is no fault, and no part of what is kept`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            let marked = Array("\u{FEFF}".utf8) + body
            #expect(try server.post(marked).json?.string("outcome") == "accepted")
            #expect(try server.post(body).json?.string("outcome") == "duplicate")
            #expect(
                try server.post(gzip(marked), fields: [("Content-Encoding", "gzip")]).json?.string("outcome")
                    == "duplicate")
            let log = try TestControl(directory).send("GET", "/v1/log").text
            #expect(!log.contains("\u{FEFF}"))
            for line in log.split(separator: "\n") { #expect((try? CanonicalJSON(parsing: String(line))) != nil) }
            let twice = try server.post(Array("\u{FEFF}".utf8) + marked)
            #expect(twice.status == 400)
            #expect(twice.json?.string("code") == "INVALID_JSON")
        }
    }

    @Test func `the problem quotes nothing of the body`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let answer = try server.post(Array(#"{"event":"private-text","payload":{"sessionId":"private-id"}}"#.utf8))
            #expect(answer.status == 400)
            #expect(!answer.text.contains("private"))
            #expect(!server.log.text.contains("private"))
        }
    }

    @Test func `unknown fields and events are kept`() throws {
        try withApplication { server throws in
            let event = Callback.body("SESSION_TELEPORTED", extra: #","mood":{"a":[1,2.50,null]}"#)
            #expect(
                try server.post(event).text
                    == #"{"outcome":"accepted","sessionId":"S1","sessionStatus":"UNKNOWN","version":1}"#)
            let facts = try server.get("/v1/sessions/S1/facts").text
            #expect(facts.contains(#""event":"SESSION_TELEPORTED""#))
            #expect(facts.contains(#""payload":{"mood":{"a":[1,2.5,null]}}"#))
        }
    }

    @Test(arguments: [
        "application/json", "Application/JSON; charset=utf-8", " application/json ", "text/json",
        "application/vnd.drive+json", nil,
    ]) func `JSON by any of its names`(contentType: String?) throws {
        try withReceiver(FakeStore()) { server, _ throws in
            #expect(try server.post(body, contentType: contentType).status == 200)
        }
    }

    @Test(arguments: ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "image/svg+xml"])
    func `other media types: 415, and the verified body is kept`(contentType: String) throws {
        let store = FakeStore()
        try withReceiver(store) { server, _ throws in
            let answer = try server.post(body, contentType: contentType)
            #expect(answer.status == 415)
            #expect(answer.problem == "unsupported-media-type")
            #expect(try server.quarantine().map(\.kind) == [.verified])
            #expect(try server.quarantine().first?.content.body == body)
        }
    }

    @Test(arguments: ["br", "deflate", "gzip, gzip", "zstd"])
    func `other content codings: 415 with what would do`(coding: String) throws {
        let store = FakeStore()
        try withReceiver(store) { server, _ throws in
            let answer = try server.post(body, fields: [("Content-Encoding", coding)])
            #expect(answer.status == 415)
            #expect(answer.problem == "unsupported-content-coding")
            #expect(answer.field("Accept-Encoding") == "gzip, identity")
            #expect(try server.quarantine().map(\.content.reason) == ["UNSUPPORTED_CONTENT_CODING"])
        }
    }

    @Test func `codings and types in several fields: 415, whatever the first one says`() throws {
        let packed = try gzip(body, level: 6)
        try withReceiver(FakeStore()) { server, _ throws in
            for (content, codings) in [
                (packed, ["gzip", "br"]), (packed, ["gzip", "gzip"]), (body, ["identity", "br"]),
                (packed, ["", "gzip"]),
            ] {
                let answer = try server.post(content, fields: codings.map { ("Content-Encoding", $0) })
                #expect(answer.status == 415)
                #expect(answer.problem == "unsupported-content-coding")
            }
            let answer = try server.post(body, fields: [("Content-Type", "text/plain")])
            #expect(answer.status == 415)
            #expect(answer.problem == "unsupported-media-type")
            #expect(server.features.metrics.refusedCallbacks[.unsupportedMediaType]?.value == 5)
        }
    }

    @Test func `gzip, signed over what is sent or over what is meant`() throws {
        let coded = try gzip(body)
        try withApplication { server throws in
            for coding in ["gzip", "x-gzip", "GZIP"] {
                #expect(try server.post(coded, fields: [("Content-Encoding", coding)]).status == 200)
                #expect(try server.post(coded, signing: body, fields: [("Content-Encoding", coding)]).status == 200)
            }
            #expect(try server.post(body, fields: [("Content-Encoding", "identity")]).status == 200)
            let session = try server.get("/v1/sessions/S1")
            #expect(session.text.contains(#""deliveries":{"received":7,"duplicates":6,"arrivedLate":0}"#))
            let wrong = try server.post(coded, secret: "some-other-secret", fields: [("Content-Encoding", "gzip")])
            #expect(wrong.status == 403)
        }
    }

    @Test func `what is not the gzip that it says: 400, and the verified body is kept`() throws {
        let coded = try gzip(body)
        var corrupt = coded
        corrupt[coded.count / 2] ^= 0xFF
        for sent in [body, Array(coded.dropLast(4)), corrupt, coded + [1, 2, 3]] {
            let store = FakeStore()
            try withReceiver(store) { server, _ throws in
                let answer = try server.post(sent, fields: [("Content-Encoding", "gzip")])
                #expect(answer.status == 400)
                #expect(answer.problem == "malformed-content-coding")
                #expect(try server.quarantine().first?.content.body == sent)
            }
        }
    }

    @Test func `a gzip bomb is found out before it goes off`() throws {
        let store = FakeStore()
        try withReceiver(store, bodyBytesMax: 4096) { server, _ throws in
            let bomb = try gzip([UInt8](repeating: UInt8(ascii: " "), count: 1 << 20))
            let answer = try server.post(bomb, fields: [("Content-Encoding", "gzip")])
            #expect(answer.status == 413)
            #expect(answer.problem == "body-too-large")
            #expect(try server.quarantine().map(\.content.reason) == ["BODY_TOO_LARGE"])
            // Who can't show that it is authentic gets no more than anybody else.
            let unsigned = try server.post(bomb, secret: "some-other-secret", fields: [("Content-Encoding", "gzip")])
            #expect(unsigned.status == 403)
        }
    }

    @Test func `a body may be as large as configured, coded or not, and not larger`() throws {
        for limit in [4096, 100_000] {
            try withReceiver(FakeStore(), bodyBytesMax: limit) { server, _ throws in
                let plain = Callback.body("E", extra: #","fill":""#).dropLast(2)
                let fill = [UInt8](repeating: UInt8(ascii: "x"), count: limit - plain.count - 3)
                let exact = plain + fill + Array(#""}}"#.utf8)
                #expect(exact.count == limit)
                #expect(try server.post(Array(exact)).status == 200)
                #expect(try server.post(try gzip(Array(exact)), fields: [("Content-Encoding", "gzip")]).status == 200)
                let more = try server.post(Array(exact) + [0x20])
                #expect(more.status == 413)
                #expect(more.problem == "http-body-too-large")
                let coded = try server.post(try gzip(Array(exact) + [0x20]), fields: [("Content-Encoding", "gzip")])
                #expect(coded.status == 413)
            }
        }
    }

    @Test func `chunked bodies are the same bodies`() throws {
        try withReceiver(FakeStore(), bodyBytesMax: 4096) { server, _ throws in
            func post(_ chunks: [[UInt8]]) throws -> RawAnswer? {
                let socket = try server.raw()
                let signature = try Callback.signature(Array(chunks.joined()))
                socket.send(
                    "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                        + "X-HMAC-SHA512-Signature: \(signature)\r\nConnection: close\r\n\r\n")
                for chunk in chunks {
                    socket.send("\(String(chunk.count, radix: 16))\r\n")
                    socket.send(chunk)
                    socket.send("\r\n")
                }
                socket.send("0\r\n\r\n")
                return RawAnswer(try socket.receiveAll())
            }
            #expect(try post([body])?.status == 200)
            #expect(try post(body.map { [$0] })?.body.contains(#""outcome":"duplicate""#) == true)
            let tooLarge = try post((0..<5).map { _ in [UInt8](repeating: 0x20, count: 1000) })
            #expect(tooLarge?.status == 413)
            #expect(tooLarge?.body.contains("urn:chargefold:problem:http-body-too-large") == true)
        }
    }
}
