import Dispatch
import Glibc
import HTTPClient
import HTTPServer
import Synchronization

/// A server that does to each connection, in order, what the test says; further connections are refused.
final class ScriptedServer: Sendable {
    typealias Script = @Sendable (_ connection: Connection) -> Void

    struct Connection {
        let descriptor: Int32

        /// Reads one request (up to the empty line and its Content-Length).
        @discardableResult func readRequest() -> String {
            var text = ""
            var byte: UInt8 = 0
            while !text.hasSuffix("\r\n\r\n"), recv(descriptor, &byte, 1, 0) == 1 {
                text.unicodeScalars.append(UnicodeScalar(byte))
            }
            let length = text.lowercased().split(separator: "content-length: ").dropFirst().first?.prefix {
                $0.isNumber
            }
            for _ in 0..<(length.flatMap { Int($0) } ?? 0) where recv(descriptor, &byte, 1, 0) == 1 {
                text.unicodeScalars.append(UnicodeScalar(byte))
            }
            return text
        }

        /// - Parameter pieceBytes: sent at a time. What the client gets at a time is for the kernel to say.
        func write(_ text: String, pieceBytes: Int = .max) {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    send(descriptor, $0.baseAddress, min($0.count, pieceBytes), Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }

        func answer(_ body: String = "ok", _ fields: String = "") {
            write("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)")
        }

        /// Returns when the client has closed.
        func waitForEnd() {
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, 0) > 0 {}
        }

        /// Closes with a reset instead of an orderly end.
        func reset() {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        }
    }

    let url: String
    /// Nil once it is closed.
    private let listener: Mutex<Int32?>
    private let done = DispatchSemaphore(value: 0)

    init(_ scripts: [Script]) {
        // Neither socket is inherited by the processes that other tests start: they would keep connections open.
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, length)
                _ = listen(listener, 16)
                _ = getsockname(listener, $0, &length)
            }
        }
        url = "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        self.listener = Mutex(listener)
        // A queue of its own has a thread of its own: the global one runs out of them while many tests block.
        DispatchQueue(label: "scripted-server").async { [self] in
            for (index, script) in scripts.enumerated() {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { break }
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                // Before the client learns anything: a connection that it makes then is refused, not accepted and reset.
                if index == scripts.count - 1 { stopListening() }
                script(Connection(descriptor: descriptor))
                close(descriptor)
            }
            stopListening()
            done.signal()
        }
    }

    private func stopListening() {
        listener.withLock { open in
            if let open { close(open) }
            open = nil
        }
    }

    /// Takes no further connection, and waits for the script that runs: for tests that may need fewer than there are.
    func stop() {
        listener.withLock { open in
            if let open { shutdown(open, Int32(SHUT_RDWR)) }
        }
        finish()
    }

    /// Waits until every script has run.
    func finish() {
        done.wait()
        done.signal()
    }
}

/// The requests that scripts have read.
final class Wire: Sendable {
    private let all = Mutex<[String]>([])
    var requests: [String] { all.withLock { $0 } }
    func append(_ request: String) { all.withLock { $0.append(request) } }
}

/// The real server, with a handler that echoes.
final class EchoServer {
    private let server: HTTPServer
    let url: String

    init(_ address: ListenAddress = .tcp(host: "127.0.0.1", port: 0)) throws {
        server = HTTPServer(configuration: ServerConfiguration(addresses: [address], workers: 1), handler: Echo())
        let bound = try server.start()
        url = bound.first.map { if case .unix(let path) = $0 { "unix:\(path)" } else { "http://\($0)" } } ?? ""
    }

    func stop() {
        _ = server.drain(deadlineSeconds: 1)
    }

    private struct Echo: RequestHandler {
        func admit(_ head: borrowing RequestHead) -> Admission { .accept(bodyBytesMax: 1 << 20) }

        func handle(_ request: borrowing Request, _ exchange: Exchange) {
            if request.head.isPath("/stream") {
                let stream = exchange.stream(Response(status: 200))
                for index in 0..<5 { _ = stream.write(Array("piece \(index)\n".utf8)) }
                stream.finish()
                return
            }
            var response = Response(status: 200, contentType: "text/plain", body: Array(request.body))
            response.closesConnection = request.head.isPath("/close")
            response.add("X-Path", Array(request.head.path))
            exchange.respond(response)
        }
    }
}
