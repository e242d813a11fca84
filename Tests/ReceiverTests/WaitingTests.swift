import Dispatch
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

/// Callbacks whose answer has to wait for the store.
@Suite struct WaitingTests {
    private let body = Callback.body("SESSION_STARTED")

    /// Sends a callback on a socket of its own.
    private func send(_ server: RunningServer, _ body: [UInt8]) throws -> RawSocket {
        let socket = try server.raw()
        socket.send(
            "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\nConnection: close\r\n"
                + "X-HMAC-SHA512-Signature: \(try Callback.signature(body))\r\n\r\n")
        socket.send(body)
        return socket
    }

    @Test func `nothing is answered before it is durable`() throws {
        let store = FakeStore(.holds)
        try withReceiver(store) { server, _ throws in
            let socket = try send(server, body)
            store.isHolding.wait()
            // The event loop has come past it: it answers others.
            #expect(try server.get("/healthz").status == 200)
            #expect(socket.isSilent)
            store.release()
            #expect(RawAnswer(try socket.receiveAll())?.status == 200)
        }
    }

    @Test func `nothing is refused before it is durable in quarantine`() throws {
        try withReceiver(FakeStore()) { server, _ throws in
            let gate = DispatchSemaphore(value: 0)
            server.features.ledger.perform { _ in gate.wait() }
            let socket = try send(server, Array("{}".utf8))
            // The event loop has come past it: it answers others.
            for _ in 0..<2 { #expect(try server.get("/healthz").status == 200) }
            #expect(socket.isSilent)
            gate.signal()
            #expect(RawAnswer(try socket.receiveAll())?.status == 400)
            #expect(try server.quarantine().count == 1)
        }
    }

    @Test func `who hangs up before the answer has delivered all the same`() throws {
        let store = FakeStore(.holds)
        try withReceiver(store) { server, _ throws in
            do {
                let socket = try send(server, body)
                store.isHolding.wait()
                socket.finish()
            }
            #expect(try server.get("/healthz").status == 200)
            store.release()
            store.behave(.works)
            #expect(try server.post(body).json?.string("outcome") == "duplicate")
            #expect(store.log.count == 2)
        }
    }

    @Test func `a store that never answers: 503, and its late answer does no harm`() throws {
        var limits = Limits()
        limits.handlerSeconds = 0.05
        let store = FakeStore(.holds)
        try withReceiver(store, limits: limits) { server, _ throws in
            let answer = try #require(RawAnswer(try send(server, body).receiveAll()))
            #expect(answer.status == 503)
            #expect(answer.field("Retry-After") == "1")
            #expect(answer.body.contains("urn:chargefold:problem:http-handler-timeout"))
            store.release()
            store.behave(.works)
            #expect(try server.post(body).json?.string("outcome") == "duplicate")
        }
    }

    @Test func `too many connections: 503 and soon again`() throws {
        var limits = Limits()
        limits.connectionsMax = 1
        let store = FakeStore(.holds)
        try withReceiver(store, limits: limits) { server, _ throws in
            let busy = try send(server, body)
            store.isHolding.wait()
            let turnedAway = try server.raw()
            turnedAway.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            let answer = try #require(RawAnswer(try turnedAway.receiveAll()))
            #expect(answer.status == 503)
            #expect(answer.field("Retry-After") == "1")
            #expect(answer.body.contains("urn:chargefold:problem:http-too-many-connections"))
            store.release()
            #expect(RawAnswer(try busy.receiveAll())?.status == 200)
        }
    }
}
