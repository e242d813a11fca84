import HTTPServerTestSupport
import Testing

@testable import HTTPServer

@Suite struct RequestParserTests {
    private func parse(_ text: String, limits: Limits = Limits()) -> [ParserHarness.Outcome] {
        ParserHarness.outcomes(of: [Array(text.utf8)], limits: limits)
    }

    private func failure(_ text: String, limits: Limits = Limits()) -> HTTPError.Code? {
        if case .failure(let code) = parse(text, limits: limits).last { code } else { nil }
    }

    @Test func `finds method, path, query, fields and body`() {
        let outcomes = parse("POST /a%20b?c=d&e HTTP/1.1\r\nHost: h\r\nX-Y: \t v w \r\nContent-Length: 2\r\n\r\nok")
        #expect(
            outcomes == [
                .request(
                    method: Array("POST".utf8), path: Array("/a%20b".utf8), query: Array("c=d&e".utf8),
                    fields: ["Host:h", "X-Y:v w", "Content-Length:2"].map { Array($0.utf8) }, body: Array("ok".utf8))
            ])
    }

    @Test func `names each error`() {
        let host = "Host: a\r\n"
        #expect(failure("GET  / HTTP/1.1\r\n") == .malformedRequestLine)
        #expect(failure("GET /%x HTTP/1.1\r\n") == .malformedTarget)
        #expect(failure("GET / HTTP/1.1\r\nX Y: z\r\n") == .malformedField)
        #expect(failure("GET / HTTP/1.1\r\n X: z\r\n") == .foldedField)
        #expect(failure("GET / HTTP/1.1\r\n\r\n") == .missingHost)
        #expect(failure("GET / HTTP/1.1\r\nHost: @\r\n") == .invalidHost)
        #expect(failure("GET / HTTP/1.1\r\n\(host)Content-Length: x\r\n") == .invalidLength)
        #expect(
            failure("GET / HTTP/1.1\r\n\(host)Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
                == .ambiguousLength)
        #expect(failure("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: x\r\n\r\n") == .invalidTransferCoding)
        #expect(failure("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: x, chunked\r\n\r\n") == .unsupportedTransferCoding)
        #expect(failure("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\nx") == .malformedChunk)
        #expect(
            failure("GET / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n")
                == .forbiddenTrailer)
        #expect(failure("CONNECT a:1 HTTP/1.1\r\n") == .connectNotSupported)
        #expect(failure("GET / HTTP/1.1\r\n\(host)Content-Length: 70000\r\n\r\n") == .bodyTooLarge)
        #expect(failure("GET / HTTP/1.1\r\n\(host)Expect: x\r\n\r\n") == .expectationFailed)
        #expect(failure("GET / HTTP/2.0\r\n") == .unsupportedVersion)
    }

    @Test func `keeps every bound exactly`() {
        var limits = Limits()
        limits.methodBytesMax = 3
        #expect(failure("GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits) == nil)
        limits.targetBytesMax = 5
        #expect(failure("HEAD ", limits: limits) == .methodTooLong)
        #expect(failure("TRACE ", limits: limits) == .methodTooLong)
        #expect(failure("DELETE", limits: limits) == .malformedRequestLine)
        limits = Limits()
        limits.targetBytesMax = 4
        #expect(failure("GET /abc HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits) == nil)
        #expect(failure("GET /abcd", limits: limits) == .targetTooLong)
        limits = Limits()
        limits.headerBytesMax = 11
        #expect(failure("GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits) == nil)
        #expect(failure("GET / HTTP/1.1\r\nHost: ab\r\n\r\n", limits: limits) == .headerTooLarge)
        limits = Limits()
        limits.headerCountMax = 1
        #expect(failure("GET / HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits) == nil)
        #expect(failure("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", limits: limits) == .headerTooLarge)
        limits = Limits()
        limits.leadingEmptyLinesMax = 1
        #expect(failure("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits) == nil)
        #expect(failure("\r\n\r\n", limits: limits) == .malformedRequestLine)
        let chunked = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        limits = Limits()
        limits.chunkExtensionBytesMax = 3
        #expect(failure(chunked + "0;a\r\n\r\n", limits: limits) == nil)
        #expect(failure(chunked + "0;ab\r\n\r\n", limits: limits) == .malformedChunk)
        limits = Limits()
        limits.trailerBytesMax = 6
        #expect(failure(chunked + "0\r\nA:b\r\n\r\n", limits: limits) == nil)
        #expect(failure(chunked + "0\r\nA:bc\r\n\r\n", limits: limits) == .headerTooLarge)
    }

    @Test func `looks at each byte of a long head once`() {
        // Quadratic work would take minutes here.
        var limits = Limits()
        limits.headerBytesMax = 4_000_000
        let head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "y", count: 3_000_000) + "\r\n\r\n"
        #expect(ParserHarness.outcomes(of: Array(head.utf8).chunks(of: 16), limits: limits).count == 1)
    }

    @Test func `forgets the memory of many fields`() {
        var parser = RequestParser(limits: ParserLimits(Limits()))
        parser.fields.reserveCapacity(1_000)
        parser.reset()
        #expect(parser.fields.capacity == 0)
    }
}

extension Array {
    func chunks(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
