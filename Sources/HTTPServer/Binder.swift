import Base
import CLinux
import Glibc

/// Makes the listening sockets: for TCP one a worker on the same port, for a Unix-domain path one for all.
struct Binder {
    private(set) var bound: [BoundAddress] = []
    /// Those of one descriptor for all workers.
    private(set) var sharedListeners: [Int32] = []
    /// Those of them that others hold, too.
    private var passedListeners: Set<Int32> = []
    private(set) var unixPaths: [String] = []
    private var ownListeners: [[Int32]] = []
    private let backlog: Int32

    init(backlog: Int32) {
        self.backlog = backlog
    }

    mutating func takeListeners(worker: Int) -> [Listener] {
        var listeners = sharedListeners.map {
            Listener(descriptor: $0, isShared: true, outlivesServer: passedListeners.contains($0))
        }
        for index in ownListeners.indices where worker < ownListeners[index].count {
            listeners.append(Listener(descriptor: ownListeners[index][worker], isShared: false, outlivesServer: false))
            ownListeners[index][worker] = -1
        }
        return listeners
    }

    /// Closes what was bound and not taken.
    mutating func closeAll() {
        for descriptor in sharedListeners + ownListeners.joined() where descriptor >= 0 { System.close(descriptor) }
        for path in unixPaths { unlink(path) }
        sharedListeners = []
        ownListeners = []
        unixPaths = []
    }

    mutating func bind(_ address: ListenAddress, workers: Int, all: [ListenAddress]) throws(SystemError) {
        switch address {
        case .unix(let path, let mode): try bindUnix(path, mode)
        case .passed(let descriptor): try take(descriptor)
        case .tcp(let host, let port):
            let sharesPort = all.contains(.tcp(host: "0.0.0.0", port: port)) && port != 0
            try bindTCP(host, port, workers, v6only: sharesPort)
        }
    }

    private mutating func bindTCP(_ host: String, _ port: UInt16, _ workers: Int, v6only: Bool) throws(SystemError) {
        var chosenPort = port
        for (address, length) in try Self.resolve(host, port) {
            var storage = address
            Self.setPort(&storage, chosenPort)
            if chosenPort != 0 { try makeSureIsFree(&storage, length, host, chosenPort, v6only: v6only) }
            let index = ownListeners.count
            ownListeners.append([])
            for _ in 0..<workers {
                let descriptor = try listenTCP(&storage, length, host, chosenPort, v6only: v6only)
                ownListeners[index].append(descriptor)
                if chosenPort == 0 {
                    chosenPort = Self.port(descriptor)
                    Self.setPort(&storage, chosenPort)
                }
            }
            bound.append(.tcp(host: Self.numericHost(&storage, length) ?? host, port: chosenPort))
        }
    }

    /// The addresses of a host. Asks the resolver, which has its own deadline.
    private static func resolve(
        _ host: String, _ port: UInt16
    ) throws(SystemError) -> [(address: sockaddr_storage, length: socklen_t)] {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, list != nil else {
            let reason = code == EAI_SYSTEM ? String(cString: strerror(errno)) : String(cString: gai_strerror(code))
            throw SystemError(
                call: "listen on \(host)", code: EADDRNOTAVAIL, reason: "the host has no address: \(reason)")
        }
        defer { freeaddrinfo(list) }
        var addresses: [(sockaddr_storage, socklen_t)] = []
        var entry = list
        while let info = entry?.pointee {
            entry = info.ai_next
            guard let given = info.ai_addr else { continue }
            var storage = sockaddr_storage()
            memcpy(&storage, given, Int(info.ai_addrlen))
            addresses.append((storage, info.ai_addrlen))
        }
        return addresses
    }

    /// Whether an address could be listened on, as far as can be told without listening: somebody who does so already is no
    /// obstacle, as it may be the server that the next one is to follow.
    ///
    /// - Throws: what a start would throw.
    static func check(_ address: ListenAddress) throws(SystemError) {
        switch address {
        case .tcp(let host, let port):
            let binder = Binder(backlog: 1)
            for (address, length) in try resolve(host, port) {
                var storage = address
                do throws(SystemError) {
                    System.close(
                        try binder.bindTCP(&storage, length, host, port, v6only: true, sharesPort: false))
                } catch  where error.code == EADDRINUSE {
                }
            }
        case .unix(let path, _):
            let name = "listen on \(path)"
            if let what = whatIsInTheWay(path) {
                throw SystemError(call: name, code: EEXIST, reason: "\(what) is in the way")
            }
            guard SocketPath(path).text.utf8.count <= SocketPath.bytesMax else {
                throw SystemError(call: name, code: ENAMETOOLONG)
            }
            let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "./"
            guard access(String(folder), W_OK | X_OK) == 0 else { throw .last(name) }
        case .passed(let descriptor): _ = try addressOfListener(descriptor)
        }
    }

    /// The workers share a port with SO_REUSEPORT, and another process of the same user could join them unnoticed and
    /// take half of the requests away. A socket without that option can't be bound where anybody listens.
    private func makeSureIsFree(
        _ storage: inout sockaddr_storage, _ length: socklen_t, _ host: String, _ port: UInt16, v6only: Bool
    ) throws(SystemError) {
        System.close(try bindTCP(&storage, length, host, port, v6only: v6only, sharesPort: false))
    }

    private func listenTCP(
        _ storage: inout sockaddr_storage, _ length: socklen_t, _ host: String, _ port: UInt16, v6only: Bool
    ) throws(SystemError) -> Int32 {
        let descriptor = try bindTCP(&storage, length, host, port, v6only: v6only, sharesPort: true)
        guard listen(descriptor, backlog) == 0 else {
            let error = SystemError.last("listen on \(host) port \(port)")
            System.close(descriptor)
            throw error
        }
        return descriptor
    }

    private func bindTCP(
        _ storage: inout sockaddr_storage, _ length: socklen_t, _ host: String, _ port: UInt16, v6only: Bool,
        sharesPort: Bool
    ) throws(SystemError) -> Int32 {
        let family = Int32(storage.ss_family)
        let descriptor = clinux_stream_socket(family)
        guard descriptor >= 0 else { throw .last("socket for \(host) port \(port)") }
        let isReady =
            clinux_prepare_tcp_listener(descriptor, sharesPort ? 1 : 0) == 0
            && (family != AF_INET6 || clinux_set_v6only(descriptor, v6only ? 1 : 0) == 0)
            && withUnsafePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, length) == 0 }
            }
        guard isReady else {
            let error = SystemError.last("listen on \(host) port \(port)")
            System.close(descriptor)
            throw error
        }
        return descriptor
    }

    private mutating func bindUnix(_ path: String, _ mode: UInt32) throws(SystemError) {
        let name = "listen on \(path)"
        let descriptor = clinux_stream_socket(AF_UNIX)
        guard descriptor >= 0 else { throw .last(name) }
        let socketPath = SocketPath(path)
        defer { withExtendedLifetime(socketPath) {} }
        var result = clinux_unix_bind(descriptor, socketPath.text)
        if result != 0, errno == EADDRINUSE {
            if let what = Self.whatIsInTheWay(path) {
                System.close(descriptor)
                throw SystemError(call: name, code: EEXIST, reason: "\(what) is in the way")
            }
            guard Self.isStale(path), unlink(path) == 0 else {
                System.close(descriptor)
                throw SystemError(call: name, code: EADDRINUSE)
            }
            result = clinux_unix_bind(descriptor, socketPath.text)
        }
        guard result == 0 else {
            let error = SystemError.last(name)
            System.close(descriptor)
            throw error
        }
        // Nobody can connect before listen, so the mode is in force from the first connection on.
        guard chmod(path, mode_t(mode)) == 0, listen(descriptor, backlog) == 0 else {
            let error = SystemError.last(name)
            System.close(descriptor)
            unlink(path)
            throw error
        }
        sharedListeners.append(descriptor)
        unixPaths.append(path)
        bound.append(.unix(path: path))
    }

    private mutating func take(_ passed: Int32) throws(SystemError) {
        let address = try Self.addressOfListener(passed)
        try Self.prepare(passed: passed, address)
        sharedListeners.append(passed)
        passedListeners.insert(passed)
        bound.append(address)
    }

    /// What has the path of a socket and is none; nil where nothing has it, or a socket.
    static func whatIsInTheWay(_ path: String) -> String? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return switch status.st_mode & S_IFMT {
        case S_IFSOCK: nil
        case S_IFDIR: "a directory"
        case S_IFLNK: "a symbolic link"
        default: "a file that is no socket"
        }
    }

    /// Whether the socket is one that nobody listens on, left behind by a process that was killed.
    private static func isStale(_ path: String) -> Bool {
        let descriptor = clinux_stream_socket(AF_UNIX)
        guard descriptor >= 0 else { return false }
        defer { System.close(descriptor) }
        let socketPath = SocketPath(path)
        return withExtendedLifetime(socketPath) {
            clinux_unix_connect(descriptor, socketPath.text) != 0 && errno == ECONNREFUSED
        }
    }

    private static func setPort(_ storage: inout sockaddr_storage, _ port: UInt16) {
        // The port lies at the same place in sockaddr_in and sockaddr_in6.
        withUnsafeMutableBytes(of: &storage) { bytes in
            bytes[2] = UInt8(port >> 8)
            bytes[3] = UInt8(port & 0xFF)
        }
    }

    private static func port(_ descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return port(storage)
    }

    static func port(_ storage: sockaddr_storage) -> UInt16 {
        withUnsafeBytes(of: storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    }

    static func numericHost(_ storage: inout sockaddr_storage, _ length: socklen_t) -> String? {
        var text = [CChar](repeating: 0, count: 64)
        let code = withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getnameinfo($0, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            }
        }
        guard code == 0 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
