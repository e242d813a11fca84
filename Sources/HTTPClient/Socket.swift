internal import Base
internal import Glibc

/// A point of the monotonic clock.
struct Deadline: Sendable {
    let nanoseconds: UInt64

    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    init(inSeconds seconds: Double) {
        nanoseconds = Self.now &+ UInt64(max(0, min(seconds, 1e9)) * 1e9)
    }

    init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The end of the first of so many equal parts of what is left.
    func share(of parts: Int) -> Deadline {
        let now = Self.now
        return Deadline(nanoseconds: now + (max(nanoseconds, now) - now) / UInt64(max(parts, 1)))
    }

    /// For poll: rounded up, so that it never spins; 0 when passed.
    var millisecondsLeft: Int32 {
        let now = Self.now
        return now >= nanoseconds ? 0 : Int32(clamping: (nanoseconds - now + 999_999) / 1_000_000)
    }
}

/// An address that can be connected to.
struct SocketAddress: Sendable {
    private let storage: sockaddr_storage
    private let length: socklen_t
    /// What a long path of a Unix-domain socket is shortened by, for as long as the address is used.
    private var path: SocketPath?

    var family: Int32 { Int32(storage.ss_family) }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withExtendedLifetime(path) {
            withUnsafePointer(to: storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
            }
        }
    }

    /// The addresses of an endpoint, in the order to try. Asks the resolver, which has its own deadline.
    static func resolve(_ endpoint: Endpoint) throws(HTTPClientError) -> [SocketAddress] {
        switch endpoint.transport {
        case .unix(let path): return [try unix(path)]
        case .tcp(let host, let port), .tls(let host, let port): return try resolve(host: host, port: port)
        }
    }

    private static func unix(_ path: String) throws(HTTPClientError) -> SocketAddress {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let short = SocketPath(path)
        let bytes = Array(short.text.utf8)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard bytes.count < room.count else { return false }
            room.copyBytes(from: bytes)
            return true
        }
        guard fits else { throw HTTPClientError(.invalidURL, "the path of the socket is too long: \(path)") }
        var result = withUnsafeBytes(of: address) { SocketAddress(copying: $0) }
        result.path = short
        return result
    }

    private static func resolve(host: String, port: UInt16) throws(HTTPClientError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else {
            throw HTTPClientError(.unresolvable, "\(host) has no address: \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            let bytes = UnsafeRawBufferPointer(start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
            addresses.append(SocketAddress(copying: bytes))
            next = entry.pointee.ai_next
        }
        return addresses
    }

    private init(copying bytes: UnsafeRawBufferPointer) {
        var storage = sockaddr_storage()
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes.prefix($0.count)) }
        self.storage = storage
        length = socklen_t(min(bytes.count, MemoryLayout<sockaddr_storage>.size))
    }
}

/// The system calls on a non-blocking stream socket.
enum Socket {
    enum Outcome {
        case done(Int)
        case wouldBlock
        case failed(Int32)
    }

    /// A socket whose connection is under way (or made).
    static func startConnecting(to address: SocketAddress) throws(HTTPClientError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, type, 0)
        guard descriptor >= 0 else { throw .system(.connectionFailed, "no socket") }
        if address.family != AF_UNIX {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        let result = address.withPointer { connect(descriptor, $0, $1) }
        if result < 0, errno != EINPROGRESS, errno != EINTR {
            let error = HTTPClientError.system(.connectionFailed, "no connection")
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// 0, or why the connection that was under way failed.
    static func connectionError(_ descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    static func send(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Outcome {
        outcome { Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
    }

    static func receive(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        outcome { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
    }

    /// Waits until the socket is ready.
    static func wait(_ descriptor: Int32, forWriting: Bool, until deadline: Deadline) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(forWriting ? POLLOUT : POLLIN), revents: 0)
        while true {
            let count = poll(&entry, 1, deadline.millisecondsLeft)
            if count > 0 { return true }
            if count == 0 || errno != EINTR { return false }
        }
    }

    private static func outcome(_ call: () -> Int) -> Outcome {
        while true {
            let result = call()
            if result >= 0 { return .done(result) }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(errno)
        }
    }
}
