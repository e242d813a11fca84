import Base
import Foundation
import Glibc
import PostgresTestSupport
import Replication
import Testing

/// A database behind PgBouncer.
@Suite(.enabled(if: PostgresServer.isInstalled && PgBouncer.isInstalled)) struct PoolerTests {
    @Test func `with a session for each connection all is well`() async throws {
        let pooler = try PgBouncer(try PostgresServer.common.get(), mode: "session")
        let station = try Station("a", pooler.url, schema: newSchema())
        try await station.shared.start()
        try await eventually("it ships") { await station.receive("one") == .replicated }
        #expect(station.shared.condition.failure == nil)
        await station.shared.stop()
    }

    @Test func `with sessions that are shared nothing counts as replicated, and it is said why`() async throws {
        let pooler = try PgBouncer(try PostgresServer.common.get(), mode: "transaction")
        let settings = { (name: String) throws -> Station in
            try Station(name, pooler.url, schema: newSchema()) { $0.localAfterMilliseconds = 300 }
        }
        let (one, other) = (try settings("a"), try settings("b"))
        try await one.shared.start()
        try await other.shared.start()
        try await eventually("one of the two has met a session of the other") {
            [one, other].contains { $0.shared.condition.failure?.contains("session mode") == true }
        }
        await one.shared.stop()
        await other.shared.stop()
        #expect {
            let settings = SharedLogSettings(postgres: try PostgresSettings(url: pooler.url), name: "c")
            _ = try SharedLogTool(settings).examine(settings)
        } throws: { error in
            "\(error)".contains("session mode")
        }
    }
}

/// PgBouncer in front of a server, until it goes.
private final class PgBouncer: Sendable {
    private static let program = "/usr/sbin/pgbouncer"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    private let directory: String
    let url: String

    init(_ server: PostgresServer, mode: String) throws {
        directory = server.directory + "/pooler-\(mode)-\(Identity.random())"
        url = "postgresql://chargefold@/postgres?host=\(directory)&port=6432"
        let settings = """
            [databases]
            postgres = host=\(server.directory) user=chargefold
            [pgbouncer]
            listen_port = 6432
            unix_socket_dir = \(directory)
            auth_type = any
            pool_mode = \(mode)
            logfile = \(directory)/log
            pidfile = \(directory)/pid
            """
        try server.run(shell: "mkdir \(directory) && cat >\(directory)/ini <<'END'\n\(settings)\nEND")
        try server.run(shell: "\(Self.program) --daemon --quiet \(directory)/ini >/dev/null 2>&1")
    }

    deinit {
        if let text = try? String(contentsOfFile: directory + "/pid", encoding: .utf8),
            let process = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
        {
            kill(process, SIGKILL)
        }
    }
}
