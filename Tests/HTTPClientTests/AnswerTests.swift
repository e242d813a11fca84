import Glibc
import HTTPClient
import Testing

/// What a server may answer, byte for byte, and what must become of it. libcurl alone takes more than half of the bad
/// ones for good.
@Suite(.timeLimit(.minutes(1))) struct AnswerTests {
    struct Outcome: Equatable, Sendable {
        var status = 0
        var body = ""
        /// Whether the next request comes over the same connection.
        var isKept = true
    }

    static let good: [(String, Outcome)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Outcome(status: 200, body: "abc")),
        ("HTTP/1.1 200\r\nContent-Length:0\r\n\r\n", Outcome(status: 200)),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: \t3 \r\nCONNECTION: x, Close\r\n\r\nabc",
            Outcome(status: 200, body: "abc", isKept: false)
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", Outcome(status: 200, body: "abc")),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", Outcome(status: 200, body: "abc", isKept: false)),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", Outcome(status: 200, body: "a")),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Outcome(status: 200, body: "until the end", isKept: false)),
        ("HTTP/1.1 204 No Content\r\n\r\n", Outcome(status: 204)),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n", Outcome(status: 304)),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 X\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
            Outcome(status: 201, body: "x")
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
            Outcome(status: 200, body: "abc0123456789")
        ),
    ]

    static let bad: [(String, HTTPClientError.Code)] = [
        ("", .closedBeforeResponse), ("H", .closedBeforeResponse), ("HTTP/1.1 200 OK\r\n", .closedWithinResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", .closedWithinResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", .closedWithinResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", .closedWithinResponse),
        ("HTTP/1.1 100 Continue\r\n\r\n", .closedWithinResponse),
        ("garbage", .malformedResponse), ("SSH-2.0-OpenSSH\r\n", .malformedResponse), ("\r\n\r\n", .malformedResponse),
        ("HTTP/2.0 200 OK\r\n\r\n", .malformedResponse), ("HTTP/1.2 200 OK\r\nA: b\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 20 OK\r\n\r\n", .malformedResponse), ("HTTP/1.1 2000 OK\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 099 OK\r\n\r\n", .malformedResponse), ("HTTP/1.1 101 Up\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\n: b\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nA: b\nB: c\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", .malformedResponse),
        // Chunks' lines may end with LF alone, and be 16 digits long: libcurl takes the former, and waits for the latter.
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n", .closedWithinResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n", .closedWithinResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12345678901234567\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", .responseTooLarge),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n" + String(repeating: "x", count: 1001),
            .responseTooLarge
        ),
        ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1001), .responseTooLarge),
        ("HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 1000) + "\r\n", .responseTooLarge),
    ]

    @Test(arguments: good.indices, [Int.max, 1])
    func `an answer is read however it comes, and the connection kept where it may be`(
        index: Int, pieceBytes: Int
    ) throws {
        let (text, expected) = Self.good[index]
        let server = ScriptedServer([
            {
                $0.readRequest()
                $0.write(text, pieceBytes: pieceBytes)
                if !expected.isKept { shutdown($0.descriptor, Int32(SHUT_WR)) }
                // Empty where the client has closed.
                if !$0.readRequest().isEmpty { $0.answer("kept") }
                $0.waitForEnd()
            },
            {
                $0.readRequest()
                $0.answer("new")
                $0.waitForEnd()
            },
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url), options: Self.options)
        let first = try connection.send(Self.request)
        let second = try connection.send(Self.request)
        let isKept = String(decoding: second.body, as: UTF8.self) == "kept"
        #expect(
            Outcome(status: first.status, body: String(decoding: first.body, as: UTF8.self), isKept: isKept) == expected
        )
        connection.close()
        server.stop()
    }

    @Test(arguments: bad.indices, [Int.max, 1])
    func `whatever is wrong is told, however it comes`(index: Int, pieceBytes: Int) throws {
        let (text, code) = Self.bad[index]
        let server = ScriptedServer([
            {
                $0.readRequest()
                $0.write(text, pieceBytes: pieceBytes)
            }
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url), options: Self.options)
        let error = #expect(throws: HTTPClientError.self) { try connection.send(Self.request) }
        #expect(error?.code == code)
        #expect(error?.mayHaveBeenSent == true)
        #expect(error?.detail.contains("the-secret") == false)
        connection.close()
        server.finish()
    }

    @Test func `an answer to HEAD has no body`() throws {
        let server = ScriptedServer([
            {
                $0.readRequest()
                $0.write("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
                $0.readRequest()
                $0.answer("next")
                $0.waitForEnd()
            }
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url), options: Self.options)
        let answer = try connection.send(ClientRequest(method: "HEAD", target: "/"))
        #expect(answer.status == 200)
        #expect(answer.field("content-length") == "5000")
        #expect(answer.body.isEmpty)
        #expect(try connection.send(Self.request).body == Array("next".utf8))
        connection.close()
        server.finish()
    }

    @Test(
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        ], [10, 100_000]) func `what comes behind an answer never becomes the next one`(answer: String, bytes: Int)
        throws
    {
        let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" + String(repeating: "x", count: bytes)
        let script: ScriptedServer.Script = {
            $0.readRequest()
            $0.write(answer + smuggled)
            if !$0.readRequest().isEmpty { $0.answer("good") }
            $0.waitForEnd()
        }
        let server = ScriptedServer([
            script,
            {
                $0.readRequest()
                $0.answer("good")
                $0.waitForEnd()
            },
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url), options: Self.options)
        #expect(try connection.send(Self.request).body.count <= 1)
        #expect(try connection.send(Self.request).body == Array("good".utf8))
        connection.close()
        server.stop()
    }

    @Test func `a redirect is an answer like others`() throws {
        let wire = Wire()
        let server = ScriptedServer([
            {
                wire.append($0.readRequest())
                $0.write("HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")
                wire.append($0.readRequest())
                $0.write("HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
                wire.append($0.readRequest())
            }
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url), options: Self.options)
        #expect(try connection.send(ClientRequest(method: "POST", target: "/a")).field("location") == "/elsewhere")
        #expect(try connection.send(ClientRequest(method: "POST", target: "/b")).status == 401)
        connection.close()
        server.finish()
        #expect(wire.requests.map { $0.prefix(7) } == ["POST /a", "POST /b", ""])
        #expect(wire.requests.allSatisfy { !$0.lowercased().contains("cookie") })
    }

    @Test func `the bounds of head and body are exact`() throws {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX: "
        let fill = String(repeating: "y", count: 1000 - head.utf8.count - 4)
        let body = String(repeating: "z", count: 1000)
        #expect(try outcome(head + fill + "\r\n\r\n" + body) == nil)
        #expect(try outcome(head + fill + "y\r\n\r\n" + body) == .responseTooLarge)
        // A line without an end: libcurl's own bound is 100 KiB.
        #expect(try outcome(head + String(repeating: "y", count: 200_000)) == .responseTooLarge)
        #expect(try outcome(String(repeating: "y", count: 2000)) == .malformedResponse)
        let interim = "HTTP/1.1 100 Continue\r\n\r\n"
        #expect(try outcome(String(repeating: interim, count: 50)) == .responseTooLarge)
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
        #expect(try outcome(chunks + String(repeating: "T: u\r\n", count: 300)) == .responseTooLarge)
    }

    private func outcome(_ text: String) throws -> HTTPClientError.Code? {
        let server = ScriptedServer([
            {
                $0.readRequest()
                $0.write(text)
                $0.waitForEnd()
            }
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url), options: Self.options)
        defer {
            connection.close()
            server.finish()
        }
        do throws(HTTPClientError) {
            _ = try connection.send(Self.request)
            return nil
        } catch {
            return error.code
        }
    }

    private static var options: ClientOptions {
        var options = ClientOptions()
        options.headBytesMax = 1000
        options.bodyBytesMax = 1000
        return options
    }

    private static var request: ClientRequest {
        ClientRequest(target: "/?the-secret", fields: [("X-API-Key", "the-secret")], isRepeatable: false)
    }
}
