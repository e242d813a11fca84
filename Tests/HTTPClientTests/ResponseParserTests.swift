import Testing

@testable import HTTPClient

@Suite struct ResponseParserTests {
    struct Outcome: Equatable {
        var status = 0
        var body = ""
        var keepsAlive = true
        var error: HTTPClientError.Code?
    }

    static let good: [(String, Outcome)] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Outcome(status: 200, body: "abc")),
        ("HTTP/1.1 200\r\nContent-Length:0\r\n\r\n", Outcome(status: 200)),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: \t3 \r\nCONNECTION: x, Close\r\n\r\nabc",
            Outcome(status: 200, body: "abc", keepsAlive: false)
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", Outcome(status: 200, body: "abc")),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", Outcome(status: 200, body: "abc", keepsAlive: false)),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", Outcome(status: 200, body: "a")),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Outcome(status: 200, body: "until the end", keepsAlive: false)),
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
        ("", .closedBeforeResponse), ("H", .closedWithinResponse), ("HTTP/1.1 200 OK\r\n", .closedWithinResponse),
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
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n", .malformedResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", .responseTooLarge),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n", .responseTooLarge),
        ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1001), .responseTooLarge),
        ("HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 1000), .responseTooLarge),
    ]

    @Test(arguments: good.indices) func `reads a response however it is cut`(index: Int) {
        let (text, expected) = Self.good[index]
        for size in 1...text.utf8.count {
            #expect(parse(text, pieces: size) == expected, "\(size)")
        }
    }

    @Test(arguments: bad.indices) func `tells what is wrong, however it is cut`(index: Int) {
        let (text, code) = Self.bad[index]
        for size in 1...max(1, text.utf8.count) {
            #expect(parse(text, pieces: size).error == code, "\(size)")
        }
    }

    @Test func `takes nothing beyond the response, and starts anew`() throws {
        var parser = ResponseParser(headBytesMax: 1000, bodyBytesMax: 1000)
        let two = Array(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 404 No\r\nX-Y: z\r\nContent-Length: 1\r\n\r\nb".utf8)
        let first = try two.withUnsafeBytes { try parser.feed($0) }
        #expect(parser.isComplete && parser.status == 200 && parser.body == [UInt8(ascii: "a")])
        parser.reset()
        let second = try two[first...].withUnsafeBytes { try parser.feed($0) }
        #expect(first + second == two.count)
        #expect(parser.isComplete && parser.status == 404 && parser.body == [UInt8(ascii: "b")])
        #expect(parser.fields.map(\.name) == ["X-Y", "Content-Length"])
        #expect(parser.head.withUnsafeBytes { ResponseParser.firstField("x-y", in: $0) } == "z")
    }

    @Test func `an answer to HEAD has no body`() throws {
        var parser = ResponseParser(headBytesMax: 1000, bodyBytesMax: 1000)
        parser.reset(answersHead: true)
        let bytes = Array("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".utf8)
        #expect(try bytes.withUnsafeBytes { try parser.feed($0) } == bytes.count)
        #expect(parser.isComplete)
    }

    @Test func `a stream that was cut completes nothing`() throws {
        var parser = ResponseParser(headBytesMax: 1000, bodyBytesMax: 1000)
        _ = try Array("HTTP/1.1 200 OK\r\n\r\npart".utf8).withUnsafeBytes { try parser.feed($0) }
        #expect(throws: HTTPClientError.self) { try parser.end(wasCut: true) }
    }

    @Test(arguments: [1, 7, 200]) func `the bound of a head is exact, and what is not HTTP has another error`(size: Int)
    {
        let fields = "HTTP/1.1 204 No\r\nX: "
        let fill = String(repeating: "y", count: 1000 - fields.utf8.count - 4)
        #expect(parse(fields + fill + "\r\n\r\n", pieces: size).status == 204)
        #expect(parse(fields + fill + "y\r\n\r\n", pieces: size).error == .responseTooLarge)
        #expect(parse(String(repeating: "y", count: 2000), pieces: size).error == .malformedResponse)
    }

    private func parse(_ text: String, pieces size: Int) -> Outcome {
        var parser = ResponseParser(headBytesMax: 1000, bodyBytesMax: 1000)
        var rest = Array(text.utf8)[...]
        do {
            while !rest.isEmpty {
                let taken = try Array(rest.prefix(size)).withUnsafeBytes { try parser.feed($0) }
                rest = rest.dropFirst(max(taken, 1))
                if parser.isComplete { break }
            }
            try parser.end()
            return Outcome(
                status: parser.status, body: String(decoding: parser.body, as: UTF8.self), keepsAlive: parser.keepsAlive
            )
        } catch {
            return Outcome(error: (error as? HTTPClientError)?.code)
        }
    }
}
