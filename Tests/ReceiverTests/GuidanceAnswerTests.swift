import Base
import DriveAPI
import Glibc
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionModel
import SessionStore
import Testing

/// Guidance, anomalies, abandonment, fees and long polls over a real socket, with a clock that the test moves.
@Suite struct GuidanceAnswerTests {
    private let clock = TestClock()

    private func run(
        in directory: TestDirectory = TestDirectory(),
        configuration: (inout ReceiverConfiguration) throws -> Void = { _ in }, _ body: (RunningServer) throws -> Void
    ) throws {
        let clock = clock
        try withApplication(in: directory, clock: { clock.now }, live: .manual, configuration, body)
    }

    private func start(_ server: RunningServer, _ id: String, connector: String?) throws {
        let done = Waiting<Bool>()
        server.append(.start, sessionId: id, userId: "u1", connectorId: connector) { _ in done.give(true) }
        try #require(done.wait() == true)
    }

    private func action(_ answer: ClientResponse, _ name: StaticString) -> String? {
        answer.json?.member("actions")?.member(name)?.string("reason")
    }

    @Test func `the tag changes when time alone changes what is said`() throws {
        try run(configuration: { $0.guidance.startTimeoutSeconds = 30 }) { server throws in
            try start(server, "w", connector: nil)
            let before = try server.get("/v1/sessions/w")
            #expect(before.json?.string("effectiveStatus") == "WAITING_TO_START")
            #expect(
                action(before, "startAnother") == "START_IN_PROGRESS" || action(before, "startAnother") == "COOLDOWN")
            let tag = try #require(before.field("ETag"))
            #expect(try server.get("/v1/sessions/w", fields: [("If-None-Match", tag)]).status == 304)
            clock.advance(seconds: 30)
            let after = try server.get("/v1/sessions/w", fields: [("If-None-Match", tag)])
            #expect(after.status == 200)
            #expect(after.json?.string("effectiveStatus") == "FAILED")
            #expect(after.field("ETag") != tag)
        }
    }

    @Test func `a start on the same connector cools all of its sessions down, also after a restart`() throws {
        let directory = TestDirectory()
        try run(in: directory) { server throws in
            try start(server, "one", connector: "c1")
            clock.advance(seconds: 30)
            try server.report("SESSION_STARTED", "one", at: 30)
            try start(server, "two", connector: "c1")
            clock.advance(seconds: 40)
            #expect(try action(server.get("/v1/sessions/one"), "startAnother") == "COOLDOWN")
        }
        try run(in: directory) { server throws in
            #expect(try action(server.get("/v1/sessions/one"), "startAnother") == "COOLDOWN")
            clock.advance(seconds: 20)
            #expect(try action(server.get("/v1/sessions/one"), "startAnother") == "SEVERAL_SESSIONS_ALLOWED")
        }
    }

    @Test func `abandoning is a fact, once`() throws {
        let directory = TestDirectory()
        try run(in: directory) { server throws in
            try server.report("SESSION_STOP_FAILED", "S1", at: -1, extra: #","userId":"u1""#)
            let first = try server.post("/v1/sessions/S1/abandon", "")
            #expect(first.status == 200)
            #expect(first.json?.string("abandonedAt") == testTime.rfc3339)
            #expect(first.json?.string("sessionStatus") == "STOP_FAILED")
            #expect(first.json?.member("version")?.text == "2")
            #expect(action(first, "startAnother") == "SESSION_ABANDONED")
            #expect(action(first, "abandon") == "ALREADY_ABANDONED")
            clock.advance(seconds: 5)
            let again = try server.post("/v1/sessions/S1/abandon", "")
            #expect(again.status == 200 && again.json?.member("version")?.text == "2")
            let facts = try server.get("/v1/sessions/S1/facts").json?.member("facts")?.elements ?? []
            #expect(facts.map { $0.string("source") } == ["webhook", "client"])
            #expect(try server.post("/v1/sessions/none/abandon", "").problem == "session-not-found")
            #expect(try server.get("/v1/sessions/S1/abandon").field("Allow") == "POST")
        }
        try run(in: directory) { server throws in
            let kept = try server.get("/v1/sessions/S1")
            #expect(kept.json?.string("abandonedAt") == testTime.rfc3339)
            // A later event counts and is shown.
            try server.report("SESSION_STOPPED", "S1", at: 60)
            let later = try server.get("/v1/sessions/S1")
            #expect(later.json?.string("sessionStatus") == "STOPPED")
            try server.report("SESSION_STOPPED", "ended", at: 0)
            #expect(try server.post("/v1/sessions/ended/abandon", "").problem == "session-ended")
        }
    }

    @Test func `sessions by anomaly`() throws {
        try run { server throws in
            func found(_ code: String, _ more: String = "") throws -> [String?] {
                let answer = try server.get("/v1/sessions?anomaly=\(code)\(more)")
                #expect(answer.status == 200, "\(answer.text)")
                let sessions = answer.json?.member("sessions")?.elements ?? []
                for session in sessions {
                    let codes = session.member("anomalies")?.elements.map { $0.string("code") }
                    #expect(codes?.contains(code) == true)
                }
                return sessions.map { $0.string("sessionId") }
            }
            try server.report("SESSION_STOPPED", "gap", at: -1)
            try server.report("SESSION_COMPLETE", "complete", at: 0)
            try server.report("SESSION_START_FAILED", "revived", at: -5)
            try server.report("SESSION_STARTED", "revived", at: 0)
            try server.report("SESSION_STARTED", "conflict", at: 0, extra: #","userId":"u1""#)
            try server.report("SESSION_STOPPED", "conflict", at: 1, extra: #","userId":"u2""#)
            try server.report("SESSION_STARTED", "future", at: 3600)
            #expect(try found("STARTED_MISSING") == ["complete", "gap"])
            #expect(try found("STOPPED_MISSING") == ["complete"])
            #expect(try found("REVIVED_AFTER_FAILURE") == ["revived"])
            #expect(try found("USER_ID_CONFLICT") == ["conflict"])
            #expect(try found("TIMESTAMP_IN_FUTURE") == ["future"])
            #expect(try found("STARTED_TOO_LONG") == [])
            clock.advance(seconds: 86_400)
            #expect(try found("STARTED_TOO_LONG") == ["revived", "future"])
            let page = try server.get("/v1/sessions?anomaly=STARTED_TOO_LONG&limit=1")
            let cursor = try #require(page.json?.string("cursor"))
            #expect(try found("STARTED_TOO_LONG", "&limit=1&cursor=\(cursor)") == ["future"])
            #expect(try server.get("/v1/sessions?anomaly=STARTED_MISSING&cursor=\(cursor)").problem == "invalid-cursor")
            for query in [
                "?anomaly=X", "?anomoly=STARTED_MISSING", "?olderThan=long", "?anomaly=STARTED_MISSING&limit=501",
            ] {
                #expect(try server.get("/v1/sessions\(query)").status == 400)
            }
            let misspelt = try server.get("/v1/sessions?anomoly=STARTED_MISSING")
            #expect(misspelt.json?.string("detail")?.contains("Did you mean anomaly?") == true)
            try server.report("SESSION_STOP_FAILED", "stuck", at: 0)
            #expect(try found("STOP_FAILING_TOO_LONG") == ["stuck"])
            #expect(try found("START_TIMED_OUT") == [])
            try server.report("SESSION_STARTED", "backwards", at: 10)
            try server.report("SESSION_STOPPED", "backwards", at: 9)
            #expect(try found("STOPPED_BEFORE_STARTED") == ["backwards"])
            for code in Anomaly.allCases.suffix(8) { _ = try found(code.rawValue) }
            // A late event mends it.
            try server.report("SESSION_STARTED", "gap", at: -60)
            #expect(try found("STARTED_MISSING") == ["complete"])
        }
    }

    @Test func `fees that are about to apply`() throws {
        try run { server throws in
            func notice(_ id: String, from seconds: Int64) throws {
                let from = testTime.adding(seconds: seconds).rfc3339
                try server.report(
                    "SESSION_FEE_INCURRING", id, at: 0, extra: #","feeType":"BLOCKING","feeWillApplyFrom":"\#(from)""#)
            }
            func due(_ within: String) throws -> [String?] {
                let answer = try server.get("/v1/fees?dueWithin=\(within)")
                #expect(answer.status == 200, "\(answer.text)")
                return answer.json?.member("fees")?.elements.map { $0.string("sessionId") } ?? []
            }
            try server.report("SESSION_STARTED", "a", at: -600, extra: #","userId":"u1""#)
            try notice("a", from: 600)
            try notice("b", from: 60)
            try notice("b", from: 7200)
            try notice("c", from: -60)
            try notice("d", from: 30)
            try server.report("SESSION_STOPPED", "d", at: 10)
            #expect(try due("10m") == ["b", "a"])
            #expect(try due("1m") == ["b"])
            #expect(try due("59s") == [])
            #expect(try due("2h") == ["b", "a", "b"])
            clock.advance(seconds: 61)
            #expect(try due("600") == ["a"])
            let truncated = try server.get("/v1/fees?dueWithin=744h&limit=1").json
            #expect(truncated?.member("fees")?.elements.count == 1 && truncated?.member("truncated")?.bool == true)
            for text in ["x", "10y", "-1m", "745h"] {
                #expect(try server.get("/v1/fees?dueWithin=\(text)").problem == "malformed-query")
            }
        }
    }

    /// Whoever closes its sending side has its answer at once; whoever has gone waits no longer.
    @Test func `a long poll ends when its client closes`() throws {
        try withApplication { server throws in
            _ = try server.post(Callback.body("SESSION_STARTED"))
            let poll =
                "GET /v1/sessions/S1?wait=60s&version=1 HTTP/1.1\r\nHost: x\r\n"
                + "Authorization: Bearer \(RunningServer.token)\r\n\r\n"
            let closes = try server.raw()
            closes.send(poll)
            closes.finish()
            #expect(RawAnswer(try closes.receiveAll())?.status == 304)
            do {
                let gone = try server.raw()
                gone.send(poll)
                while server.features.hub.listenerCount == 0 { sched_yield() }
            }
            while server.features.hub.listenerCount > 0 { sched_yield() }
        }
    }

    @Test func `there is room for so many waits, and for everybody else`() throws {
        try withApplication({ $0.http.limits.connectionsMax = 4 }) { server throws in
            _ = try server.post(Callback.body("SESSION_STARTED"))
            let poll =
                "GET /v1/sessions/S1?wait=60s&version=1 HTTP/1.1\r\nHost: x\r\n"
                + "Authorization: Bearer \(RunningServer.token)\r\n\r\n"
            let waiting = try (0..<2).map { _ in try server.raw() }
            for socket in waiting { socket.send(poll) }
            while server.features.hub.listenerCount < 2 { sched_yield() }
            #expect(try server.get("/v1/sessions/S1?wait=60s&version=1").problem == "too-many-streams")
            #expect(try server.post(Callback.body("SESSION_STOPPED")).status == 200)
            for socket in waiting { #expect(try socket.receive(through: "}").contains("STOPPED")) }
        }
    }

    @Test func `a long poll answers at once, at the next change, or at its end`() throws {
        try run { server throws in
            try server.report("SESSION_STARTED", "S1", at: 0)
            let known = try server.get("/v1/sessions/S1?wait=30s&version=0")
            #expect(known.status == 200 && known.json?.member("version")?.text == "1")

            let changes = try server.raw()
            changes.send(request("/v1/sessions/S1?wait=30s&version=1"))
            let ends = try server.raw()
            ends.send(request("/v1/sessions/S1?wait=60s&version=2"))
            let missing = try server.raw()
            missing.send(request("/v1/sessions/none?wait=10s"))
            while server.features.hub.listenerCount < 3 { _ = try server.get("/healthz") }
            try server.report("SESSION_STOPPED", "S1", at: 1)
            let changed = try #require(RawAnswer(try changes.receiveAll()))
            #expect(changed.status == 200)
            #expect(changed.body.contains(#""sessionStatus":"STOPPED""#))
            clock.advance(seconds: 60)
            server.features.hub.tick()
            let ended = try #require(RawAnswer(try ends.receiveAll()))
            #expect(ended.status == 304)
            #expect(ended.field("ETag")?.hasPrefix(#"W/"2-"#) == true)
            #expect(try RawAnswer(missing.receiveAll())?.status == 404)
            for query in ["wait=61s", "wait=x", "wait=1s&version=x", "wait=-1s"] {
                #expect(try server.get("/v1/sessions/S1?\(query)").problem == "malformed-query")
            }
        }
    }

    private func request(_ target: String) -> String {
        "GET \(target) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(RunningServer.token)\r\nConnection: close\r\n\r\n"
    }
}
