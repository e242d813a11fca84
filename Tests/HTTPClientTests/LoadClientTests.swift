import Glibc
import HTTPClient
import HTTPServer
import Testing

/// Sends `count` numbered requests, and keeps what came of them.
private final class Recorder: LoadDelegate {
    private let target: String
    private let count: Int
    private var sent = 0
    private var pauses: Int
    var bodies: [UInt64: String] = [:]
    var failures: [UInt64: HTTPClientError.Code] = [:]
    var fields: Set<String> = []

    init(target: String = "/", count: Int, pauses: Int = 0) {
        self.target = target
        self.count = count
        self.pauses = pauses
    }

    func next() -> LoadNext {
        guard sent < count else { return .end }
        if pauses > 0 {
            pauses -= 1
            return .wait(nanoseconds: 1000)
        }
        sent += 1
        let request = ClientRequest(
            method: "POST", target: target, fields: [("X", "y"), ("X-Number", "\(sent)")],
            body: Array("body \(sent)".utf8))
        return .request(request, tag: UInt64(sent))
    }

    func received(_ response: ClientResponse, tag: UInt64, latencyNanoseconds: UInt64) {
        bodies[tag] = "\(response.status) \(String(decoding: response.body, as: UTF8.self))"
        if let field = response.field("x-path") { fields.insert(field) }
    }

    func failed(tag: UInt64, _ error: HTTPClientError) {
        failures[tag] = error.code
    }

    var isComplete: Bool {
        bodies.count == count && bodies.allSatisfy { $0.value == "200 body \($0.key)" }
    }
}

@Suite(.timeLimit(.minutes(1))) struct LoadClientTests {
    @Test(arguments: [1, 8, 64]) func `every request gets its own response`(connections: Int) throws {
        let server = try EchoServer()
        defer { server.stop() }
        let recorder = Recorder(count: 3000, pauses: 3)
        try LoadClient(Endpoint(url: server.url), connections: connections, delegate: recorder).run()
        #expect(recorder.isComplete)
        #expect(recorder.failures.isEmpty)
        #expect(recorder.fields == ["/"])
    }

    @Test func `connections that the server closes are replaced`() throws {
        let server = try EchoServer()
        defer { server.stop() }
        let recorder = Recorder(target: "/close", count: 200)
        try LoadClient(Endpoint(url: server.url), connections: 4, delegate: recorder).run()
        #expect(recorder.isComplete)
    }

    @Test func `works over a Unix socket, and with the name of a host`() throws {
        let path = "/tmp/chargefold-load-\(getpid()).sock"
        let unix = try EchoServer(.unix(path: path, mode: 0o600))
        defer { unix.stop() }
        let recorder = Recorder(count: 100)
        try LoadClient(Endpoint(url: unix.url), connections: 4, delegate: recorder).run()
        #expect(recorder.isComplete)
        // localhost may be ::1 first, where nobody listens.
        let tcp = try EchoServer()
        defer { tcp.stop() }
        let url = tcp.url.replacing("127.0.0.1", with: "localhost")
        let other = Recorder(count: 100)
        try LoadClient(Endpoint(url: url), connections: 4, delegate: other).run()
        #expect(other.isComplete)
    }

    @Test func `what fails is reported once, and the rest goes on`() throws {
        let server = ScriptedServer([
            {
                $0.readRequest()
                $0.answer("body 1")
                $0.readRequest()
                $0.write("garbage")
            },
            {
                $0.readRequest()
                $0.answer("body 3")
                $0.readRequest()
                $0.reset()
            },
            {
                $0.readRequest()
                $0.answer("body 5", "Connection: close\r\n")
            },
            {
                $0.readRequest()
                $0.answer("body 6")
                $0.waitForEnd()
            },
        ])
        let recorder = Recorder(count: 6)
        try LoadClient(Endpoint(url: server.url), connections: 1, delegate: recorder).run()
        server.finish()
        #expect(recorder.bodies.keys.sorted() == [1, 3, 5, 6])
        #expect(recorder.failures == [2: .malformedResponse, 4: .closedBeforeResponse])
    }

    @Test func `a server that never answers meets the deadline`() throws {
        let server = ScriptedServer([{ $0.waitForEnd() }])
        var options = ClientOptions()
        options.responseSeconds = 0.05
        let recorder = Recorder(count: 1)
        try LoadClient(Endpoint(url: server.url), connections: 1, delegate: recorder, options: options).run()
        server.finish()
        #expect(recorder.failures == [1: .timedOut])
    }

    @Test func `a server that can't be reached ends the run, and no request is lost in it`() throws {
        let gone = ScriptedServer([])
        gone.finish()
        let recorder = Recorder(count: 5)
        let client = try LoadClient(Endpoint(url: gone.url), connections: 3, delegate: recorder)
        #expect { try client.run() } throws: { ($0 as? HTTPClientError)?.code == .connectionFailed }
        #expect(recorder.bodies.isEmpty && recorder.failures.isEmpty)

        let leaving = ScriptedServer([
            {
                $0.readRequest(); $0.answer("body 1")
            }
        ])
        let other = Recorder(count: 5)
        let run = try LoadClient(Endpoint(url: leaving.url), connections: 1, delegate: other)
        #expect(throws: HTTPClientError.self) { try run.run() }
        #expect(other.bodies.count == 1)
        #expect(other.failures.count <= 1)
    }
}
