import Base
import DriveAPI
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionModel
import SessionStore
import Testing

/// What callbacks do not tell is asked for soon, and once.
@Suite struct SoonScheduleTests {
    private static let second: UInt64 = 1_000_000_000
    private let a = SessionKey("a")

    private func schedule() -> ReconciliationSchedule { ReconciliationSchedule(ReconciliationSettings(), seed: 1) }

    /// Asks at a second, and answers.
    private func ask(
        _ schedule: inout ReconciliationSchedule, at seconds: UInt64, _ status: SessionStatus, isDescribed: Bool = true
    ) {
        let now = seconds * Self.second
        #expect(schedule.takeDue(now: now) == a)
        schedule.ended(a, .answered(status, isDescribed: isDescribed), now: now)
    }

    private func dueInSeconds(_ schedule: ReconciliationSchedule) -> UInt64? {
        schedule.nextDueAt.map { $0 / Self.second }
    }

    @Test func `a session is asked about soon after its first fact and not again while its charger is known`() {
        var schedule = schedule()
        schedule.noted(a, .waitingToStart, now: 0)
        #expect(dueInSeconds(schedule) == 2)
        ask(&schedule, at: 2, .waitingToStart)
        schedule.noted(a, .started, now: 10 * Self.second)
        #expect(schedule.takeDue(now: 1_800 * Self.second) == nil)
    }

    @Test func `where the first answer names no charger the next status is asked about soon too`() {
        var schedule = schedule()
        schedule.noted(a, .waitingToStart, now: 0)
        ask(&schedule, at: 2, .waitingToStart, isDescribed: false)
        schedule.noted(a, .started, now: 10 * Self.second)
        ask(&schedule, at: 12, .started, isDescribed: false)
        // The same status once more is no reason.
        schedule.noted(a, .started, now: 20 * Self.second)
        #expect(schedule.takeDue(now: 1_800 * Self.second) == nil)
    }

    @Test func `news before the question do not put it off`() {
        var schedule = schedule()
        schedule.noted(a, .started, now: 0)
        schedule.noted(a, .started, now: Self.second)
        #expect(schedule.takeDue(now: 2 * Self.second) == a)
    }

    @Test func `a complete session is asked about soon and then as ever`() {
        var schedule = schedule()
        schedule.noted(a, .started, now: 0)
        ask(&schedule, at: 2, .started)
        schedule.noted(a, .stopped, now: 100 * Self.second)
        schedule.noted(a, .complete, now: 110 * Self.second)
        #expect(schedule.takeDue(now: 111 * Self.second) == nil)
        ask(&schedule, at: 112, .complete)
        // The payment is not known yet: no try is spent, and the wait is that of the first.
        #expect(schedule.takeDue(now: 116 * Self.second) == nil)
        #expect(schedule.takeDue(now: 119 * Self.second) == a)
        schedule.ended(a, .settled, now: 119 * Self.second)
        #expect(schedule.doneCount == 1)
        #expect(schedule.doneCallCount == 3)
    }

    @Test func `what the Drive API has told needs no question`() {
        var schedule = schedule()
        schedule.noted(a, .started, isDescribed: true, now: 0)
        schedule.noted(a, .waitingToStop, now: 1)
        #expect(schedule.takeDue(now: 120 * Self.second) == nil)
    }

    @Test func `a request of ours is followed by a question also where one is under way`() {
        var schedule = schedule()
        schedule.noted(a, .started, isDescribed: true, now: 0)
        schedule.requested(a, at: 12 * Self.second)
        schedule.noted(a, .waitingToStop, now: 11 * Self.second)
        #expect(schedule.takeDue(now: 12 * Self.second) == a)
        schedule.requested(a, at: 15 * Self.second)
        schedule.ended(a, .answered(.started), now: 13 * Self.second)
        #expect(schedule.takeDue(now: 14 * Self.second) == nil)
        #expect(schedule.takeDue(now: 15 * Self.second) == a)
    }

    @Test func `of a session that is not watched a request is a reason to ask`() {
        var schedule = schedule()
        schedule.requested(a, at: 0)
        #expect(schedule.takeDue(now: 0) == a)
        schedule.ended(a, .settled, calls: 0, now: 0)
        #expect(schedule.count == 0)
        #expect(schedule.doneCallCount == 0)
    }
}

/// The same over sockets.
@Suite struct ReconcilerSoonTests {
    private static let charger = ##","chargingKeyType":"virtual","charger":{"evseId":"E1"},"connectorId":"c1""##

    private static func session(_ status: String, extra: String = "") -> Response {
        Upstream.json(#"{"sessionId":"S1","sessionStatus":"\#(status)"\#(charger)\#(extra)}"#)
    }

    private func withSoon(_ upstream: Upstream, _ body: (RunningServer, ReconcilerTime) throws -> Void) throws {
        try withReconciliation(upstream, { $0.reconciliation.soonSeconds = 2 }, body)
    }

    @Test func `a session shows its charger within seconds and its price soon after the end by two calls`() throws {
        let upstream = Upstream { _, number in
            number == 1
                ? Self.session("STARTED")
                : Self.session("COMPLETE", extra: #","balanceStatus":"PAID","price":{"minorInclVat":95}"#)
        }
        try withSoon(upstream) { server, time throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
            try time.pass(0, server)
            #expect(upstream.calls.isEmpty)
            try time.pass(2, server)
            let started = try server.get("/v1/sessions/S1").json
            #expect(started?.member("charger")?.string("evseId") == "E1")
            #expect(started?.string("chargingKeyType") == "virtual")
            _ = try server.post(
                Callback.body("SESSION_COMPLETE", "S1", at: "2025-06-12T11:30:00Z", extra: #","userId":"u1""#))
            try time.pass(0, server)
            try time.pass(2, server)
            let complete = try server.get("/v1/sessions/S1").json
            #expect(complete?.string("balanceStatus") == "PAID")
            #expect(complete?.member("price")?.member("minorInclVat")?.integer == 95)
            #expect(upstream.calls.count == 2)
            try time.pass(0, server)
            let metrics = try server.get("/metrics").text
            #expect(metrics.contains("chargefold_reconciliation_sessions_done_total 1\n"))
            #expect(metrics.contains("chargefold_reconciliation_sessions_done_calls_total 2\n"))
        }
    }

    @Test func `an ignored stop is seen within seconds`() throws {
        let upstream = Upstream { call, _ in
            call.method == "POST" ? Response(status: 200) : Self.session("STARTED")
        }
        try withSoon(upstream) { server, time throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
            try time.pass(0, server)
            try time.pass(2, server)
            _ = try server.post("/v1/users/u1/sessions/S1/stop", "")
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "WAITING_TO_STOP")
            try time.pass(0, server)
            try time.pass(3, server)
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "STARTED")
            #expect(upstream.calls.count == 3)
        }
    }

    @Test func `a stop that is refused tells that the session is a local one`() throws {
        let upstream = Upstream { call, _ in
            call.method == "POST"
                ? Upstream.json(#"{"code":"NOT_REMOTE"}"#, status: 409)
                : Upstream.json(#"{"sessionId":"S1","sessionStatus":"STARTED","chargingKeyType":"rfid"}"#)
        }
        try withReconciliation(upstream) { server, time throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
            let before = try server.get("/v1/sessions/S1").json?.member("actions")?.member("stop")
            #expect(before?.string("reason") == "KEY_TYPE_UNKNOWN")
            #expect(before?.member("allowed")?.bool == false)
            #expect(try server.post("/v1/users/u1/sessions/S1/stop", "").status == 409)
            try time.pass(0, server)
            let after = try server.get("/v1/sessions/S1").json?.member("actions")?.member("stop")
            #expect(after?.string("reason") == "LOCAL_SESSION")
        }
    }

    @Test func `what a payment retry answers is shown at once and what it does not say is asked for`() throws {
        let price = ##","price":{"minorInclVat":95}"##
        let upstream = Upstream { call, number in
            call.method == "POST"
                ? Upstream.json(#"{"balanceStatus":"PAID"}"#)
                : number == 1
                    ? Self.session("COMPLETE", extra: ##","balanceStatus":"DEBT""## + price)
                    : Self.session("COMPLETE", extra: ##","balanceStatus":"PAID","receiptAvailable":true"## + price)
        }
        try withSoon(upstream) { server, time throws in
            _ = try server.post(Callback.body("SESSION_COMPLETE", "S1", extra: #","userId":"u1""#))
            try time.pass(0, server)
            try time.pass(2, server)
            #expect(try server.get("/v1/sessions/S1").json?.string("balanceStatus") == "DEBT")
            time.pass(milliseconds: 1)
            #expect(try server.post("/v1/users/u1/sessions/S1/retry-payment", "").status == 200)
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.string("balanceStatus") == "PAID")
            #expect(session?.string("sessionStatus") == "COMPLETE")
            #expect(session?.member("receiptAvailable")?.bool != true)
            time.pass(milliseconds: 1)
            try time.pass(0, server)
            #expect(try server.get("/v1/sessions/S1").json?.member("receiptAvailable")?.bool == true)
            // And nothing more is to be learnt.
            try time.pass(60, server)
            #expect(upstream.calls.count == 3)
        }
    }

    @Test func `a payment retry that is refused tells that the payment is not what it was`() throws {
        let price = ##","price":{"minorInclVat":95}"##
        let upstream = Upstream { call, number in
            call.method == "POST"
                ? Upstream.json(#"{"code":"SESSION_NOT_IN_DEBT"}"#, status: 400)
                : Self.session("COMPLETE", extra: ##","balanceStatus":"\##(number == 1 ? "DEBT" : "PAID")""## + price)
        }
        try withSoon(upstream) { server, time throws in
            _ = try server.post(Callback.body("SESSION_COMPLETE", "S1", extra: #","userId":"u1""#))
            try time.pass(0, server)
            try time.pass(2, server)
            #expect(try server.get("/v1/sessions/S1").json?.string("balanceStatus") == "DEBT")
            time.pass(milliseconds: 1)
            #expect(try server.post("/v1/users/u1/sessions/S1/retry-payment", "").status == 400)
            time.pass(milliseconds: 1)
            try time.pass(0, server)
            #expect(try server.get("/v1/sessions/S1").json?.string("balanceStatus") == "PAID")
        }
    }
}
