import HTTPClient
import Testing

@Suite struct EndpointTests {
    @Test(arguments: [
        ("http://localhost", Endpoint.Transport.tcp(host: "localhost", port: 80), "/", "localhost"),
        ("HTTP://127.0.0.1:8080/", .tcp(host: "127.0.0.1", port: 8080), "/", "127.0.0.1:8080"),
        ("http://[::1]:81/a/b?c=d", .tcp(host: "::1", port: 81), "/a/b?c=d", "[::1]:81"),
        ("http://[::1]", .tcp(host: "::1", port: 80), "/", "[::1]"),
        ("https://example.org?x", .tls(host: "example.org", port: 443), "/?x", "example.org"),
        ("https://example.org:8443/x", .tls(host: "example.org", port: 8443), "/x", "example.org:8443"),
        ("unix:/run/x.sock", .unix(path: "/run/x.sock"), "/", "localhost"),
    ]) func `reads URLs`(url: String, transport: Endpoint.Transport, target: String, host: String) throws {
        let endpoint = try Endpoint(url: url)
        #expect(endpoint.transport == transport)
        #expect(endpoint.target == target)
        #expect(endpoint.hostHeader == host)
    }

    @Test(arguments: [
        "", "localhost:8080", "ftp://x", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:",
        "http://a:b",
        "http://user@a", "http://[::1", "http://[::1]x", "http://a/#b", "http://a b", "http://a\r\nb", "unix:x",
        "unix:",
        "http:/a", "unix:/" + String(repeating: "x", count: 200), "http://ä",
    ]) func `refuses everything else`(url: String) {
        #expect { try Endpoint(url: url) } throws: { ($0 as? HTTPClientError)?.code == .invalidURL }
    }

    @Test func `a request that would be another on the wire is refused before anything is sent`() throws {
        let requests = [
            ClientRequest(method: "get", target: "/"), ClientRequest(method: "", target: "/"),
            ClientRequest(method: "GET /", target: "/"), ClientRequest(target: ""), ClientRequest(target: "x"),
            ClientRequest(target: "/a b"), ClientRequest(target: "/\r\n"),
            ClientRequest(target: "/", fields: [("X", "a\r\nY: the-secret")]),
            ClientRequest(target: "/", fields: [("X", "the-secret\0")]),
            ClientRequest(target: "/", fields: [("X Y", "a")]), ClientRequest(target: "/", fields: [("X:", "a")]),
            ClientRequest(target: "/", fields: [("X;", "a")]), ClientRequest(target: "/", fields: [("", "a")]),
            ClientRequest(target: "/", fields: [("Content-Length", "1")]),
            ClientRequest(target: "/", fields: [("Transfer-Encoding", "chunked")]),
            ClientRequest(target: "/", fields: [("host", "x")]),
            ClientRequest(method: "HEAD", target: "/", body: [1]),
        ]
        // Nobody is there to connect to: whatever got that far would be another error.
        let connection = HTTPConnection(try Endpoint(url: "unix:/nowhere/at/all.sock"))
        for request in requests {
            let error = #expect(throws: HTTPClientError.self) { try connection.send(request) }
            #expect(error?.code == .invalidRequest)
            #expect(error?.mayHaveBeenSent == false)
            #expect(error?.detail.contains("the-secret") == false)
        }
    }

    @Test func `what is sent is the request and nothing more`() throws {
        let wire = Wire()
        let server = ScriptedServer([
            { connection in
                for _ in 0..<5 {
                    wire.append(connection.readRequest())
                    connection.write("HTTP/1.1 204 No Content\r\n\r\n")
                }
                connection.waitForEnd()
            }
        ])
        let endpoint = try Endpoint(url: server.url)
        let connection = HTTPConnection(endpoint)
        let host = "Host: \(endpoint.hostHeader)\r\n"
        // Neither dots nor escapes of a target are "normalized": a signature may be over it.
        for request in [
            ClientRequest(method: "POST", target: "/x", fields: [("A", "b")]),
            ClientRequest(
                target: "/a/../%2e/./b?c=%0d&d=e", fields: [("Accept", "x/y"), ("Empty", ""), ("Blank", "  ")]),
            ClientRequest(
                method: "PUT", target: "/", fields: [("content-type", "t"), ("A", "1"), ("A", "2")], body: [65]),
            ClientRequest(method: "HEAD", target: "/"), ClientRequest(method: "DELETE", target: "/x"),
        ] {
            #expect(try connection.send(request).status == 204)
        }
        connection.close()
        server.finish()
        let get = "GET /a/../%2e/./b?c=%0d&d=e HTTP/1.1\r\n\(host)Accept: x/y\r\nEmpty:\r\nBlank:\r\n\r\n"
        let put = "PUT / HTTP/1.1\r\n\(host)content-type: t\r\nA: 1\r\nA: 2\r\nContent-Length: 1\r\n\r\nA"
        #expect(
            wire.requests == [
                "POST /x HTTP/1.1\r\n\(host)A: b\r\nContent-Length: 0\r\n\r\n", get, put,
                "HEAD / HTTP/1.1\r\n\(host)\r\n", "DELETE /x HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n",
            ])
    }
}
