import Dispatch
import Foundation
import HTTPServer
import Testing

/// One worker that is held up in a handler, while requests come in behind its back.
@Suite struct BusyWorkerTests {
    /// Holds the worker up at `/hold`.
    private final class Hold: Sendable {
        private let entered = DispatchSemaphore(value: 0)
        private let released = DispatchSemaphore(value: 0)

        func handle(_ request: borrowing Request, _ exchange: Exchange) {
            if request.head.isPath("/hold") {
                entered.signal()
                released.wait()
            }
            exchange.respond(echo(request))
        }

        func begin(_ client: TestClient) throws {
            client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
            guard entered.wait(timeout: .now() + 20) == .success else {
                throw TestFailure(description: "the handler was not called")
            }
        }

        func end() { released.signal() }
    }

    private func spin(seconds: Double) {
        let end = DispatchTime.now() + seconds
        while DispatchTime.now() < end { yieldThread() }
    }

    /// - Parameter kind: what the deadline is for.
    @Test(arguments: ["header", "idle", "body"])
    func `a request that came in time is read before its connection is given up`(kind: String) throws {
        // On a slow machine the deadline may pass before the worker is held up: that says nothing, and is tried again.
        for _ in 0..<20 {
            let hold = Hold()
            let server = try TestServer(
                limits: {
                    $0.headerTimeoutSeconds = kind == "header" ? 0.3 : 20
                    $0.idleTimeoutSeconds = kind == "idle" ? 0.3 : 20
                    $0.bodyTimeoutSeconds = kind == "body" ? 0.3 : 20
                    $0.rateWindowSeconds = $0.bodyTimeoutSeconds
                }, answer: { hold.handle($0, $1) })
            let client = try server.client()
            let holder = try server.client()
            let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
            if kind == "idle" { #expect(try client.get()?.status == 200) }
            if kind == "body" { client.send(head) }
            while server.server.statistics.connectionsAccepted < 2 { yieldThread() }
            if kind == "body" {
                let bytes = head.utf8.count
                while server.server.statistics.bytesIn < bytes { yieldThread() }
            }
            try hold.begin(holder)
            guard server.server.statistics.timeouts == 0 else {
                hold.end()
                continue
            }
            client.send(kind == "body" ? "abc" : head + "abc")
            spin(seconds: 0.4)
            hold.end()
            #expect(try client.response()?.text == "POST / abc")
            return
        }
        Issue.record("the machine is too slow")
    }

    /// Bytes that came in time do not buy an unfinished head more time.
    @Test func `an unfinished head is given up all the same`() throws {
        let hold = Hold()
        let server = try TestServer(limits: { $0.headerTimeoutSeconds = 0.1 }, answer: { hold.handle($0, $1) })
        let holder = try server.client()
        let client = try server.client()
        client.send("GET / HT")
        while server.server.statistics.bytesIn < 8 { yieldThread() }
        try hold.begin(holder)
        client.send("TP/1.1\r\nHo")
        spin(seconds: 0.2)
        hold.end()
        #expect(try client.response()?.status == 408)
        #expect(try client.response() == nil)
    }

    @Test func `draining serves every connection that the kernel has taken`() throws {
        let hold = Hold()
        let server = try TestServer(limits: { $0.acceptsPerTurnMax = 4 }, answer: { hold.handle($0, $1) })
        let holder = try server.client()
        try hold.begin(holder)
        let clients = try (0..<60).map { _ in try server.client() }
        for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
        let http = server.server
        let drained = Mailbox<Bool>()
        DispatchQueue.global().async { drained.put(http.drain(deadlineSeconds: 20)) }
        hold.end()
        for client in clients {
            #expect(try client.response()?.text == "GET / ")
            client.end()
        }
        holder.end()
        #expect(try drained.take())
    }

    @Test func `a long pipeline lets others have their turn`() throws {
        let hold = Hold()
        let order = Mailbox<String>()
        let server = try TestServer(limits: { $0.requestsPerTurnMax = 4 }) { request, exchange in
            order.put(text(request.head.path))
            hold.handle(request, exchange)
        }
        let other = try server.client()
        let piper = try server.client()
        while server.server.statistics.connectionsAccepted < 2 { yieldThread() }
        try hold.begin(piper)
        piper.send(String(repeating: "GET /many HTTP/1.1\r\nHost: a\r\n\r\n", count: 40))
        other.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
        hold.end()
        var seen: [String] = []
        while seen.count < 42 { seen.append(try order.take()) }
        let place = try #require(seen.firstIndex(of: "/one"))
        #expect(place <= 6)
        for _ in 0..<41 { #expect(try piper.response()?.status == 200) }
        #expect(try other.response()?.status == 200)
    }

    @Test func `whoever reads no answers gets no more of them`() throws {
        let body = [UInt8](repeating: 0x61, count: 1 << 20)
        let server = try TestServer { _, exchange in exchange.respond(Response(status: 200, body: body)) }
        let client = try server.client()
        client.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 60))
        while server.server.statistics.requests == 0 { yieldThread() }
        // Its answer comes after a turn of the first one's.
        let other = try server.client()
        #expect(try other.get()?.status == 200)
        // As many as fit into the kernel's buffers, and one.
        #expect(server.server.statistics.requests < 40)
        for _ in 0..<60 { #expect(try client.response()?.body.count == body.count) }
    }

    @Test func `a HEAD that no handler answers gets no body`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer(limits: { $0.handlerSeconds = 0.02 }) { _, exchange in mailbox.put(exchange) }
        let client = try server.client()
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.response(isHead: true)?.status == 503)
        #expect(try client.readToEnd().isEmpty)
        // Kept, it would keep the server, whose handler keeps the mailbox.
        _ = try mailbox.take()
    }

    @Test func `who waits is told when the peer closes, whichever way, and answers`() throws {
        let server = try TestServer { _, exchange in
            exchange.whenPeerCloses { exchange.respond(Response(status: 200, body: [0x31])) }
        }
        for _ in 0..<2 {
            let client = try server.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.halfClose()
            #expect(try client.response()?.text == "1")
            #expect(try client.response() == nil)
        }
        for leave in [{ $0.reset() }, { $0.end() }] as [(TestClient) -> Void] {
            let requests = server.server.statistics.requests
            let client = try server.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while server.server.statistics.requests == requests { yieldThread() }
            leave(client)
        }
        while server.server.statistics.connectionsOpen > 0 { yieldThread() }
    }

    @Test func `all streams together hold no more than they may`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try TestServer(
            limits: {
                $0.streamBytesMax = 1 << 20
                $0.streamBufferBytesMax = 1 << 30
            }, answer: { _, exchange in mailbox.put(exchange.stream(Response(status: 200))) })
        let clients = try (0..<3).map { _ in try server.client() }
        for client in clients { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
        let streams = try clients.map { _ in try mailbox.take() }
        let piece = [UInt8](repeating: 0x61, count: 16_000)
        // Nobody reads: what the kernel does not take waits here, and at the bound the next to write is cut off.
        for stream in streams {
            while stream.write(piece) { yieldThread() }
            #expect(stream.isClosed)
        }
        for client in clients { client.end() }
        while server.server.statistics.connectionsOpen > 0 { yieldThread() }
        // All of it counted back: a new one has room.
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let stream = try mailbox.take()
        for _ in 0..<4 { #expect(stream.write(piece)) }
        stream.finish()
        #expect(try client.response()?.body.count == 64_000)
    }

    @Test func `a stream whose reader closes its sending side is ended properly`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try TestServer { _, exchange in
            mailbox.put(exchange.stream(Response(status: 200), endsAtHalfClose: true))
        }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let stream = try mailbox.take()
        stream.write([0x61])
        client.halfClose()
        let text = String(decoding: try client.readToEnd(), as: UTF8.self)
        #expect(text.hasSuffix("0\r\n\r\n"))
    }
}
