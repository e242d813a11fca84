import HTTPServer
import Testing

/// What half-sent requests may hold, over all connections.
@Suite struct HeldRequestsTests {
    /// - Parameter requestBytesMax: of all requests together.
    private func server(
        requestBytesMax: Int,
        answer: @escaping @Sendable (borrowing Request, Exchange) -> Void = { $1.respond(echo($0)) }
    ) throws -> TestServer {
        try TestServer(
            limits: { $0.requestBytesMax = requestBytesMax },
            handler: ClosureHandler(
                admission: { .accept(bodyBytesMax: 1_000_000, displacesOthers: $0.isPath("/callback")) },
                handler: answer))
    }

    /// A request of which so many bytes of the body come now.
    private func begin(_ client: TestClient, _ server: TestServer, _ path: String, _ count: Int, of length: Int) {
        let head = "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n"
        let before = server.server.statistics.bytesIn
        client.send(head + String(repeating: "a", count: count))
        while server.server.statistics.bytesIn < before + head.utf8.count + count { yieldThread() }
    }

    @Test func `a callback's body makes the one give way that has been coming in the longest`() throws {
        let server = try server(requestBytesMax: 100_000)
        let clients = try (0..<3).map { _ in try server.client() }
        for client in clients { begin(client, server, "/callback", 40_000, of: 40_001) }
        let displaced = try #require(try clients[0].response())
        #expect(displaced.status == 503)
        #expect(displaced.text.contains("too_many_bodies"))
        for client in clients[1...] {
            client.send("b")
            #expect(try client.response()?.status == 200)
        }
        // All of it counted back.
        for client in try [server.client(), server.client()] {
            begin(client, server, "/callback", 40_000, of: 40_001)
            client.send("b")
            #expect(try client.response()?.status == 200)
        }
    }

    @Test func `another body is refused before all of the room is taken`() throws {
        let server = try server(requestBytesMax: 100_000)
        let callback = try server.client()
        begin(callback, server, "/callback", 40_000, of: 40_001)
        let other = try server.client()
        begin(other, server, "/other", 50_000, of: 50_001)
        #expect(try other.response()?.status == 503)
        callback.send("b")
        #expect(try callback.response()?.status == 200)
        let later = try server.client()
        begin(later, server, "/other", 50_000, of: 50_001)
        later.send("b")
        #expect(try later.response()?.status == 200)
    }

    @Test func `one body may be larger than all of them together`() throws {
        let server = try server(requestBytesMax: 1_000)
        let client = try server.client()
        begin(client, server, "/callback", 40_000, of: 40_001)
        client.send("b")
        #expect(try client.response()?.status == 200)
    }

    @Test func `what comes in one piece is never held`() throws {
        let server = try server(requestBytesMax: 1)
        let client = try server.client()
        for _ in 0..<3 {
            client.send("POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            #expect(try client.response()?.text == "POST /other abc")
        }
    }

    @Test func `a pipeline that waits for an answer gives way`() throws {
        let exchanges = Mailbox<Exchange>()
        let server = try server(requestBytesMax: 60_000) { request, exchange in
            if request.head.isPath("/slow") { exchanges.put(exchange) } else { exchange.respond(echo(request)) }
        }
        let client = try server.client()
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        let exchange = try exchanges.take()
        exchange.respond(Response(status: 204))
        #expect(try client.response()?.status == 204)
        let piped = try server.client()
        let padding = String(repeating: "a", count: 50_000)
        piped.send(
            "GET /slow HTTP/1.1\r\nHost: a\r\n\r\nPOST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
                + padding)
        let slow = try exchanges.take()
        let callback = try server.client()
        begin(callback, server, "/callback", 40_000, of: 40_001)
        callback.send("b")
        #expect(try callback.response()?.status == 200)
        slow.respond(Response(status: 204))
        #expect(try piped.response()?.status == 204)
    }

    @Test func `heads that are never finished are bounded like bodies`() throws {
        let server = try server(requestBytesMax: 20_000)
        let clients = try (0..<4).map { _ in try server.client() }
        for client in clients {
            let before = server.server.statistics.bytesIn
            client.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "a", count: 8_000))
            while server.server.statistics.bytesIn < before + 8_000 { yieldThread() }
        }
        #expect(try clients[0].response()?.status == 503)
        clients[3].send("\r\n\r\n")
        #expect(try clients[3].response()?.status == 200)
    }
}
