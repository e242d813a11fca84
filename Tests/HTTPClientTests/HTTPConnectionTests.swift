import Dispatch
import Glibc
import HTTPClient
import HTTPServer
import Testing

@Suite(.timeLimit(.minutes(1))) struct HTTPConnectionTests {
    @Test func `talks to the real server over one connection`() throws {
        let server = try EchoServer()
        defer { server.stop() }
        let connection = HTTPConnection(try Endpoint(url: server.url))
        for count in [0, 1, 150, 500_000] {
            let body = [UInt8](repeating: 0x61, count: count)
            let response = try connection.send(ClientRequest(method: "POST", target: "/x?y", body: body))
            #expect(response.status == 200)
            #expect(response.field("x-PATH") == "/x")
            #expect(response.body == body)
        }
        #expect(try connection.send(ClientRequest(method: "HEAD", target: "/")).body.isEmpty)
        let streamed = try connection.send(ClientRequest(target: "/stream"))
        #expect(String(decoding: streamed.body, as: UTF8.self) == (0..<5).map { "piece \($0)\n" }.joined())
        #expect(try connection.send(ClientRequest(target: "/close")).status == 200)
        #expect(try connection.send(ClientRequest(target: "/")).status == 200)
    }

    @Test func `talks over a Unix socket`() throws {
        let path = "/tmp/chargefold-client-\(getpid()).sock"
        let server = try EchoServer(.unix(path: path, mode: 0o600))
        defer { server.stop() }
        let connection = HTTPConnection(try Endpoint(url: "unix:\(path)"))
        #expect(try connection.send(ClientRequest(method: "POST", target: "/", body: [1, 2])).body == [1, 2])
    }

    @Test func `a connection closed between requests is replaced, whatever the request`() throws {
        let closed = DispatchSemaphore(value: 0)
        let server = ScriptedServer([
            {
                $0.readRequest()
                $0.answer("one")
                shutdown($0.descriptor, Int32(SHUT_RDWR))
                closed.signal()
            },
            {
                $0.readRequest()
                $0.answer("two")
                $0.waitForEnd()
            },
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url))
        #expect(try text(connection, "POST") == "one")
        closed.wait()
        #expect(try text(connection, "POST") == "two")
        connection.close()
        server.finish()
    }

    @Test func `only what is repeatable is sent twice`() throws {
        // The first connection takes the second request and drops it without an answer.
        let drop: ScriptedServer.Script = {
            $0.readRequest(); $0.answer("one"); $0.readRequest()
        }
        let serve: ScriptedServer.Script = {
            $0.readRequest(); $0.answer("again"); $0.waitForEnd()
        }
        let server = ScriptedServer([drop, serve])
        let connection = HTTPConnection(try Endpoint(url: server.url))
        #expect(try text(connection, "GET") == "one")
        #expect(try text(connection, "GET") == "again")
        connection.close()
        server.finish()

        for body in [[], [UInt8](repeating: 65, count: 10), [UInt8](repeating: 65, count: 200_000)] {
            let wire = Wire()
            let other = ScriptedServer([
                drop,
                {
                    wire.append($0.readRequest()); $0.answer("later"); $0.waitForEnd()
                },
            ])
            let careful = HTTPConnection(try Endpoint(url: other.url))
            #expect(try text(careful, "GET") == "one")
            #expect(failure(careful, ClientRequest(method: "POST", target: "/", body: body)) == .closedBeforeResponse)
            #expect(try text(careful, "GET") == "later")
            #expect(wire.requests.first?.hasPrefix("GET ") == true)
            careful.close()
            other.finish()
        }
    }

    @Test func `however often a connection is closed at the wrong moment, the next request finds another`() throws {
        // libcurl itself gives up at the sixth time in the life of a handle.
        let drop: ScriptedServer.Script = {
            $0.readRequest(); $0.answer("one"); $0.readRequest()
        }
        let server = ScriptedServer(Array(repeating: drop, count: 16))
        let connection = HTTPConnection(try Endpoint(url: server.url))
        for _ in 0..<8 { #expect(try text(connection, "GET") == "one") }
        for _ in 0..<8 {
            #expect(try text(connection, "POST") == "one")
            #expect(failure(connection, ClientRequest(method: "POST", target: "/")) == .closedBeforeResponse)
        }
        connection.close()
        server.finish()
    }

    @Test func `an answer that comes before the request is read counts`() throws {
        let server = ScriptedServer([
            { connection in
                connection.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
                shutdown(connection.descriptor, Int32(SHUT_WR))
                connection.waitForEnd()
            }
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url))
        let response = try connection.send(
            ClientRequest(method: "POST", target: "/", body: [UInt8](repeating: 0, count: 100_000)))
        #expect(response.status == 413)
        server.finish()
    }

    @Test(arguments: [
        ("garbage\r\n\r\n", HTTPClientError.Code.malformedResponse), ("", .closedBeforeResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", .closedWithinResponse),
        ("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 70_000) + "\r\n", .responseTooLarge),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", .responseTooLarge),
    ]) func `a server that misbehaves is an error of its own`(answer: String, code: HTTPClientError.Code) throws {
        let server = ScriptedServer([
            {
                $0.readRequest(); $0.write(answer)
            }
        ])
        let connection = HTTPConnection(try Endpoint(url: server.url))
        #expect(failure(connection, ClientRequest(target: "/", isRepeatable: false)) == code)
        server.finish()
    }

    @Test func `a server that never answers, or only drips, meets the deadline`() throws {
        var options = ClientOptions()
        options.responseSeconds = 0.05
        let silent = ScriptedServer([{ $0.waitForEnd() }])
        let connection = HTTPConnection(try Endpoint(url: silent.url), options: options)
        #expect(failure(connection, ClientRequest(target: "/")) == .timedOut)
        silent.finish()
        let partial = ScriptedServer([
            {
                $0.readRequest(); $0.write("HTTP/1.1 200 OK\r\n"); $0.waitForEnd()
            }
        ])
        let other = HTTPConnection(try Endpoint(url: partial.url), options: options)
        #expect(failure(other, ClientRequest(target: "/")) == .timedOut)
        partial.finish()
    }

    @Test func `one request may be given less time than the others`() throws {
        let silent = ScriptedServer([{ $0.waitForEnd() }])
        let connection = HTTPConnection(try Endpoint(url: silent.url))
        #expect {
            try connection.send(ClientRequest(target: "/"), withinSeconds: 0.05)
        } throws: {
            ($0 as? HTTPClientError)?.code == .timedOut
        }
        connection.close()
        silent.finish()
    }

    @Test func `says why there is no connection`() throws {
        let gone = ScriptedServer([])
        gone.finish()
        #expect(failure(HTTPConnection(try Endpoint(url: gone.url)), ClientRequest(target: "/")) == .connectionFailed)
        #expect(
            failure(HTTPConnection(try Endpoint(url: "unix:/nowhere/at/all.sock")), ClientRequest(target: "/"))
                == .connectionFailed)
        #expect(
            failure(HTTPConnection(try Endpoint(url: "http://no-such-host.invalid")), ClientRequest(target: "/"))
                == .unresolvable)
    }

    private func text(_ connection: HTTPConnection, _ method: String) throws -> String {
        String(decoding: try connection.send(ClientRequest(method: method, target: "/")).body, as: UTF8.self)
    }

    private func failure(_ connection: HTTPConnection, _ request: ClientRequest) -> HTTPClientError.Code? {
        do {
            _ = try connection.send(request)
            return nil
        } catch {
            return error.code
        }
    }
}
