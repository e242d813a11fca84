import Base
import Glibc
import HTTPServer
import Testing

/// A Unix-domain socket can have any path that a file can have.
struct SocketPathTests {
    private let handler = ClosureHandler { request, exchange in exchange.respond(echo(request)) }

    /// A directory whose path is so long, and the first of those that lead to it.
    private static func directory(bytes count: Int) throws -> (path: String, root: String) {
        var template = Array("/tmp/chargefold-path-XXXXXX".utf8CString)
        let root = try #require(mkdtemp(&template).map { String(cString: $0) })
        var path = root
        while path.utf8.count < count {
            // Not one byte short of the end, for which no directory has a name.
            var room = min(count - path.utf8.count - 1, 200)
            if count - path.utf8.count - 1 - room == 1 { room -= 1 }
            path += "/" + String(repeating: "d", count: room)
            try #require(mkdir(path, 0o700) == 0)
        }
        return (path, root)
    }

    private static func remove(_ path: String, upTo root: String) {
        var path = path
        while path.utf8.count >= root.utf8.count {
            rmdir(path)
            path = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        }
    }

    @Test(arguments: [60, 98, 99, 120, 700]) func `a path is left alone where it fits, and shortened where it does not`(
        bytes: Int
    ) throws {
        let (path, root) = try Self.directory(bytes: bytes)
        defer { Self.remove(path, upTo: root) }
        let long = path + "/http.sock"
        let short = SocketPath(long)
        #expect((short.text == long) == (long.utf8.count <= SocketPath.bytesMax))
        #expect(short.text.utf8.count <= SocketPath.bytesMax)
        let file = open(long, O_CREAT | O_WRONLY, 0o600)
        defer {
            close(file)
            unlink(long)
        }
        #expect(access(short.text, F_OK) == 0, "both name the same file")
    }

    @Test func `what cannot be shortened stays as it is`() {
        let nowhere = "/nowhere/" + String(repeating: "n", count: 120) + "/http.sock"
        #expect(SocketPath(nowhere).text == nowhere)
        let name = String(repeating: "n", count: 120)
        #expect(SocketPath(name).text == name)
    }

    @Test(arguments: [90, 99, 300])
    func `a server listens on a path of any length, again after it was killed, and removes it`(bytes: Int) throws {
        let (path, root) = try Self.directory(bytes: bytes)
        defer { Self.remove(path, upTo: root) }
        let socket = path + "/http.sock"
        // Left behind by a process that was killed.
        let stale = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(bindUnix(stale, to: socket) == 0)
        close(stale)
        do {
            let server = try TestServer([.unix(path: socket, mode: 0o600)], handler: handler)
            #expect(server.addresses == [.unix(path: socket)])
            #expect(throws: SystemError.self, "somebody listens there") {
                try TestServer([.unix(path: socket, mode: 0o600)], handler: handler)
            }
        }
        #expect(access(socket, F_OK) != 0)
    }

    @Test func `what is in the way of a socket is named, and stays`() throws {
        let (path, root) = try Self.directory(bytes: 150)
        defer { Self.remove(path, upTo: root) }
        let socket = path + "/http.sock"
        func refusal() -> String {
            let address = ListenAddress.unix(path: socket, mode: 0o600)
            do throws(SystemError) {
                try address.check()
                return ""
            } catch {
                #expect(throws: SystemError.self) { try TestServer([address], handler: handler) }
                return error.description
            }
        }
        #expect(refusal().isEmpty)
        mkdir(socket, 0o700)
        #expect(refusal().hasSuffix("a directory is in the way"))
        rmdir(socket)
        close(open(socket, O_CREAT | O_WRONLY, 0o600))
        #expect(refusal().hasSuffix("a file that is no socket is in the way"))
        unlink(socket)
        symlink("/dev/null", socket)
        #expect(refusal().hasSuffix("a symbolic link is in the way"))
        unlink(socket)
    }

    private func bindUnix(_ descriptor: Int32, to path: String) -> Int32 {
        let short = SocketPath(path)
        return withExtendedLifetime(short) {
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(short.text.utf8)) }
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
    }
}
