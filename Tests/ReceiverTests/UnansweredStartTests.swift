import Base
import HTTPClient
import HTTPServer
import Ledger
import SessionIndex
import SessionModel
import SessionStore
import Testing

@testable import Receiver

/// Starts whose outcome is not known, and the sessions that are found for them.
@Suite struct UnansweredStartTests {
    /// A Drive API that loses the answer to the first start, and shows `sessions` in the user's history.
    private static func upstream(_ sessions: @escaping @Sendable (Upstream.Call) -> String) -> Upstream {
        let starts = Locked(0)
        return Upstream { call, _ in
            if call.path.hasSuffix("/history") { return Upstream.json(#"{"sessions":[\#(sessions(call))]}"#) }
            if call.path.hasSuffix("/start") {
                let number = starts.withLock {
                    $0 += 1
                    return $0
                }
                return number == 1
                    ? Upstream.json("{}", status: 500) : Upstream.json(#"{"sessionId":"answered-\#(number)"}"#)
            }
            return Upstream.json(#"{"sessionStatus":"WAITING_TO_START"}"#)
        }
    }

    private static func session(_ id: String, _ status: String, connector: String = "c1", start: Instant? = nil)
        -> String
    {
        let start = start.map { #","startTime":"\#($0.rfc3339)""# } ?? ""
        return #"{"sessionId":"\#(id)","sessionStatus":"\#(status)","connectorId":"\#(connector)"\#(start)}"#
    }

    private func start(_ server: RunningServer, connector: String = "c1") throws -> ClientResponse {
        try server.post("/v1/users/u1/sessions/start", #"{"connectorId":"\#(connector)"}"#)
    }

    private func searches(_ upstream: Upstream) -> [String] {
        upstream.calls.filter { $0.path.hasSuffix("/history") }.map(\.body)
    }

    @Test func `the session appears by itself`() throws {
        let time = ReconcilerTime()
        let began = time.now
        let upstream = Self.upstream { _ in Self.session("lost", "STARTED", start: began.adding(seconds: 2)) }
        try withReconciliation(upstream, time: time) { server, time throws in
            #expect(try start(server).status == 502)
            try time.pass(0, server)
            #expect(searches(upstream).isEmpty)
            try time.pass(5, server)
            let bodies = searches(upstream)
            #expect(bodies.count == 1)
            #expect(bodies.first?.contains(#""WAITING_TO_START","STARTED""#) == true)
            #expect(bodies.first?.contains(began.adding(seconds: -60).rfc3339) == true)
            let session = try server.get("/v1/sessions/lost").json
            #expect(session?.string("sessionStatus") == "STARTED")
            #expect(session?.string("userId") == "u1")
            #expect(session?.string("connectorId") == "c1")
            // Found: nobody looks any more, and the session is watched as any other.
            try time.pass(0, server)
            try time.pass(2_200, server)
            #expect(searches(upstream).count == 1)
            #expect(upstream.calls.last?.path == "/v1/users/u1/sessions/lost")
        }
    }

    @Test func `a session that waits and has no start time is found too`() throws {
        let upstream = Self.upstream { call in
            // As upstream says: the bound is on the session's start.
            call.body.contains("startTime") ? "" : Self.session("lost", "WAITING_TO_START")
        }
        try withReconciliation(upstream) { server, time throws in
            _ = try start(server)
            try time.pass(0, server)
            try time.pass(5, server)
            #expect(try server.get("/v1/sessions/lost").json?.string("sessionStatus") == "WAITING_TO_START")
            #expect(searches(upstream).count == 2)
        }
    }

    @Test func `what is not there is looked for with back off and given up`() throws {
        let began = testTime
        let upstream = Self.upstream { _ in
            // Another connector's, and one that is too old.
            Self.session("other", "STARTED", connector: "c2", start: began.adding(seconds: 61)) + ","
                + Self.session("old", "STARTED", start: began.adding(seconds: -3600))
        }
        try withReconciliation(upstream) { server, time throws in
            _ = try start(server)
            try time.pass(0, server)
            for (wait, count) in zip([5, 10, 20, 40, 80, 160] as [Int64], 1...) {
                try time.pass(wait - 1, server)
                #expect(searches(upstream).count == 2 * (count - 1))
                try time.pass(1, server)
                #expect(searches(upstream).count == 2 * count)
            }
            try time.pass(86_400, server)
            #expect(searches(upstream).count == 12)
            // What was not looked for is none of our business.
            #expect(try server.get("/v1/sessions/other").status == 404)
            #expect(try server.get("/v1/sessions/old").status == 404)
        }
    }

    @Test func `a session that another start was answered with is not it`() throws {
        let time = ReconcilerTime()
        let began = time.now
        let there = Locked("")
        let answered = Self.session("answered-2", "STARTED", start: began.adding(seconds: 62))
        let lost = Self.session("lost", "STARTED", start: began.adding(seconds: 3))
        let upstream = Self.upstream { _ in there.withLock { $0 } }
        try withReconciliation(upstream, time: time) { server, time throws in
            _ = try start(server)
            try time.pass(60, server)
            #expect(try start(server).status == 200)
            there.withLock { $0 = answered }
            try time.pass(10, server)
            #expect(searches(upstream).count == 4)
            #expect(try server.get("/v1/sessions/lost").status == 404)
            there.withLock { $0 = answered + "," + lost }
            try time.pass(20, server)
            #expect(try server.get("/v1/sessions/lost").status == 200)
        }
    }

    @Test func `another process goes on looking`() throws {
        let directory = TestDirectory()
        let time = ReconcilerTime()
        let upstream = Self.upstream { _ in Self.session("lost", "STARTED", start: testTime.adding(seconds: 61)) }
        try withReconciliation(upstream, in: directory, time: time) { server, _ throws in
            #expect(try start(server).status == 502)
        }
        try withReconciliation(upstream, in: directory, time: time) { server, time throws in
            try time.pass(5, server)
            #expect(try server.get("/v1/sessions/lost").status == 200)
        }
        try withReconciliation(upstream, in: directory, time: time) { server, time throws in
            try time.pass(5, server)
            #expect(searches(upstream).count == 1)
        }
    }

    @Test func `while the API is down no try is spent`() throws {
        let isDown = Locked(true)
        let upstream = Upstream { call, _ in
            if isDown.withLock({ $0 }) { return Upstream.json("{}", status: 500) }
            return Upstream.json(
                #"{"sessions":[\#(Self.session("lost", "STARTED", start: testTime.adding(seconds: 61)))]}"#)
        }
        try withReconciliation(upstream) { server, time throws in
            _ = try start(server)
            try time.pass(0, server)
            // Below what opens the circuit breaker, whose clock is not the test's.
            for _ in 0..<3 { try time.pass(5, server) }
            #expect(searches(upstream).count == 3)
            isDown.withLock { $0 = false }
            try time.pass(5, server)
            #expect(try server.get("/v1/sessions/lost").status == 200)
        }
    }

    @Test(arguments: [(200, #"{"sessionId":"S1"}"#), (404, "{}"), (503, "{}"), (200, #"{"threeDSClientSecret":"s"}"#)])
    func `what is known is not looked for`(status: UInt16, body: String) throws {
        let directory = TestDirectory()
        let upstream = Upstream { call, _ in
            call.path.hasSuffix("/start")
                ? Upstream.json(body, status: status) : Upstream.json(#"{"sessionStatus":"FAILED"}"#)
        }
        try withReconciliation(upstream, in: directory) { server, time throws in
            _ = try start(server)
            for _ in 0..<4 { try time.pass(60, server) }
        }
        try withReconciliation(upstream, in: directory) { server, time throws in try time.pass(60, server) }
        #expect(searches(upstream).isEmpty)
    }

    @Test func `an erased user is not looked for`() throws {
        let directory = TestDirectory()
        let upstream = Self.upstream { _ in Self.session("lost", "STARTED") }
        try withReconciliation(
            upstream, in: directory, { $0.api.adminToken = try Callback.key("token-of-an-operator") }
        ) { server, time throws in
            _ = try start(server)
            try time.pass(0, server)
            let erased = try server.get("/v1/users/u1", method: "DELETE", token: "token-of-an-operator")
            #expect(erased.status < 300)
            for _ in 0..<4 { try time.pass(60, server) }
            #expect(searches(upstream).isEmpty)
        }
    }

    @Test func `the store keeps a bounded number`() throws {
        let directory = TestDirectory()
        let ledger = try Ledger(directory: directory.path, logger: LogCapture(in: directory).logger())
        defer { ledger.closeAndWait() }
        let kept = try ledger.blocking { (ledger) throws(StoreError) in
            for number in 1...13 {
                let id = try ledger.addUnansweredStart(
                    userId: "u", connectorId: "c\(number)", at: testTime, countMax: 10)
                #expect(id == Int64(number))
            }
            return try ledger.unansweredStarts()
        }
        #expect(kept.count == 10)
        #expect(kept.first?.connectorId == "c4")
    }
}
