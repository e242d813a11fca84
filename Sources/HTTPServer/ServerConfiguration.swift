import Glibc

/// Where the server listens.
package enum ListenAddress: Sendable, Hashable {
    /// An IPv4 or IPv6 address or a host name; port 0 lets the kernel choose. `::` takes IPv4 connections as well,
    /// unless `0.0.0.0` is listened on with the same port.
    case tcp(host: String, port: UInt16)
    /// A Unix-domain socket with the permission bits of its file.
    case unix(path: String, mode: UInt32)
    /// A socket that listens already, and that somebody else holds open, too: it outlives the server, and connections wait
    /// in it until the next one takes them.
    case passed(descriptor: Int32)

    /// Looks whether it could be listened on now, without listening. Somebody who listens on it already is no obstacle.
    /// Asks the resolver for a host's addresses.
    ///
    /// - Throws: what is in the way.
    package func check() throws(SystemError) {
        try Binder.check(self)
    }
}

/// Where the server does listen, as the kernel reports it.
package enum BoundAddress: Sendable, Hashable, CustomStringConvertible {
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    package var description: String {
        switch self {
        case .tcp(let host, let port): host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// The TCP port, or nil for a Unix-domain socket.
    package var port: UInt16? {
        if case .tcp(_, let port) = self { port } else { nil }
    }
}

package struct ServerConfiguration: Sendable {
    package var addresses: [ListenAddress]
    /// Number of event loops; 0 means one for each processor.
    package var workers: Int
    package var limits: Limits

    package init(addresses: [ListenAddress], workers: Int = 0, limits: Limits = Limits()) {
        self.addresses = addresses
        self.workers = workers
        self.limits = limits
    }

    var workerCount: Int {
        workers > 0 ? workers : max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    }

    /// Connections that may be open at once: as configured, and no more than the descriptor limit of the process allows. Some
    /// descriptors are for the application: files, clients, the store.
    package var connectionsMax: Int {
        max(1, min(limits.connectionsMax, System.descriptorsMax() - 64 - 8 * workerCount))
    }
}
