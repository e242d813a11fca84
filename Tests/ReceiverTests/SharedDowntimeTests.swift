import Base
import HTTPClient
import PostgresTestSupport
import Receiver
import Replication
import SessionModel
import Testing

/// Downtimes of several receivers: what one of them misses another one takes.
@Suite(.enabled(if: PostgresServer.isInstalled)) struct SharedDowntimeTests {
    private let receivers = SharedReceivers()

    private func downtime(_ server: RunningServer) throws -> CanonicalJSON {
        var found: CanonicalJSON?
        try eventually("the last downtime's sessions are looked up") {
            found = try server.operate("GET", "/v1/downtime").json?.member("downtimes")?.elements.first
            return found?.member("sessions")?.member("searched")?.bool == true
        }
        return try #require(found)
    }

    private func gaps(_ downtime: CanonicalJSON) throws -> [[Instant?]] {
        let gaps = try #require(downtime.member("nobodyAccepted")).elements
        return gaps.map { gap -> [Instant?] in [gap.instant("from"), gap.instant("to")] }
    }

    private func affected(_ downtime: CanonicalJSON) -> Int {
        downtime.member("sessions")?.member("affected")?.integer ?? -1
    }

    private func expectLast(
        _ scope: String, _ instant: Instant?, _ server: RunningServer, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let seconds = Double(instant?.microsecondsSince1970 ?? 0) / 1_000_000
        let line = #"chargefold_last_downtime_timestamp_seconds{scope="\#(scope)"} \#(seconds)"#
        let page = String(decoding: try server.operate("GET", "/metrics").body, as: UTF8.self)
        #expect(page.contains(line + "\n"), sourceLocation: sourceLocation)
    }

    @Test func `only when nobody accepted may something be missed`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [self] in
            let time = Locked(testTime)
            let clock: @Sendable () -> Instant = { time.withLock { $0 } }
            let (first, second) = (TestDirectory(), TestDirectory())
            let (began, later, end) = (testTime, testTime.adding(seconds: 100), testTime.adding(seconds: 200))
            try receivers.with("a", database, in: first, clock: clock) { a in
                try receivers.with("b", database, in: second, clock: clock) { b in
                    try receivers.warmUp(b)
                    try b.expectReplicated(Callback.body("SESSION_STARTED", "open"))
                }
                time.withLock { $0 = later }
                // It goes on accepting, and says so.
                try eventually("the shared log knows how long the first one has accepted") {
                    try receivers.query(database) {
                        "select max(accepted_until) from \($0).acceptance where receiver = 'a'"
                    } == "\(later.microsecondsSince1970)"
                }
                try receivers.with("b", database, in: second, clock: clock) { b in
                    let covered = try downtime(b)
                    #expect(covered.instant("from") == began)
                    #expect(covered.instant("to") == later)
                    #expect(try gaps(covered).isEmpty)
                    #expect(affected(covered) == 0)
                    try expectLast("receiver", later, b)
                    try expectLast("all", nil, b)
                }
            }
            time.withLock { $0 = end }
            try receivers.with("b", database, in: second, clock: clock) { b in
                let missed = try downtime(b)
                #expect(try gaps(missed) == [[later, end]])
                #expect(affected(missed) > 0)
                try expectLast("all", end, b)
            }
        }
    }

    @Test func `without the database each downtime counts as everybody's`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [self] in
            let directory = TestDirectory()
            try receivers.with("alone", database, in: directory) { server in
                try receivers.warmUp(server)
            }
            let later = testTime.adding(seconds: 100)
            try receivers.with(
                "alone", database, in: directory, clock: { later },
                change: { configuration in
                    configuration.replication.url = try Callback.key("postgresql://nobody@127.0.0.1:1/none")
                    configuration.replication.localAfterMilliseconds = 1
                    configuration.replication.reads = .local
                }
            ) { server in
                let downtime = try downtime(server)
                #expect(downtime.member("nobodyAccepted") == nil)
                #expect(affected(downtime) > 0)
            }
        }
    }
}
