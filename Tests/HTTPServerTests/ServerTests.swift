import Dispatch
import Glibc
import HTTPServer
import Testing

@Suite struct ServerTests {
    @Test func `listens on IPv4, IPv6 and a Unix socket at once`() throws {
        let path = "/tmp/chargefold-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        let server = try TestServer(
            [.tcp(host: "127.0.0.1", port: 0), .tcp(host: "::1", port: 0), .unix(path: path, mode: 0o600)], workers: 3,
            handler: ClosureHandler { request, exchange in exchange.respond(echo(request)) })
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        for address in server.addresses {
            for _ in 0..<8 {
                let client = try TestClient(address)
                #expect(try client.get("/x")?.text == "GET /x ", "\(address)")
            }
        }
        server.server.stop()
        #expect(stat(path, &status) != 0, "the file of the socket is removed")
    }

    @Test func `the IPv6 wildcard takes IPv4 as well`() throws {
        let server = try TestServer(
            [.tcp(host: "::", port: 0)],
            handler: ClosureHandler { request, exchange in exchange.respond(echo(request)) })
        let port = try #require(server.address.port)
        #expect(try TestClient(.tcp(host: "127.0.0.1", port: port)).get()?.status == 200)
        #expect(try TestClient(.tcp(host: "::1", port: port)).get()?.status == 200)
    }

    @Test func `takes over the socket of a killed process and no other file`() throws {
        let path = "/tmp/chargefold-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        let handler = ClosureHandler { request, exchange in exchange.respond(echo(request)) }
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        close(stale)
        let server = try TestServer([.unix(path: path, mode: 0o666)], handler: handler)
        #expect(try server.client().get()?.status == 200)
        #expect(throws: SystemError.self) { try TestServer([.unix(path: path, mode: 0o666)], handler: handler) }
        #expect(try server.client().get()?.status == 200, "the second server left the first alone")
        server.server.stop()

        close(open(path, O_CREAT | O_WRONLY, 0o600))
        defer { unlink(path) }
        #expect(throws: SystemError.self) { try TestServer([.unix(path: path, mode: 0o666)], handler: handler) }
        #expect(access(path, F_OK) == 0, "a plain file is not removed")
    }

    @Test func `an address that cannot be listened on is an error with its name`() throws {
        #expect {
            try TestServer([.tcp(host: "192.0.2.1", port: 0)], handler: ClosureHandler { _, _ in })
        } throws: { error in
            "\(error)".contains("192.0.2.1")
        }
    }

    @Test func `a port that another server listens on is refused, not shared`() throws {
        let first = try TestServer(workers: 2)
        let port = try #require(first.address.port)
        let second = HTTPServer(
            configuration: ServerConfiguration(addresses: [.tcp(host: "127.0.0.1", port: port)]),
            handler: ClosureHandler { $1.respond(echo($0)) })
        #expect(throws: SystemError.self) { try second.start() }
    }

    @Test func `a thousand pipelined requests are answered in order`() throws {
        let server = try TestServer()
        let client = try server.client()
        let text = (0..<1_000).map { "POST /\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" }.joined()
        DispatchQueue.global().async { client.send(text) }
        for number in 0..<1_000 { #expect(try client.response()?.text == "POST /\(number) x") }
    }

    @Test func `a request byte by byte is answered`() throws {
        let server = try TestServer()
        let slow = try server.client()
        slow.trickle("POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        #expect(try slow.response()?.text == "POST /s abc")
    }

    @Test func `HEAD has the length and no body`() throws {
        let server = try TestServer()
        let client = try server.client()
        client.send("HEAD /12345 HTTP/1.1\r\nHost: a\r\n\r\n")
        let response = try client.response(isHead: true)
        #expect(response?["Content-Length"] == "12")
        #expect(try client.get("/next")?.text == "GET /next ")
    }

    @Test(arguments: [204, 304]) func `a status without a body has no length`(status: UInt16) throws {
        let server = try TestServer { _, exchange in
            exchange.respond(Response(status: status, contentType: "text/plain", body: [1, 2, 3]))
        }
        let client = try server.client()
        let response = try client.get()
        #expect(response?.status == Int(status))
        #expect(response?["Content-Length"] == nil)
        #expect(try client.get()?.status == Int(status), "nothing of a body is in the way")
    }

    @Test func `a half-closed connection still gets all its answers`() throws {
        let mailbox = Mailbox<Exchange>()
        let server = try TestServer { request, exchange in
            if request.head.isPath("/later") { mailbox.put(exchange) } else { exchange.respond(echo(request)) }
        }
        let client = try server.client()
        client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.halfClose()
        try mailbox.take().respond(Response(status: 200, body: [0x31]))
        #expect(try client.response()?.text == "1")
        #expect(try client.response()?.text == "GET /2 ")
        #expect(try client.response() == nil)
    }

    @Test func `HTTP/1.0 keeps the connection only when asked to`() throws {
        let server = try TestServer()
        let client = try server.client()
        client.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(try client.response()?["Connection"] == "keep-alive")
        client.send("GET /2 HTTP/1.0\r\n\r\n")
        #expect(try client.response()?["Connection"] == "close")
        #expect(try client.response() == nil)
    }

    @Test func `a large answer to a slow reader comes whole`() throws {
        let body = (0..<8_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let server = try TestServer { _, exchange in exchange.respond(Response(status: 200, body: body)) }
        let client = try server.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.response()?.body == body)
        #expect(try client.response()?.body == body)
    }

    @Test func `a large body arrives whole, with a length and in chunks`() throws {
        let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let server = try TestServer(
            handler: ClosureHandler(admission: { _ in .accept(bodyBytesMax: 1_000_000) }) { request, exchange in
                exchange.respond(Response(status: 200, body: Array(request.body)))
            })
        let client = try server.client()
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        client.send(body)
        #expect(try client.response()?.body == body)
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in body.chunks(of: 777) {
            client.send(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [0x0D, 0x0A])
        }
        client.send("0\r\n\r\n")
        #expect(try client.response()?.body == body)
    }

    @Test func `a reset connection does no harm to the next`() throws {
        let server = try TestServer(workers: 2)
        for _ in 0..<50 {
            let client = try server.client()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            client.reset()
        }
        #expect(try server.client().get()?.status == 200)
    }
}
