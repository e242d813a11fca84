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

    @Test func `a request that would be another on the wire is refused`() throws {
        let endpoint = try Endpoint(url: "http://localhost")
        let requests = [
            ClientRequest(method: "get", target: "/"), ClientRequest(method: "", target: "/"),
            ClientRequest(method: "GET /", target: "/"), ClientRequest(target: ""), ClientRequest(target: "x"),
            ClientRequest(target: "/a b"), ClientRequest(target: "/\r\n"),
            ClientRequest(target: "/", fields: [("X", "a\r\nY: b")]),
            ClientRequest(target: "/", fields: [("X Y", "a")]),
            ClientRequest(target: "/", fields: [("", "a")]),
            ClientRequest(target: "/", fields: [("Content-Length", "1")]),
            ClientRequest(target: "/", fields: [("host", "x")]),
        ]
        for request in requests {
            var bytes: [UInt8] = []
            #expect { try request.append(to: &bytes, endpoint: endpoint) } throws: {
                ($0 as? HTTPClientError)?.code == .invalidRequest
            }
            #expect(bytes.isEmpty)
        }
        var bytes: [UInt8] = []
        try ClientRequest(method: "POST", target: "/x", fields: [("A", "b")]).append(to: &bytes, endpoint: endpoint)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "POST /x HTTP/1.1\r\nHost: localhost\r\nA: b\r\nContent-Length: 0\r\n\r\n")
    }
}
