import HTTPServer
import Testing

/// Deadlines are made tiny and the tests wait for what must follow, never for a time.
@Suite struct DeadlineTests {
    @Test func `an unfinished head is answered 408`() throws {
        let server = try TestServer(limits: { $0.headerTimeoutSeconds = 0.02 })
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHo")
        #expect(try client.response()?.status == 408)
        #expect(try client.response() == nil)
        #expect(server.server.statistics.timeouts == 1)
    }

    @Test func `a connection without a byte is closed without a word`() throws {
        let server = try TestServer(limits: { $0.headerTimeoutSeconds = 0.02 })
        #expect(try server.client().readToEnd().isEmpty)
    }

    @Test func `an idle connection is closed without a word`() throws {
        let server = try TestServer(limits: { $0.idleTimeoutSeconds = 0.02 })
        let client = try server.client()
        #expect(try client.get()?.status == 200)
        #expect(try client.readToEnd().isEmpty)
    }

    @Test func `the second head has a deadline of its own`() throws {
        let server = try TestServer(limits: { $0.headerTimeoutSeconds = 0.02 })
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /")
        #expect(try client.response()?.status == 200)
        #expect(try client.response()?.status == 408)
    }

    @Test func `a stalled body is answered 408`() throws {
        let server = try TestServer(limits: { $0.rateWindowSeconds = 0.02 })
        let client = try server.client()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        #expect(try client.response()?.status == 408)
    }

    @Test func `a body has a total deadline however fast it comes`() throws {
        let server = try TestServer(limits: {
            $0.bodyTimeoutSeconds = 0.05
            $0.rateWindowSeconds = 0.01
            $0.bodyBytesPerSecondMin = 0
        })
        let client = try server.client()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n")
        // The server's answer ends the sending: it resets or the end is read.
        #expect(try client.response()?.status == 408)
    }

    @Test func `an answer that nobody reads is given up`() throws {
        let body = [UInt8](repeating: 0x61, count: 50_000_000)
        let server = try TestServer(limits: { $0.rateWindowSeconds = 0.05 }) { _, exchange in
            exchange.respond(Response(status: 200, body: body))
        }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while server.server.statistics.connectionsOpen > 0 || server.server.statistics.timeouts == 0 { yieldThread() }
        #expect(throws: TestFailure.self) { try client.response() }
    }

    @Test func `a handler that never answers is answered for`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer(limits: { $0.handlerSeconds = 0.02 }) { _, exchange in mailbox.put(exchange) }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.response()?.status == 503)
        #expect(try client.response() == nil)
        try mailbox.take().respond(Response(status: 200))
        client.end()
        while server.server.statistics.connectionsOpen > 0 { yieldThread() }
    }

    @Test func `a peer that does not close is closed after the last answer`() throws {
        let server = try TestServer(limits: { $0.lingerSeconds = 0.02 })
        let client = try server.client()
        client.send("BAD\r\n\r\n")
        #expect(try client.response()?.status == 400)
        while server.server.statistics.connectionsOpen > 0 { yieldThread() }
    }
}
