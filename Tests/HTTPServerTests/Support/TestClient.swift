import CLinux
import Glibc
import HTTPServer

struct TestFailure: Error, CustomStringConvertible {
    let description: String
}

/// An answer as a client sees it.
struct ReceivedResponse {
    var status: Int
    var fields: [(name: String, value: String)]
    var body: [UInt8]

    subscript(name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A blocking client that can misbehave. Its receive timeout only keeps a failing test from hanging.
///
/// Unchecked: a test that sends from a second thread reads on the first, and the two share no state.
final class TestClient: @unchecked Sendable {
    /// Not inherited by the processes that other tests start: they would keep the connection open when this ends it.
    private static let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    let descriptor: Int32
    private var buffer: [UInt8] = []
    private var isOpen = true

    init(_ address: BoundAddress) throws {
        switch address {
        case .unix(let path):
            descriptor = socket(AF_UNIX, Self.type, 0)
            guard clinux_unix_connect(descriptor, path) == 0 else {
                throw TestFailure(description: "connect: \(errno)")
            }
        case .tcp(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(host, String(port), &hints, &list) == 0, let info = list?.pointee else {
                throw TestFailure(description: "resolve \(host)")
            }
            defer { freeaddrinfo(list) }
            descriptor = socket(info.ai_family, Self.type, 0)
            // Every property has its value by now, so `deinit` runs after a throw, too, and closes the descriptor: closing
            // it here as well would hit whoever has got its number meanwhile.
            guard connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 else {
                throw TestFailure(description: "connect to \(host):\(port): \(errno)")
            }
        }
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { end() }

    func end() {
        if isOpen { close(descriptor) }
        isOpen = false
    }

    /// Sends all bytes; false when the server has closed meanwhile.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { raw -> Int in
                guard let base = raw.baseAddress else { return -1 }
                return clinux_send(descriptor, base + offset, raw.count - offset)
            }
            if count < 0 { return false }
            offset += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Sends byte by byte.
    func trickle(_ text: String) {
        for byte in text.utf8 where !send([byte]) { return }
    }

    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes with a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        end()
    }

    /// More bytes; false at the end of the connection.
    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count < 0, errno == EAGAIN { throw TestFailure(description: "nothing came; have \(buffer.count) bytes") }
        guard count > 0 else { return false }
        buffer.append(contentsOf: chunk[..<count])
        return true
    }

    /// Waits until the server closes and returns all that came before.
    func readToEnd() throws -> [UInt8] {
        while try fill() {}
        defer { buffer = [] }
        return buffer
    }

    func read(_ count: Int) throws -> [UInt8] {
        while buffer.count < count {
            guard try fill() else { throw TestFailure(description: "the connection ended after \(buffer.count) bytes") }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    private func readLine() throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                guard end > 0, buffer[end - 1] == 0x0D else { throw TestFailure(description: "a bare LF in an answer") }
                defer { buffer.removeFirst(end + 1) }
                return String(decoding: buffer[..<(end - 1)], as: UTF8.self)
            }
            guard try fill() else {
                guard buffer.isEmpty else { throw TestFailure(description: "the connection ended within a line") }
                return nil
            }
        }
    }

    /// The next answer, or nil at the end of the connection. Checks what every answer must have.
    func response(isHead: Bool = false) throws -> ReceivedResponse? {
        guard let line = try readLine() else { return nil }
        let parts = line.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
            throw TestFailure(description: "status line \(line)")
        }
        var response = ReceivedResponse(status: status, fields: [], body: [])
        while let field = try readLine(), !field.isEmpty {
            guard let colon = field.firstIndex(of: ":") else { throw TestFailure(description: "field \(field)") }
            let value = field[field.index(after: colon)...].drop { $0 == " " }
            response.fields.append((String(field[..<colon]), String(value)))
        }
        guard status >= 200 else { return response }
        guard response.fields.count(where: { $0.name == "Date" }) == 1 else {
            throw TestFailure(description: "no Date in \(response)")
        }
        if isHead || status == 204 || status == 304 { return response }
        if response["Transfer-Encoding"] == "chunked" {
            while let size = try readLine() {
                guard let count = Int(size, radix: 16) else { throw TestFailure(description: "chunk size \(size)") }
                response.body += try read(count)
                guard try read(2) == [0x0D, 0x0A] else { throw TestFailure(description: "chunk end") }
                if count == 0 { return response }
            }
            throw TestFailure(description: "the connection ended within chunks")
        }
        if let text = response["Content-Length"], let count = Int(text) {
            response.body = try read(count)
        } else {
            response.body = try readToEnd()
        }
        return response
    }

    func get(_ path: String = "/") throws -> ReceivedResponse? {
        send("GET \(path) HTTP/1.1\r\nHost: a.example\r\n\r\n")
        return try response()
    }
}
