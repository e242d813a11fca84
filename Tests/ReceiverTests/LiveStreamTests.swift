import Base
import HTTPClient
import Receiver
import SessionModel
import Testing

/// Server-Sent Events over real sockets, with a clock that the test moves.
@Suite struct LiveStreamTests {
    private let clock = TestClock()

    private func run(
        in directory: TestDirectory = TestDirectory(), _ body: (RunningServer) throws -> Void
    ) throws {
        let clock = clock
        try withApplication(in: directory, clock: { clock.now }, live: .manual) { server throws in try body(server) }
    }

    @Test func `a session's changes, one event each, with log positions as ids`() throws {
        try run { server throws in
            try server.report("SESSION_STARTED", "S1", at: 0, extra: #","userId":"u1""#)
            let stream = try EventStream(server, "/v1/sessions/S1/events").opened()
            #expect(stream.head.contains("Content-Type: text/event-stream"))
            #expect(stream.head.contains("Cache-Control: no-store"))
            try server.report("SESSION_STARTED", "S2", at: 0)
            try server.report("SESSION_FEE_INCURRING", "S1", at: 1, extra: #","feeType":"BLOCKING""#)
            try server.report("SESSION_FEE_INCURRING", "S1", at: 1, extra: #","feeType":"BLOCKING""#)
            try server.report("SESSION_STOPPED", "S1", at: 2)
            try server.report("SESSION_NEWS", "S1", at: 3)
            let events = try stream.next(3)
            #expect(events.map(\.type) == ["fee", "status", "fact"])
            #expect(events.map { $0.id?.prefix { $0 != "-" } } == ["3", "5", "6"])
            #expect(events.map(\.version) == [2, 3, 4])
            #expect(events.map { $0.session?.string("sessionStatus") } == ["STARTED", "STOPPED", "STOPPED"])
            #expect(events.allSatisfy { $0.session?.string("userId") == "u1" })
            #expect(events.map { $0.session?.string("effectiveStatus") } == ["STARTED", "STOPPED", "STOPPED"])
        }
    }

    @Test func `a user's sessions, and everything`() throws {
        try run { server throws in
            let user = try EventStream(server, "/v1/users/u%201/events").opened()
            let all = try EventStream(server, "/v1/events").opened()
            try server.report("SESSION_STARTED", "a", at: 0, extra: #","userId":"u 1""#)
            try server.report("SESSION_STARTED", "b", at: 0, extra: #","userId":"u2""#)
            try server.report("SESSION_STOPPED", "a", at: 1)
            #expect(try user.next(2).map { $0.session?.string("sessionId") } == ["a", "a"])
            #expect(try all.next(3).map { $0.session?.string("sessionId") } == ["a", "b", "a"])
        }
    }

    @Test(arguments: ["/v1/sessions/S1/events", "/v1/users/u1/events", "/v1/events"])
    func `resumes out of the log without gap or repeat`(target: String) throws {
        let directory = TestDirectory()
        var seen: [ReceivedEvent] = []
        var last: String?
        try run(in: directory) { server throws in
            try server.report("SESSION_STARTED", "S1", at: 0, extra: #","userId":"u1""#)
            let stream = try EventStream(server, target).opened()
            try server.report("SESSION_X", "S1", at: 1)
            seen += try stream.next(1)
            last = stream.lastEventId
            for second in 2...20 { try server.report("SESSION_X", "S1", at: Int64(second)) }
            try server.report("SESSION_X", "S1", at: 20)
            let again = try EventStream(server, target, after: last)
            seen += try again.next(19)
            try server.report("SESSION_STOPPED", "S1", at: 21)
            seen += try again.next(1)
            last = again.lastEventId
            try server.report("SESSION_COMPLETE", "S1", at: 22)
        }
        try run(in: directory) { server throws in
            try server.report("SESSION_X", "S1", at: 23)
            let stream = try EventStream(server, target, after: last)
            seen += try stream.next(2)
        }
        #expect(seen.map(\.version) == Array(2...24))
        #expect(Set(seen.map(\.id)).count == seen.count)
    }

    @Test func `what time alone changes is told once, also to who resumes`() throws {
        try run { server throws in
            try startRequest(server, "W")
            try server.report("SESSION_STARTED", "F", at: 0)
            try server.report(
                "SESSION_FEE_INCURRING", "F", at: 1,
                extra: #","feeType":"BLOCKING","feeWillApplyFrom":"\#(testTime.adding(seconds: 60).rfc3339)""#)
            let stream = try EventStream(server, "/v1/events").opened()
            let before = try #require(stream.lastEventId)
            server.features.hub.tick()
            clock.advance(seconds: 61)
            server.features.hub.tick()
            let fee = try stream.next(1)[0]
            #expect(fee.type == "fee-applies")
            #expect(fee.data.member("fees")?.elements.map { $0.string("feeType") } == ["BLOCKING"])
            clock.advance(seconds: 60)
            server.features.hub.tick()
            let timeout = try stream.next(1)[0]
            #expect(timeout.type == "effective-status")
            #expect(timeout.session?.string("sessionStatus") == "WAITING_TO_START")
            #expect(timeout.session?.string("effectiveStatus") == "FAILED")
            #expect(timeout.session?.string("sessionId") == "W")
            clock.advance(seconds: 600)
            server.features.hub.tick()
            try server.report("SESSION_STOPPED", "F", at: 700)
            let stopped = try stream.next(1)[0]
            #expect(stopped.type == "status")

            // From each place, exactly what came behind it.
            let all = [fee, timeout, stopped]
            for (index, id) in [before, try #require(fee.id), try #require(timeout.id)].enumerated() {
                let again = try EventStream(server, "/v1/events", after: id)
                let events = try again.next(3 - index)
                #expect(events.map(\.type) == all[index...].map(\.type), "after \(id)")
                #expect(events.map(\.session) == all[index...].map(\.session))
                let session = try EventStream(server, "/v1/sessions/F/events", after: id)
                let ofSession = all[index...].filter { $0.session?.string("sessionId") == "F" }
                #expect(try session.next(ofSession.count).map(\.type) == ofSession.map(\.type))
            }
        }
    }

    /// A start that one of our own clients asked for, straight into the store.
    private func startRequest(_ server: RunningServer, _ id: String) throws {
        let done = Waiting<Bool>()
        server.append(.start, sessionId: id, userId: "u1", connectorId: "c1") { result in
            if case .success = result { done.give(true) } else { done.give(false) }
        }
        #expect(done.wait() == true)
    }

    @Test func `a start in time takes the timer away`() throws {
        try run { server throws in
            try startRequest(server, "W")
            let stream = try EventStream(server, "/v1/events").opened()
            clock.advance(seconds: 30)
            try server.report("SESSION_STARTED", "W", at: 30)
            clock.advance(seconds: 600)
            server.features.hub.tick()
            try server.report("SESSION_STOPPED", "W", at: 630)
            #expect(try stream.next(2).map(\.type) == ["status", "status"])
        }
    }

    @Test func `a silent stream has a heartbeat, and when all have gone nobody listens`() throws {
        try run { server throws in
            var stream: EventStream? = try EventStream(server, "/v1/events").opened()
            #expect(server.features.hub.listenerCount == 1)
            server.features.hub.tick()
            try stream?.nextComment()
            stream = nil
            // The server learns of it from the socket; the next question on the same loop comes behind.
            while server.features.hub.listenerCount > 0 { _ = try server.get("/healthz") }
            server.features.hub.tick()
            try server.report("SESSION_STARTED", "S1", at: 0)
        }
    }

    @Test func `who can't be served is told why`() throws {
        try run { server throws in
            #expect(try server.get("/v1/sessions/none/events").problem == "session-not-found")
            #expect(try server.get("/v1/events", token: nil).status == 401)
            #expect(try server.get("/v1/events", method: "POST").field("Allow") == "GET, HEAD")
            for id in ["x", "-1", "1@", "1@2.3", "1@2.3.4.5", "1@x"] {
                let answer = try server.get("/v1/events", fields: [("Last-Event-ID", id)])
                #expect(answer.problem == "malformed-event-id", "\(id)")
            }
            let ahead = try EventStream(server, "/v1/events", after: "99")
            #expect(try ahead.next()?.type == "reset")
            #expect(try server.get("/v1/events", method: "HEAD").status == 200)
        }
    }
}
