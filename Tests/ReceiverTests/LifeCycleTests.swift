import Base
import Dispatch
import HTTPClient
import HTTPServer
import Receiver
import SessionIndex
import SessionStore
import Synchronization
import Testing

/// Starting, stopping, and what is in between.
@Suite struct LifeCycleTests {
    private let body = Callback.body("SESSION_STARTED")

    @Test func `a stop finishes what is in flight`() throws {
        let store = FakeStore(.holds)
        try withReceiver(store) { server, http throws in
            let idle = try server.raw()
            idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try idle.receive(through: #"{"status":"ok"}"#).hasPrefix("HTTP/1.1 200"))
            let busy = try server.raw()
            busy.send(
                "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n"
                    + "X-HMAC-SHA512-Signature: \(try Callback.signature(body))\r\n\r\n")
            busy.send(body)
            store.isHolding.wait()

            let wasInTime = Mutex<Bool?>(nil)
            let stopped = DispatchSemaphore(value: 0)
            DispatchQueue.global().async {
                let inTime = http.drain(deadlineSeconds: 30)
                wasInTime.withLock { $0 = inTime }
                stopped.signal()
            }
            // An idle connection is closed as soon as draining has begun.
            #expect(try idle.receive() == nil)
            #expect(wasInTime.withLock { $0 } == nil, "it waits for the callback")
            store.release()
            let answer = try #require(RawAnswer(try busy.receiveAll()))
            #expect(answer.status == 200)
            #expect(answer.field("Connection")?.lowercased() == "close")
            #expect(store.log.map(\.body) == [body])
            stopped.wait()
            #expect(wasInTime.withLock { $0 } == true)
        }
    }

    @Test func `a directory belongs to one application at a time`() throws {
        let directory = TestDirectory()
        let other = TestDirectory()
        try withApplication(in: directory) { server throws in
            var configuration = try testConfiguration(other)
            configuration.data.directory = directory.file("data")
            let log = LogCapture(in: other)
            defer { withExtendedLifetime((other, log)) {} }
            let error = #expect(throws: StoreError.self) { try Application(configuration, logger: log.logger()) }
            #expect(error?.code == .locked)
            #expect(error?.message.contains(directory.file("data")) == true)
            #expect(try server.post(body).status == 200, "the first one is not disturbed")
            let control = TestControl(directory)
            defer { control.close() }
            #expect(try control.entries().isEmpty, "nor is its control socket")
        }
        try withApplication(in: directory) { server throws in
            #expect(try server.get("/v1/sessions/S1").status == 200, "free again after a stop")
        }
    }

    @Test func `an address that is taken leaves nothing behind`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            var configuration = try testConfiguration(directory)
            configuration.data.directory = directory.file("other")
            do {
                let application = try Application(configuration, logger: server.log.logger())
                #expect(throws: (any Error).self) { try BackgroundExecutor.wait { try await application.start() } }
                try BackgroundExecutor.wait { await application.stop() }
            }
            let names = TestDirectory.names(directory.file("other"))
            #expect(!names.contains(Application.controlSocketName))
            #expect(try server.post(body).status == 200)
        }
    }

    @Test func `the data directory is for its owner only, and the sockets go with the server`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            #expect(try server.post(body).status == 200)
            #expect(TestDirectory.mode(directory.file("data")) == 0o700)
            #expect(TestDirectory.mode(directory.file("data/control.sock")) == 0o600)
            #expect(TestDirectory.mode(directory.file("http.sock")) == 0o660)
        }
        #expect(!TestDirectory.names(directory.file("data")).contains("control.sock"))
        #expect(!TestDirectory.names(directory.path).contains("http.sock"))
    }

    @Test func `TCP with a port of the kernel's choice`() throws {
        let directory = TestDirectory()
        var configuration = try testConfiguration(directory)
        configuration.http.host = "127.0.0.1"
        configuration.http.port = 0
        configuration.http.unixSocket = nil
        configuration.http.workers = 2
        let log = LogCapture(in: directory)
        defer { withExtendedLifetime((directory, log)) {} }
        let application = try Application(configuration, logger: log.logger())
        defer { try? BackgroundExecutor.wait { await application.stop() } }
        let bound = try BackgroundExecutor.wait { try await application.start() }
        let address = try #require(bound.first)
        #expect(bound.count == 1)
        let connection = HTTPConnection(try Endpoint(url: "http://\(address)"))
        defer { connection.close() }
        #expect(try connection.send(try Callback.request(body)).status == 200)
        #expect(try connection.send(ClientRequest(target: "/readyz")).status == 200)
    }

    @Test func `a second stop does no harm`() async throws {
        let directory = TestDirectory()
        let log = LogCapture(in: directory)
        defer { withExtendedLifetime((directory, log)) {} }
        let application = try Application(try testConfiguration(directory), logger: log.logger())
        _ = try await application.start()
        await application.stop()
        await application.stop()
    }

    @Test func `several callbacks at once all find their answers`() throws {
        try withApplication { server throws in
            let sockets = try (0..<16).map { _ in try server.raw() }
            for (number, socket) in sockets.enumerated() {
                // Pipelined: the second one is a repeat of the first.
                let body = Callback.body("SESSION_STARTED", "S\(number)")
                let head =
                    "POST \(Callback.path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n"
                    + "X-HMAC-SHA512-Signature: \(try Callback.signature(body))\r\n"
                socket.send(head + "\r\n" + String(decoding: body, as: UTF8.self))
                socket.send(head + "Connection: close\r\n\r\n" + String(decoding: body, as: UTF8.self))
            }
            for (number, socket) in sockets.enumerated() {
                let both = try socket.receiveAll()
                let first = #"{"outcome":"accepted","sessionId":"S\#(number)","sessionStatus":"STARTED","version":1}"#
                let second = first.replacing("accepted", with: "duplicate")
                let position = try #require(both.firstRange(of: first))
                #expect(both[position.upperBound...].hasSuffix(second))
            }
        }
    }
}
