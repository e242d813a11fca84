import PostgresTestSupport
import Replication
import Testing

@Suite struct PostgresSettingsTests {
    @Test(arguments: [
        "postgresql://user:s3cret@[bad", "postgresql://user:s3cret@host/db?nonsense=1", "password=s3cret nonsense",
        "postgresql://user:s3cret%zz@host",
    ])
    func `what is wrong with a connection string is said without it`(_ url: String) {
        #expect {
            try PostgresSettings(url: url)
        } throws: { error in
            !"\(error)".contains("s3cret") && (error as? PostgresError)?.kind == .settings
        }
    }

    @Test func `as many ports as hosts`() {
        #expect(throws: PostgresError.self) { try PostgresSettings(url: "host=a,b,c port=1,2") }
        #expect(throws: Never.self) { try PostgresSettings(url: "postgresql://a:1,b:2,c/db") }
    }

    @Test(.enabled(if: PostgresServer.isInstalled))
    func `a failure does not tell the password`() async throws {
        let url = "host=/nowhere,/tmp user=nobody password=s3cret dbname=s3cret"
        let station = try Station("a", url, schema: newSchema()) { $0.localAfterMilliseconds = 300 }
        try await station.shared.start()
        try await eventually("it says why") { station.shared.condition.failure != nil }
        #expect(station.shared.condition.failure?.contains("s3cret") == false)
        #expect(await station.receive("one") == .local)
        await station.shared.stop()
    }
}
