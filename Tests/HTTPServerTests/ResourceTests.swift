import Base
import CLinux
import Dispatch
import Glibc
import Testing

@testable import HTTPServer

@Suite struct ResourceTests {
    /// A server whose accept fails with the given errors first.
    private func start(
        failing errors: [Int32], limits change: (inout Limits) -> Void = { _ in }
    ) throws -> (HTTPServer, BoundAddress) {
        let rest = Locked(errors)
        var limits = Limits()
        change(&limits)
        let server = HTTPServer(
            configuration: ServerConfiguration(
                addresses: [.tcp(host: "127.0.0.1", port: 0)], workers: 1, limits: limits),
            handler: ClosureHandler { request, exchange in exchange.respond(echo(request)) },
            accept: { listener in
                let error = rest.withLock { $0.isEmpty ? nil : $0.removeFirst() }
                return error.map { .failed($0) } ?? systemAccept(listener)
            })
        let address = try server.start()[0]
        return (server, address)
    }

    @Test(arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func `without descriptors the listener pauses and comes back`(error: Int32) throws {
        let (server, address) = try start(failing: [error, error, error], limits: { $0.acceptPauseSeconds = 0.01 })
        defer { server.stop() }
        #expect(try TestClient(address).get()?.status == 200)
        #expect(server.statistics.acceptPauses == 3)
    }

    @Test func `errors of the connection that was to be accepted do not pause`() throws {
        let (server, address) = try start(failing: [ECONNABORTED, EPROTO, EPERM])
        defer { server.stop() }
        #expect(try TestClient(address).get()?.status == 200)
        #expect(server.statistics.acceptPauses == 0)
    }

    @Test func `a pause ends with the first connection that closes`() throws {
        let flag = Flag()
        var limits = Limits()
        limits.acceptPauseSeconds = 3_600
        let server = HTTPServer(
            configuration: ServerConfiguration(
                addresses: [.tcp(host: "127.0.0.1", port: 0)], workers: 1, limits: limits),
            handler: ClosureHandler { request, exchange in exchange.respond(echo(request)) },
            accept: { listener in flag.take() ? .failed(EMFILE) : systemAccept(listener) })
        let address = try server.start()[0]
        defer { server.stop() }
        let first = try TestClient(address)
        #expect(try first.get()?.status == 200)
        flag.set()
        let second = try TestClient(address)
        second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while server.statistics.acceptPauses == 0 { yieldThread() }
        first.end()
        #expect(try second.response()?.status == 200)
    }

    @Test func `at the bound the longest idle connection makes room`() throws {
        let (server, address) = try start(failing: [], limits: { $0.connectionsMax = 2 })
        defer { server.stop() }
        let oldest = try TestClient(address)
        #expect(try oldest.get()?.status == 200)
        let newer = try TestClient(address)
        #expect(try newer.get()?.status == 200)
        #expect(try TestClient(address).get()?.status == 200)
        #expect(try oldest.readToEnd().isEmpty)
        #expect(try newer.get()?.status == 200)
    }

    @Test func `at the bound the connection that is longest at its head makes room`() throws {
        let (server, address) = try start(failing: [], limits: { $0.connectionsMax = 2 })
        defer { server.stop() }
        let silent = try TestClient(address)
        let slow = try TestClient(address)
        slow.send("GET / HT")
        while server.statistics.connectionsAccepted < 2 { yieldThread() }
        #expect(try TestClient(address).get()?.status == 200)
        #expect(try silent.readToEnd().isEmpty)
        #expect(server.statistics.connectionsShed == 0)
    }

    @Test func `at the bound a connection that has just sent a request does not make room`() throws {
        let entered = Mailbox<Void>()
        let gate = DispatchSemaphore(value: 0)
        let server = try TestServer(limits: { $0.connectionsMax = 2 }) { request, exchange in
            if request.head.isPath("/wait") {
                entered.put(())
                gate.wait()
            }
            exchange.respond(echo(request))
        }
        let oldest = try server.client()
        #expect(try oldest.get()?.status == 200)
        let busy = try server.client()
        busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        try entered.take()
        // The worker stands still: the newcomer is in the kernel's queue before the request is.
        let newcomer = try server.client()
        oldest.send("GET /once HTTP/1.1\r\nHost: a\r\n\r\n")
        gate.signal()
        #expect(try busy.response()?.status == 200)
        #expect(try oldest.response()?.text == "GET /once ")
        #expect(try newcomer.get()?.status == 200)
    }

    @Test func `at the bound without an idle connection newcomers are told 503`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer(limits: { $0.connectionsMax = 2 }) { _, exchange in mailbox.put(exchange) }
        let busy = try (0..<2).map { _ in
            let client = try server.client()
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return (client, try mailbox.take())
        }
        for _ in 0..<3 {
            let client = try server.client()
            #expect(try client.response()?.status == 503)
            #expect(try client.response() == nil)
        }
        for (client, exchange) in busy {
            exchange.respond(Response(status: 200))
            #expect(try client.response()?.status == 200)
        }
        #expect(server.server.statistics.connectionsShed == 3)
    }

    @Test func `an idle connection keeps no buffer`() throws {
        var buffer = InputBuffer()
        [UInt8](repeating: 1, count: 5_000).withUnsafeBytes { buffer.append($0) }
        buffer.remove(0..<5_000)
        #expect(buffer.capacity == 0)
        #expect(MemoryLayout<RequestParser>.size <= 512)
    }

    @Test func `statistics count`() throws {
        let (server, address) = try start(failing: [])
        let client = try TestClient(address)
        #expect(try client.get()?.status == 200)
        client.send("BAD\r\n\r\n")
        #expect(try client.response()?.status == 400)
        client.end()
        server.stop()
        let statistics = server.statistics
        #expect(statistics.connectionsAccepted == 1)
        #expect(statistics.connectionsOpen == 0)
        #expect(statistics.requests == 1)
        #expect(statistics.bytesIn > 0 && statistics.bytesOut > statistics.bytesIn)
        #expect(statistics.errors.first { $0.error.code == .malformedRequestLine }?.count == 1)
    }
}

/// Set on one thread, taken once on another.
final class Flag: Sendable {
    private let value = Locked(false)

    func set() { value.withLock { $0 = true } }

    func take() -> Bool {
        value.withLock { value in
            defer { value = false }
            return value
        }
    }
}
