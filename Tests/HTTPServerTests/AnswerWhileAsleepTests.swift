import Testing

@testable import HTTPServer

/// Answers that another thread sends in a sleeping worker's place.
@Suite struct AnswerWhileAsleepTests {
    private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    private let mailbox = Mailbox<Exchange>()

    private func server(_ limits: (inout Limits) -> Void = { _ in }) throws -> TestServer {
        try TestServer(limits: limits) { [mailbox] _, exchange in mailbox.put(exchange) }
    }

    private func answerOnceAsleep(_ exchange: Exchange, _ response: Response = Response(status: 202)) {
        while !exchange.worker.answerWhileAsleep(exchange.slot, exchange.serial, response) { yieldThread() }
    }

    @Test func `the answer comes and the connection goes on`() throws {
        let server = try server()
        let clients = try (0..<3).map { _ in try server.client() }
        for round in 0..<100 {
            let client = clients[round % 3]
            client.send(Self.get)
            let exchange = try mailbox.take()
            answerOnceAsleep(exchange, Response(status: 200, body: Array("\(round)".utf8)))
            // It had its answer.
            exchange.respond(Response(status: 500))
            #expect(try client.response()?.text == "\(round)")
        }
        let bytes = server.server.statistics.bytesOut
        #expect(bytes > 100 * 40)
    }

    @Test func `the deadline of an idle connection begins with it`() throws {
        let server = try server { $0.idleTimeoutSeconds = 0.02 }
        let client = try server.client()
        client.send(Self.get)
        answerOnceAsleep(try mailbox.take())
        #expect(try client.response()?.status == 202)
        // Long before the handler's deadline, for which the worker fell asleep.
        #expect(try client.readToEnd().isEmpty)
        #expect(server.server.statistics.timeouts == 1)
    }

    @Test func `what needs more than sending is left to the worker`() throws {
        let server = try server()
        func isRefused(_ exchange: Exchange, _ response: Response = Response(status: 202)) {
            for _ in 0..<1_000 {
                #expect(!exchange.worker.answerWhileAsleep(exchange.slot, exchange.serial, response))
            }
            ResponseBatch.collecting { exchange.respond(response) }
        }

        let pipelining = try server.client()
        pipelining.send(Self.get + Self.get)
        isRefused(try mailbox.take())
        #expect(try pipelining.response()?.status == 202)
        answerOnceAsleep(try mailbox.take())
        #expect(try pipelining.response()?.status == 202)

        pipelining.send(Self.get)
        let large = Response(status: 200, body: [UInt8](repeating: 0x61, count: 16_385))
        isRefused(try mailbox.take(), large)
        #expect(try pipelining.response()?.body.count == 16_385)

        let closing = try server.client()
        closing.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        isRefused(try mailbox.take())
        #expect(try closing.response()?["Connection"] == "close")
        #expect(try closing.readToEnd().isEmpty)
    }

    @Test func `a connection that has gone and a server that has stopped are left alone`() throws {
        let server = try server()
        let gone = try server.client()
        gone.send(Self.get)
        let exchange = try mailbox.take()
        gone.reset()
        ResponseBatch.collecting { exchange.respond(Response(status: 202)) }
        while server.server.statistics.connectionsOpen > 0 { yieldThread() }
        #expect(!exchange.worker.answerWhileAsleep(exchange.slot, exchange.serial, Response(status: 202)))

        let client = try server.client()
        client.send(Self.get)
        let late = try mailbox.take()
        server.server.stop()
        #expect(!late.worker.answerWhileAsleep(late.slot, late.serial, Response(status: 202)))
    }
}
