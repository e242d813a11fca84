internal import Base
internal import Foundation
internal import Glibc

/// A PostgreSQL server of a test's own, in a temporary directory, reachable by a Unix-domain socket in there. Goes when the
/// tests end.
package final class PostgresServer: Sendable {
    package let directory: String
    private let port: Int
    private static let all = Locked<[PostgresServer]>([])
    private static let superuser = "chargefold"

    /// The folder of the server's programs; nil where it is not installed (Debian: `postgresql`).
    package static let programs: String? = {
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        return versions.sorted { (Int($0) ?? 0) > (Int($1) ?? 0) }.map { "/usr/lib/postgresql/\($0)/bin" }
            .first { FileManager.default.isExecutableFile(atPath: $0 + "/postgres") }
    }()

    package static var isInstalled: Bool { programs != nil }

    /// One for all tests that leave it alone; each takes a schema of its own.
    package static let common: Result<PostgresServer, any Error> = Result { try PostgresServer() }

    package struct Failure: Error {
        let message: String
    }

    /// Makes a cluster and starts it.
    /// - Parameters:
    ///   - settings: lines for `postgresql.conf`.
    ///   - primary: makes it a standby of that one.
    ///   - tlsPort: where it listens on 127.0.0.1 too, with TLS and a certificate of its own making.
    package init(settings: [String] = [], standbyOf primary: PostgresServer? = nil, tlsPort: Int? = nil) throws {
        port = tlsPort ?? 5_432
        var template = Array("/tmp/chargefold-pg-XXXXXX".utf8CString)
        guard let path = mkdtemp(&template).map({ String(cString: $0) }) else {
            throw Failure(message: "no temporary directory")
        }
        directory = path
        chmod(path, 0o711)
        if getuid() == 0, let user = getpwnam("postgres") { chown(path, user.pointee.pw_uid, user.pointee.pw_gid) }
        let isFirst = Self.all.withLock { all in
            all.append(self)
            return all.count == 1
        }
        if isFirst { atexit { for server in PostgresServer.all.withLock({ $0 }) { server.remove() } } }
        if let primary {
            try run(
                "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast", "-d",
                "host=\(primary.directory) user=\(Self.superuser) application_name=standby")
        } else {
            try run("initdb", "-D", data, "-A", "trust", "-U", Self.superuser, "-E", "UTF8", "--no-sync", "--locale=C")
        }
        if tlsPort != nil {
            let keys = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.crt"
            let name = "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
            try run("bash", "-c", "cd \(data) && openssl req -x509 -days 2 \(keys) \(name) 2>&1")
        }
        // Where a commit must be on disk is not what these tests are about.
        let lines =
            [
                "listen_addresses = '\(tlsPort == nil ? "" : "127.0.0.1")'", "port = \(port)",
                "ssl = \(tlsPort == nil ? "off" : "on")", "unix_socket_directories = '\(directory)'", "fsync = off",
                "shared_buffers = 16MB", "max_connections = 600", "logging_collector = off", "max_wal_senders = 4",
                "wal_level = replica", "autovacuum_naptime = 3600",
            ] + settings
        try run("bash", "-c", "printf '%s\\n' \"$@\" >> \(data)/postgresql.conf", "bash", lines: lines)
        try start()
        try guardEnd()
    }

    /// Ends the server after this process, however that ends.
    private func guardEnd() throws {
        let script = """
            (while kill -0 \(getpid()) 2>/dev/null || [[ -d /proc/\(getpid()) ]]; do sleep 1; done
            first=$(head -n 1 \(data)/postmaster.pid) && kill -CONT $first $(pgrep -P $first) && kill -QUIT $first
            rm -rf \(directory)/*) </dev/null >/dev/null 2>&1 &
            """
        try run("bash", "-c", script)
    }

    private var data: String { directory + "/data" }

    /// A connection string.
    package var url: String { "postgresql:///postgres?host=\(directory)&port=\(port)&user=\(Self.superuser)" }

    /// One that goes over TLS, and trusts nobody but the holder of a certificate.
    package func url(trusting certificate: String) -> String {
        "postgresql://\(Self.superuser)@127.0.0.1:\(port)/postgres?sslmode=verify-full&sslrootcert=\(certificate)"
    }

    package var certificate: String { data + "/server.crt" }

    package func start() throws {
        try run("pg_ctl", "-D", data, "-w", "-s", "-l", directory + "/log", "start")
    }

    /// - Parameter mode: `immediate` is a crash.
    package func stop(_ mode: String = "immediate") throws {
        try run("pg_ctl", "-D", data, "-w", "-s", "-m", mode, "stop")
    }

    package func promote() throws { try run("pg_ctl", "-D", data, "-w", "-s", "promote") }

    /// Freezes everything: connections stay open and nobody answers.
    package func freeze() { signal(SIGSTOP) }
    package func thaw() { signal(SIGCONT) }

    private func signal(_ number: Int32) {
        for process in processes { kill(process, number) }
    }

    /// The server's first process and its children.
    private var processes: [pid_t] {
        guard
            let first = try? String(contentsOfFile: data + "/postmaster.pid", encoding: .utf8)
                .split(separator: "\n").first, let postmaster = pid_t(first)
        else { return [] }
        let children = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(postmaster)/task")) ?? []
        let named = children.flatMap { task -> [pid_t] in
            let list = try? String(contentsOfFile: "/proc/\(postmaster)/task/\(task)/children", encoding: .utf8)
            return (list ?? "").split(separator: " ").compactMap { pid_t($0) }
        }
        return [postmaster] + named
    }

    /// Runs SQL and gives its output, unaligned and without headings.
    @discardableResult
    package func query(_ sql: String) throws -> String {
        try run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", directory, "-p", "\(port)", "-U",
            Self.superuser,
            "-d", "postgres", "-c", sql)
    }

    /// Runs a line of the shell as the server's user.
    package func run(shell line: String) throws { try run("bash", "-c", line) }

    private func remove() {
        thaw()
        try? stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Runs a program of the server's, as the user `postgres` where we are root: the server refuses root.
    ///
    /// Not with Foundation's `Process`, which waits until nobody has a socket any more that a server inherits.
    @discardableResult
    private func run(_ name: String, _ arguments: String..., lines: [String] = []) throws -> String {
        let program = name == "bash" ? "/bin/bash" : (Self.programs ?? "") + "/" + name
        let user = getuid() == 0 ? ["/usr/sbin/runuser", "-u", "postgres", "--"] : []
        // In a directory that both may enter, which is told by words otherwise; and without the descriptors of this
        // process, which a server would keep: a lock of whoever runs the tests, for one.
        let prelude = """
            for f in /proc/$$/fd/*; do n=${f##*/}; if ((n > 2)); then eval "exec $n>&-"; fi; done
            cd "$0" && exec "$@"
            """
        let words = user + ["/bin/bash", "-c", prelude, directory, program] + arguments + lines
        // To a file: a server that was started keeps its standard output, and a pipe would not end.
        let output = "/tmp/chargefold-pg-output-" + UUID().uuidString
        defer { unlink(output) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var pointers = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var process = pid_t()
        guard posix_spawnp(&process, words[0], &actions, nil, &pointers, environ) == 0 else {
            throw Failure(message: "\(words[0]) cannot be run")
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let bytes = FileManager.default.contents(atPath: output)
        let text = bytes.map { String(decoding: $0, as: UTF8.self) } ?? "(its output is gone)"
        guard status == 0 else { throw Failure(message: "\(name) ended with \(status): \(text)") }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
