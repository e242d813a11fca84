import Dispatch
import Foundation
import HTTPServer
import Testing

@Suite struct DrainTests {
    @Test func `requests in flight are finished, idle connections closed, new ones refused`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { request, exchange in
            if request.head.isPath("/slow") { mailbox.put(exchange) } else { exchange.respond(echo(request)) }
        }
        let idle = try server.client()
        #expect(try idle.get()?.status == 200)
        let busy = try server.client()
        busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        let exchange = try mailbox.take()
        let drained = Mailbox<Bool>()
        let http = server.server
        DispatchQueue.global().async { drained.put(http.drain(deadlineSeconds: 20)) }
        #expect(try idle.readToEnd().isEmpty)
        // The listener was closed before the idle connection was.
        #expect(throws: TestFailure.self) { try server.client() }
        exchange.respond(Response(status: 200, body: [0x31]))
        let response = try busy.response()
        #expect(response?.text == "1")
        #expect(response?["Connection"] == "close")
        #expect(try busy.response() == nil)
        #expect(try drained.take())
        #expect(http.statistics.requests == 2)
    }

    @Test func `a request that is half read may still come`() throws {
        let server = try TestServer()
        let http = server.server
        let idle = try server.client()
        #expect(try idle.get()?.status == 200)
        let client = try server.client()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
        let gate = try server.client()
        #expect(try gate.get()?.status == 200)
        let drained = Mailbox<Bool>()
        DispatchQueue.global().async { drained.put(http.drain(deadlineSeconds: 20)) }
        #expect(try idle.readToEnd().isEmpty)
        client.send("abc")
        let response = try client.response()
        #expect(response?.text == "POST / abc")
        #expect(response?["Connection"] == "close")
        client.end()
        #expect(try drained.take())
    }

    @Test func `a connection that was just accepted may still send its first request`() throws {
        let server = try TestServer(limits: { $0.drainGraceSeconds = 20 })
        let http = server.server
        let newcomer = try server.client()
        let idle = try server.client()
        #expect(try idle.get()?.status == 200)
        let drained = Mailbox<Bool>()
        DispatchQueue.global().async { drained.put(http.drain(deadlineSeconds: 20)) }
        #expect(try idle.readToEnd().isEmpty)
        newcomer.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
        let response = try newcomer.response()
        #expect(response?.text == "GET /first ")
        #expect(response?["Connection"] == "close")
        newcomer.end()
        #expect(try drained.take())
    }

    @Test func `one that sends nothing is closed after a while`() throws {
        let server = try TestServer(limits: { $0.drainGraceSeconds = 0.05 })
        let silent = try server.client()
        // Its connection was accepted by now: it came first.
        #expect(try server.client().get()?.status == 200)
        #expect(server.server.drain(deadlineSeconds: 20))
        #expect(try silent.readToEnd().isEmpty)
    }

    @Test func `streams are ended properly`() throws {
        let mailbox = Mailbox<ResponseStream>()
        let server = try TestServer { _, exchange in mailbox.put(exchange.stream(Response(status: 200))) }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let stream = try mailbox.take()
        stream.write([0x61])
        let http = server.server
        let drained = Mailbox<Bool>()
        DispatchQueue.global().async { drained.put(http.drain(deadlineSeconds: 20)) }
        #expect(try client.response()?.text == "a")
        client.end()
        #expect(try drained.take())
        #expect(stream.isClosed)
    }

    @Test func `what does not end is closed at the deadline`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { _, exchange in mailbox.put(exchange) }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = try mailbox.take()
        #expect(!server.server.drain(deadlineSeconds: 0.02))
        #expect(try client.readToEnd().isEmpty)
    }

    @Test func `draining twice, and stopping meanwhile, is no error`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { _, exchange in mailbox.put(exchange) }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = try mailbox.take()
        let http = server.server
        let drained = Mailbox<Bool>()
        DispatchQueue.global().async { drained.put(http.drain(deadlineSeconds: 60)) }
        http.stop()
        _ = try drained.take()
        http.stop()
    }

    @Test func `a thousand starts and stops close every descriptor that they opened`() throws {
        // Other tests open descriptors at the same time, so those of the server are counted by what they point at.
        func epolls() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))
                    == "anon_inode:[eventpoll]"
            }
        }
        for _ in 0..<1_000 {
            let server = try TestServer(workers: 2)
            #expect(try server.client().get()?.status == 200)
            server.server.stop()
        }
        #expect(try epolls() < 300)
    }
}
