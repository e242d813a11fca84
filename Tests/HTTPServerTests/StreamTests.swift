import Base
import Dispatch
import HTTPServer
import Testing

@Suite struct StreamTests {
    /// A server that hands out the stream of every request.
    private func server(
        _ mailbox: Mailbox<ResponseStream>, limits: (inout Limits) -> Void = { _ in }, endsAtHalfClose: Bool = false
    ) throws -> TestServer {
        try TestServer(limits: limits) { _, exchange in
            mailbox.put(
                exchange.stream(Response(status: 200, contentType: "text/plain"), endsAtHalfClose: endsAtHalfClose))
        }
    }

    @Test func `pieces come in order, and the connection lives on`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox)
        let client = try server.client()
        for round in 0..<3 {
            client.send("GET /\(round) HTTP/1.1\r\nHost: a\r\n\r\n")
            let stream = try mailbox.take()
            for number in 0..<500 { #expect(stream.write(Array("\(number),".utf8))) }
            stream.finish()
            #expect(!stream.write([1]))
            let response = try client.response()
            #expect(response?["Transfer-Encoding"] == "chunked")
            #expect(response?.text == (0..<500).map { "\($0)," }.joined())
        }
    }

    @Test func `HTTP/1.0 gets the bytes up to the end of the connection`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox)
        let client = try server.client()
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let stream = try mailbox.take()
        stream.write(Array("abc".utf8))
        stream.finish()
        let response = try client.response()
        #expect(response?["Transfer-Encoding"] == nil)
        #expect(response?["Connection"] == "close")
        #expect(response?.text == "abc")
    }

    @Test func `HEAD gets the head of a stream only`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox)
        let client = try server.client()
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        let stream = try mailbox.take()
        #expect(try client.response(isHead: true)?.status == 200)
        #expect(!stream.write([1]))
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try mailbox.take().finish()
        #expect(try client.response()?.body == [])
    }

    @Test func `a reader that does not read is cut off at the bound`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox, limits: { $0.streamBufferBytesMax = 100_000 })
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let stream = try mailbox.take()
        let closed = Mailbox<Bool>()
        stream.onClose { closed.put(true) }
        while stream.write([UInt8](repeating: 0x61, count: 10_000)) { #expect(stream.bufferedBytes <= 100_000) }
        #expect(try closed.take())
        #expect(stream.isClosed)
        #expect(throws: TestFailure.self) { try client.response() }
    }

    @Test func `a writer that waits for the drain sends any amount`() async throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox, limits: { $0.streamBufferBytesMax = 100_000 })
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let stream = try mailbox.take()
        let writing = Task(executorPreference: BackgroundExecutor.shared) {
            for _ in 0..<500 {
                stream.write([UInt8](repeating: 0x62, count: 50_000))
                await stream.drained()
            }
            stream.finish()
        }
        #expect(try client.response()?.body.count == 25_000_000)
        await writing.value
    }

    @Test func `whoever waits for the drain goes on when the reader has gone`() async throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox, limits: { $0.streamBufferBytesMax = 64 << 20 })
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let stream = try mailbox.take()
        // More than sockets hold.
        stream.write([UInt8](repeating: 0x61, count: 32 << 20))
        let waiting = Task(executorPreference: BackgroundExecutor.shared) { await stream.drained() }
        client.reset()
        await waiting.value
        #expect(stream.isClosed)
        await stream.drained()
    }

    @Test func `the writer learns that the reader has gone`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox, endsAtHalfClose: true)
        for leave in [{ $0.reset() }, { $0.end() }, { $0.halfClose() }] as [(TestClient) -> Void] {
            let client = try server.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let stream = try mailbox.take()
            let closed = Mailbox<Bool>()
            stream.onClose { closed.put(true) }
            leave(client)
            #expect(try closed.take())
            #expect(!stream.write([1]))
        }
        while server.server.statistics.connectionsOpen > 0 { yieldThread() }
    }

    @Test func `a half-closed reader gets the whole download`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox)
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.halfClose()
        let stream = try mailbox.take()
        for _ in 0..<10 { stream.write([0x61]) }
        stream.finish()
        #expect(try client.response()?.text == "aaaaaaaaaa")
        #expect(try client.response() == nil)
    }

    @Test func `a stream that is dropped or aborted does not look complete`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox)
        for isDropped in [true, false] {
            let client = try server.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            var stream: ResponseStream? = try mailbox.take()
            stream?.write([0x61])
            if !isDropped { stream?.abort() }
            stream = nil
            #expect(throws: TestFailure.self) { try client.response() }
        }
    }

    @Test func `three hundred streams get what is written to all`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try server(mailbox)
        let clients = try (0..<300).map { _ in try server.client() }
        for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
        let streams = try clients.map { _ in try mailbox.take() }
        for number in 0..<20 {
            let piece = Array("data: \(number)\n\n".utf8)
            for stream in streams { #expect(stream.write(piece)) }
        }
        for stream in streams { stream.finish() }
        let expected = (0..<20).map { "data: \($0)\n\n" }.joined()
        for client in clients { #expect(try client.response()?.text == expected) }
    }
}
