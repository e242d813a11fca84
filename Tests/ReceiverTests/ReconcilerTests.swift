import Base
import DriveAPI
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionModel
import SessionStore
import Synchronization
import Testing

@Suite struct ReconcilerTests {
    private static func session(_ status: String, extra: String = "") -> Response {
        Upstream.json(#"{"sessionId":"S1","sessionStatus":"\#(status)"\#(extra)}"#)
    }

    @Test func `a session without a price is asked about until it is settled and then no more`() throws {
        let upstream = Upstream { _, number in
            number == 1
                ? Self.session("COMPLETE", extra: #","balanceStatus":"PROCESSING""#)
                : Self.session(
                    "COMPLETE", extra: #","balanceStatus":"PAID","price":{"minorInclVat":95},"site":"Castle""#)
        }
        let directory = TestDirectory()
        try withReconciliation(upstream, in: directory) { server, time throws in
            _ = try server.post(Callback.body("SESSION_COMPLETE", "S1", extra: #","userId":"u1""#))
            // Five seconds, and up to a fifth more; then ten, give or take a fifth.
            try time.pass(0, server)
            try time.pass(4, server)
            #expect(upstream.calls.isEmpty)
            try time.pass(3, server)
            #expect(upstream.calls.map(\.path) == ["/v1/users/u1/sessions/S1"])
            try time.pass(7, server)
            #expect(upstream.calls.count == 1)
            try time.pass(6, server)
            #expect(upstream.calls.count == 2)
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.string("balanceStatus") == "PAID")
            #expect(session?.string("site") == "Castle")
            try time.pass(86_400, server)
        }
        // Settled: a start finds nothing to ask about.
        try withReconciliation(upstream, in: directory) { server, time in try time.pass(86_400, server) }
        #expect(upstream.calls.count == 2)
    }

    @Test func `open sessions are asked about after a downtime and the ledger says so`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
        }
        let upstream = Upstream { _, _ in Self.session("STOPPED") }
        try withReconciliation(upstream, in: directory) { server, _ throws in
            #expect(upstream.calls.count == 1)
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "STOPPED")
        }
        try withApplication(in: directory) { _ in
            let downtimes = try TestControl(directory).send("GET", "/v1/downtime?id=1").json?.member("downtimes")
            #expect(downtimes?.elements.first?.member("sessions")?.member("reconciled")?.integer == 1)
        }
    }

    @Test func `the outcome of a payment is asked for at once`() throws {
        let upstream = Upstream { call, _ in
            call.method == "POST" ? Upstream.json("{}") : Self.session("COMPLETE", extra: #","balanceStatus":"PAID""#)
        }
        try withReconciliation(upstream) { server, time throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
            _ = try server.post("/v1/users/u1/sessions/S1/retry-payment", "")
            try time.pass(0, server)
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.string("sessionStatus") == "COMPLETE")
            #expect(session?.string("balanceStatus") == "PAID")
        }
    }

    @Test func `while the API is down nothing is lost and no try is spent`() throws {
        let upstream = Upstream { _, number in
            number <= 20 ? Upstream.json("{}", status: 500) : Self.session("STOPPED")
        }
        try withReconciliation(upstream, { $0.reconciliation.triesMax = 1 }) { server, time throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
            try time.pass(0, server)
            try time.pass(2_161, server)
            #expect(upstream.calls.count == 1)
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "STARTED")
            #expect(server.features.driveAPI?.reconciler?.metrics.failures.value == 1)
            #expect(server.features.driveAPI?.reconciler?.metrics.givenUp.load(ordering: .relaxed) == 0)
        }
    }
}
