import Dispatch
import HTTPServer
import Testing

@Suite struct ExchangeTests {
    @Test func `answers from other threads reach their requests`() throws {
        let queue = DispatchQueue(label: "answers", attributes: .concurrent)
        let server = try TestServer(workers: 2) { request, exchange in
            let response = echo(request)
            queue.async { exchange.respond(response) }
        }
        DispatchQueue.concurrentPerform(iterations: 16) { client in
            guard let connection = try? server.client() else {
                Issue.record("no connection")
                return
            }
            for number in 0..<100 {
                let response = try? connection.get("/\(client)/\(number)")
                #expect(response?.text == "GET /\(client)/\(number) ")
            }
        }
        #expect(server.server.statistics.requests == 1_600)
    }

    @Test func `answers in a batch reach all connections`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer(workers: 2) { _, exchange in mailbox.put(exchange) }
        let clients = try (0..<32).map { _ in try server.client() }
        for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
        var batch = ResponseBatch()
        for _ in clients { batch.add(try mailbox.take(), Response(status: 202)) }
        batch.send()
        for client in clients { #expect(try client.response()?.status == 202) }
    }

    @Test func `answers that a thread gives while it collects reach all connections`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer(workers: 2) { _, exchange in mailbox.put(exchange) }
        // More than a batch keeps to itself.
        let clients = try (0..<160).map { _ in try server.client() }
        for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
        let exchanges = try clients.map { _ in try mailbox.take() }
        ResponseBatch.collecting {
            ResponseBatch.collecting { exchanges[0].respond(Response(status: 202)) }
            for exchange in exchanges.dropFirst() { exchange.respond(Response(status: 202)) }
        }
        for client in clients { #expect(try client.response()?.status == 202) }
    }

    @Test func `only the first answer counts`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { request, exchange in
            if request.head.isPath("/kept") { mailbox.put(exchange) }
            exchange.respond(Response(status: 200, body: [0x31]))
            exchange.respond(Response(status: 500))
        }
        let client = try server.client()
        #expect(try client.get("/kept")?.text == "1")
        let old = try mailbox.take()
        // The old right to answer must not answer a newer request of the same connection.
        client.send("GET /kept HTTP/1.1\r\nHost: a\r\n\r\n")
        old.respond(Response(status: 500))
        #expect(try client.response()?.text == "1")
        #expect(try client.get()?.status == 200)
        // The handler has the mailbox, which would have the exchange, which has the server.
        _ = try mailbox.take()
    }

    @Test func `an answer to a connection that has gone is dropped, although its slot is used again`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { _, exchange in mailbox.put(exchange) }
        let gone = try server.client()
        gone.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let old = try mailbox.take()
        gone.reset()
        while server.server.statistics.connectionsOpen > 0 { yieldThread() }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let new = try mailbox.take()
        old.respond(Response(status: 500))
        _ = old.stream(Response(status: 500)).write([1])
        new.respond(Response(status: 200))
        #expect(try client.response()?.status == 200)
    }

    @Test func `a handler may answer another connection's request`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { request, exchange in
            if request.head.isPath("/wait") { return mailbox.put(exchange) }
            try? mailbox.take().respond(Response(status: 201))
            exchange.respond(Response(status: 200))
        }
        let waiting = try server.client()
        waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        let other = try server.client()
        for _ in 0..<2 {
            #expect(try other.get()?.status == 200)
            #expect(try waiting.response()?.status == 201)
        }
    }

    @Test func `an answer after the server has stopped is dropped`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { _, exchange in mailbox.put(exchange) }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let exchange = try mailbox.take()
        server.server.stop()
        exchange.respond(Response(status: 200))
        #expect(exchange.stream(Response(status: 200)).isClosed)
    }
}
