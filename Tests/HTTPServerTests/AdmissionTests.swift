import HTTPServer
import Testing

@Suite struct AdmissionTests {
    private func server() throws -> TestServer {
        try TestServer(
            limits: { $0.refusedBodyBytesMax = 1_000 },
            handler: ClosureHandler(admission: { head in
                head.isPath("/no") ? .refuse(Response(status: 401)) : .accept(bodyBytesMax: 4_096)
            }) { request, exchange in exchange.respond(echo(request)) })
    }

    @Test func `100 Continue comes once, and only when the body has not`() throws {
        let server = try server()
        let client = try server.client()
        client.send("POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        #expect(try client.response()?.status == 100)
        client.send("abc")
        #expect(try client.response()?.text == "POST /c abc")
        client.send("POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
        #expect(try client.response()?.text == "POST /c abc")
    }

    @Test(arguments: ["/no", "/large"]) func `no 100 Continue for what is refused`(path: String) throws {
        let server = try server()
        let client = try server.client()
        client.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n\r\n")
        #expect(try client.response()?.status == (path == "/no" ? 401 : 413))
        #expect(try client.response() == nil)
    }

    @Test func `a refused request with a small body leaves the connection usable`() throws {
        let server = try server()
        let client = try server.client()
        client.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        client.send("cdeGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.response()?.status == 401)
        #expect(try client.response()?.text == "GET /next ")
        client.send("POST /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
        #expect(try client.response()?.status == 401)
        #expect(try client.get("/next")?.status == 200)
        client.send("GET /no HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.response()?.status == 401)
        #expect(try client.get("/next")?.status == 200)
    }

    @Test func `a refusal is not lost to the body that still comes`() throws {
        let server = try server()
        for _ in 0..<20 {
            let client = try server.client()
            client.send("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
            client.send([UInt8](repeating: 0x61, count: 300_000))
            #expect(try client.response()?.status == 401)
        }
    }

    @Test func `a chunked body that outgrows the bound gets the refusal`() throws {
        let server = try server()
        let client = try server.client()
        client.send("POST /no HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send("400\r\n" + String(repeating: "a", count: 0x400) + "\r\n")
        #expect(try client.response()?.status == 401)
        #expect(try client.response() == nil)
    }

    @Test func `the handler learns whether there is a body`() throws {
        let server = try TestServer { request, exchange in
            let head = "\(request.head.hasBodyFraming) \(request.head.contentLength ?? -1) \(request.head.isChunked)"
            exchange.respond(Response(status: 200, body: Array(head.utf8)))
        }
        let client = try server.client()
        client.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.response()?.text == "false -1 false")
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        #expect(try client.response()?.text == "true 0 false")
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        #expect(try client.response()?.text == "true -1 true")
    }
}
