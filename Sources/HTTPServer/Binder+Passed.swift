import CLinux
import Glibc

extension Binder {
    /// Where a socket listens that was passed to this process.
    /// - Throws: where it is none that streams could be accepted from.
    static func addressOfListener(_ descriptor: Int32) throws(SystemError) -> BoundAddress {
        let name = "listen on descriptor \(descriptor)"
        var listens: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 else { throw .last(name) }
        guard listens != 0 else { throw SystemError(call: name, code: EINVAL, reason: "the socket does not listen") }
        var storage = sockaddr_storage()
        length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard code == 0 else { throw .last(name) }
        switch Int32(storage.ss_family) {
        case AF_INET, AF_INET6:
            return .tcp(host: numericHost(&storage, length) ?? "?", port: port(storage))
        case AF_UNIX:
            return withUnsafeBytes(of: storage) { bytes in
                let path = bytes.prefix(Int(length)).dropFirst(MemoryLayout<sa_family_t>.size)
                return .unix(path: String(decoding: path.prefix { $0 != 0 }, as: UTF8.self))
            }
        default:
            throw SystemError(call: name, code: EAFNOSUPPORT, reason: "the socket is neither TCP nor Unix")
        }
    }

    /// What accepted sockets inherit is set here, as for our own.
    static func prepare(passed descriptor: Int32, _ address: BoundAddress) throws(SystemError) {
        var on: Int32 = 1
        let isReady =
            fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0
            && fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
            && (address.port == nil
                || setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                    == 0)
        guard isReady else { throw .last("listen on \(address)") }
    }
}
