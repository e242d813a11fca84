import Base
import HTTPClient
import SessionModel
import Testing

@testable import Receiver

/// What a minted token has opened ends with it. The clock is the test's.
@Suite struct TokenExpiryTests {
    private static let admin = "token-of-an-operator"
    private let clock = TestClock()

    private func run(_ body: (RunningServer, _ token: String) throws -> Void) throws {
        let clock = clock
        try withApplication(
            clock: { clock.now }, live: .manual, { $0.api.adminToken = try Callback.key(Self.admin) }
        ) { server throws in
            try server.report("SESSION_STARTED", "S1", at: 0, extra: #","userId":"u1""#)
            let minted = try server.post("/v1/tokens", #"{"userId":"u1","ttlSeconds":60}"#, token: Self.admin)
            try body(server, try #require(minted.json?.string("token")))
        }
    }

    /// A long poll that has been taken up: the server answers each look at its health at once.
    private func poll(_ server: RunningServer, _ token: String) throws -> RawSocket {
        let socket = try server.raw()
        socket.send(
            "GET /v1/sessions/S1?wait=60s&version=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                + "Authorization: Bearer \(token)\r\n\r\n")
        while server.features.hub.listenerCount == 0 { _ = try server.get("/healthz") }
        return socket
    }

    @Test(arguments: ["/v1/sessions/S1/events", "/v1/users/u1/events"])
    func `a stream ends with its token, and can't be resumed with it`(target: String) throws {
        try run { server, token in
            let stream = try EventStream(server, target, token: token).opened()
            let ours = try EventStream(server, target).opened()
            try server.report("SESSION_X", "S1", at: 1)
            #expect(try stream.next(1).map(\.type) == ["fact"])
            clock.advance(seconds: 59)
            server.features.hub.tick()
            try server.report("SESSION_X", "S1", at: 2)
            #expect(try stream.next(1).map(\.type) == ["fact"])
            clock.advance(seconds: 1)
            server.features.hub.tick()
            #expect(try stream.next() == nil)
            #expect(stream.lastComment == ": the token has expired")
            let again = try server.get(
                target, token: token, fields: [("Last-Event-ID", try #require(stream.lastEventId))])
            #expect(again.problem == "expired-token")
            // A token of the configuration goes on.
            try server.report("SESSION_STOPPED", "S1", at: 3)
            #expect(try ours.next(3).map(\.type) == ["fact", "fact", "status"])
            #expect(server.features.hub.listenerCount == 1)
        }
    }

    @Test func `what happens after the end is not told, even before anybody looks at the clock`() throws {
        try run { server, token in
            let stream = try EventStream(server, "/v1/sessions/S1/events", token: token).opened()
            clock.advance(seconds: 60)
            try server.report("SESSION_STOPPED", "S1", at: 3)
            #expect(try stream.next() == nil)
        }
    }

    @Test func `a long poll ends with its token`() throws {
        try run { server, token in
            let socket = try poll(server, token)
            clock.advance(seconds: 30)
            server.features.hub.tick()
            #expect(socket.isSilent)
            clock.advance(seconds: 30)
            server.features.hub.tick()
            let answer = try #require(RawAnswer(try socket.receiveAll()))
            #expect(answer.status == 401)
            #expect(answer.body.contains("expired-token"))
        }
    }

    @Test func `a long poll ends with a token of the configuration that is taken out of it, and no other does`() throws
    {
        try run { server, token in
            let gone = try poll(server, RunningServer.token)
            let other = try server.raw()
            other.send(
                "GET /v1/sessions/S1?wait=60s&version=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    + "Authorization: Bearer \(token)\r\n\r\n")
            while server.features.hub.listenerCount < 2 { _ = try server.get("/healthz") }
            server.features.hub.endAll(of: [.token("default")])
            let answer = try #require(RawAnswer(try gone.receiveAll()))
            #expect(answer.status == 401)
            #expect(other.isSilent)
        }
    }

    @Test func `a change after the end does not answer a long poll`() throws {
        try run { server, token in
            let socket = try poll(server, token)
            clock.advance(seconds: 60)
            try server.report("SESSION_STOPPED", "S1", at: 3)
            let answer = try #require(RawAnswer(try socket.receiveAll()))
            #expect(answer.status == 401)
        }
    }

    @Test func `streams that closed early do not pile up`() {
        final class Subscriber: Sendable {}
        var expiries = LiveExpiries<Subscriber>()
        let open = Subscriber()
        expiries.add(open, endsAt: testTime.adding(seconds: 60), openCount: 1)
        for _ in 0..<10_000 { expiries.add(Subscriber(), endsAt: testTime.adding(seconds: 30), openCount: 2) }
        #expect(expiries.count < 2_000)
        #expect(expiries.takeExpired(testTime.adding(seconds: 59)) == nil)
        #expect(expiries.takeExpired(testTime.adding(seconds: 60)) === open)
        #expect(expiries.count == 0)
    }
}
