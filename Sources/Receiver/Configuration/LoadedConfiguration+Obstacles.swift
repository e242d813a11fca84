internal import Glibc
import HTTPServer
import SessionStore

extension LoadedConfiguration {
    /// What on this machine would keep a server with this configuration from starting: an address that cannot be listened
    /// on, a data directory that cannot be made or used, something in the way of a socket. Nothing is made or changed.
    ///
    /// A server that runs already is no obstacle: it may be the one that the next is to follow. Asks the resolver.
    package func obstacles() -> [ConfigurationProblem] {
        var found: [ConfigurationProblem] = []
        func add(_ name: String, _ message: String) {
            found.append(ConfigurationProblem(name, origins[name], message))
        }
        for address in configuration.serverConfiguration.addresses {
            do throws(SystemError) {
                try address.check()
            } catch {
                switch address {
                case .tcp: add(error.code == EACCES ? "http.port" : "http.host", "can't \(error)")
                case .unix: add("http.unixSocket", "can't \(error)")
                case .passed: add("http", "can't \(error)")
                }
            }
        }
        if let reason = Self.obstacle(toDirectory: configuration.data.directory)
            ?? DataDirectoryFiles.obstacle(in: configuration.data.directory)
        {
            add("data.directory", reason)
        } else if Self.exists(configuration.data.directory) {
            do throws(SystemError) {
                try ListenAddress.unix(path: Application.controlSocketPath(configuration), mode: 0o600).check()
            } catch {
                add("data.directory", "can't \(error)")
            }
        }
        return found
    }

    /// Why a data directory can be neither used nor made; nil where it can.
    private static func obstacle(toDirectory path: String) -> String? {
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else { return "\(path) is a file, not a directory" }
            return access(path, R_OK | W_OK | X_OK) == 0 ? nil : "\(path) can't be used: \(reason())"
        }
        guard errno == ENOENT else { return "\(path) can't be used: \(reason())" }
        // A symbolic link that leads nowhere is not followed by mkdir.
        if lstat(path, &status) == 0 { return "\(path) is a symbolic link that leads nowhere" }
        // One directory is made, not all that lead to it: a misspelt path must not become a second, empty log.
        let parent = self.parent(of: path)
        guard stat(parent, &status) == 0 else {
            return "\(path) can't be made: \(parent): \(reason()); make that directory first"
        }
        return access(parent, W_OK | X_OK) == 0 ? nil : "\(path) can't be made in \(parent): \(reason())"
    }

    private static func parent(of path: String) -> String {
        var rest = path[...]
        while rest.count > 1, rest.last == "/" { rest = rest.dropLast() }
        guard let slash = rest.lastIndex(of: "/") else { return "." }
        return slash == rest.startIndex ? "/" : String(rest[..<slash])
    }

    private static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    private static func reason() -> String {
        String(cString: strerror(errno))
    }
}
