import HTTPClient
import HTTPServer
import Receiver
import SessionModel
import Testing

@Suite struct ReconcilerTests {
    private static func session(_ status: String, extra: String = "") -> Response {
        Upstream.json(#"{"sessionId":"S1","sessionStatus":"\#(status)"\#(extra)}"#)
    }

    private func withReconciliation<Result>(
        _ upstream: Upstream, in directory: TestDirectory = TestDirectory(), _ body: (RunningServer) throws -> Result
    ) throws -> Result {
        // As soon as can be: what is waited for is the call, not the time.
        try withGateway(
            upstream, in: directory, clock: SystemClock.now,
            {
                $0.reconciliation.enabled = true
                $0.reconciliation.waitingSeconds = 1
                $0.reconciliation.completeSeconds = 1
                $0.reconciliation.spreadSeconds = 0
                $0.reconciliation.triesMax = 2
            }, body)
    }

    /// Asks until the session has the status; the server answers each time at once.
    private func waitFor(_ server: RunningServer, _ status: String) throws -> CanonicalJSON? {
        for _ in 0..<20 {
            let answer = try server.get("/v1/sessions/S1?wait=2s&version=0")
            if answer.json?.string("sessionStatus") == status { return answer.json }
            let version = answer.json?.member("version")?.integer ?? 0
            let changed = try server.get("/v1/sessions/S1?wait=2s&version=\(version)")
            if changed.json?.string("sessionStatus") == status { return changed.json }
        }
        return nil
    }

    @Test func aSessionWithoutAPriceIsAskedAboutUntilItIsSettledAndThenNoMore() throws {
        let upstream = Upstream { _, _ in
            Self.session("COMPLETE", extra: #","balanceStatus":"PAID","price":{"minorInclVat":95},"site":"Castle""#)
        }
        let directory = TestDirectory()
        try withReconciliation(upstream, in: directory) { server in
            _ = try server.post(
                Callback.body("SESSION_COMPLETE", "S1", extra: #","userId":"u1""#))
            #expect(upstream.waitForCall())
            let version = try server.get("/v1/sessions/S1?wait=20s&version=1").json
            #expect(version?.string("balanceStatus") == "PAID")
            #expect(version?.string("site") == "Castle")
            #expect(upstream.calls.map(\.path) == ["/v1/users/u1/sessions/S1"])
        }
        // Settled: a start finds nothing to ask about.
        try withReconciliation(upstream, in: directory) { _ in }
        #expect(upstream.calls.count == 1)
    }

    @Test func openSessionsAreAskedAboutAfterADowntimeAndTheLedgerSaysSo() throws {
        let directory = TestDirectory()
        try withApplication(in: directory, clock: SystemClock.now) { server in
            _ = try server.post(
                Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
        }
        let upstream = Upstream { _, _ in Self.session("STOPPED") }
        try withReconciliation(upstream, in: directory) { server in
            #expect(upstream.waitForCall())
            let stopped = try waitFor(server, "STOPPED")
            #expect(stopped != nil)
        }
        try withApplication(in: directory, clock: SystemClock.now) { _ in
            let downtimes = try TestControl(directory).send("GET", "/v1/downtime?id=1").json?.member("downtimes")
            #expect(downtimes?.elements.first?.member("sessions")?.member("reconciled")?.integer == 1)
        }
    }

    @Test func theOutcomeOfAPaymentIsAskedForAtOnce() throws {
        let upstream = Upstream { call, _ in
            call.method == "POST" ? Upstream.json("{}") : Self.session("COMPLETE", extra: #","balanceStatus":"PAID""#)
        }
        try withReconciliation(upstream) { server in
            _ = try server.post(
                Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
            _ = try server.connection.send(
                .init(
                    method: "POST", target: "/v1/users/u1/sessions/S1/retry-payment",
                    fields: [("Authorization", "Bearer \(RunningServer.token)")], body: []))
            let complete = try waitFor(server, "COMPLETE")
            #expect(complete?.string("balanceStatus") == "PAID")
        }
    }
}
