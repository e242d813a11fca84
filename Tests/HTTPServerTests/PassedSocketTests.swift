import CLinux
import Glibc
import HTTPServer
import Testing

/// A socket that listens and belongs to a test, as it would to systemd.
private final class HeldSocket: Sendable {
    let descriptor: Int32
    let address: BoundAddress

    init(listens: Bool = true) throws {
        descriptor = clinux_stream_socket(AF_INET)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound, !listens || listen(descriptor, 64) == 0 else {
            throw TestFailure(description: "listen: \(errno)")
        }
        address = .tcp(host: "127.0.0.1", port: UInt16(bigEndian: name.sin_port))
    }

    deinit { close(descriptor) }

    /// What a server gets: a descriptor of its own of the same socket.
    func pass() -> ListenAddress { .passed(descriptor: dup(descriptor)) }
}

@Suite struct PassedSocketTests {
    @Test(arguments: [1, 3]) func `a socket that was passed is listened on, and its address told`(workers: Int) throws {
        let socket = try HeldSocket()
        let server = try TestServer(
            [socket.pass()], workers: workers, handler: ClosureHandler { $1.respond(echo($0)) })
        #expect(server.addresses == [socket.address])
        for _ in 0..<20 { #expect(try TestClient(socket.address).get()?.status == 200) }
    }

    @Test func `several sockets are listened on at once`() throws {
        let sockets = [try HeldSocket(), try HeldSocket()]
        let server = try TestServer(
            sockets.map { $0.pass() }, workers: 2, handler: ClosureHandler { $1.respond(echo($0)) })
        #expect(server.addresses == sockets.map(\.address))
        for socket in sockets { #expect(try TestClient(socket.address).get()?.status == 200) }
    }

    @Test func `who connects while no server runs is served by the next one`() throws {
        let socket = try HeldSocket()
        let first = try TestServer([socket.pass()], handler: ClosureHandler { $1.respond(echo($0)) })
        #expect(try TestClient(socket.address).get()?.status == 200)
        first.server.stop()
        let waiting = try TestClient(socket.address)
        waiting.send("GET /waited HTTP/1.1\r\nHost: a\r\n\r\n")
        let second = try TestServer([socket.pass()], handler: ClosureHandler { $1.respond(echo($0)) })
        #expect(try waiting.response()?.text == "GET /waited ")
        #expect(second.addresses == [socket.address])
    }

    @Test func `a descriptor that does not listen is refused, with the reason`() throws {
        let socket = try HeldSocket(listens: false)
        let error = try #require(throws: SystemError.self) {
            _ = try TestServer([socket.pass()], handler: ClosureHandler { $1.respond(echo($0)) })
        }
        #expect("\(error)".hasSuffix("the socket does not listen"))
        #expect(throws: SystemError.self) { try socket.pass().check() }
    }
}
