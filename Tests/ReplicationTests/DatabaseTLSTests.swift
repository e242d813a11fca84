import Base
import Glibc
import PostgresTestSupport
import Replication
import Testing

/// The way to the database over TLS.
@Suite(.enabled(if: PostgresServer.isInstalled)) struct DatabaseTLSTests {
    /// A port that nobody listens on.
    private static func freePort() -> Int {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = bind(socket, pointer, length)
                _ = getsockname(socket, pointer, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    @Test func `a certificate that is trusted is needed, and everything goes over TLS then`() async throws {
        let server = try PostgresServer(tlsPort: Self.freePort())
        let schema = newSchema()
        let station = try Station("a", server.url(trusting: server.certificate), schema: schema)
        try await station.shared.start()
        try await eventually("it ships") { await station.receive("one") == .replicated }
        let plain =
            "select count(*) from pg_stat_ssl natural join pg_stat_activity where client_addr is not null and not ssl"
        #expect(try server.query(plain) == "0")
        #expect(try server.query("select count(*) > 0 from pg_stat_ssl where ssl") == "t")
        await station.shared.stop()

        let other = try PostgresServer(tlsPort: Self.freePort())
        let wary = try Station("b", server.url(trusting: other.certificate), schema: schema) {
            $0.localAfterMilliseconds = 300
        }
        try await wary.shared.start()
        try await eventually("it says why") { wary.shared.condition.failure?.contains("certificate") == true }
        #expect(await wary.receive("two") == .local)
        #expect(try server.query("select count(*) from \(schema).origins") == "1")
        await wary.shared.stop()
    }
}
