import Base
import HTTPClient
import Receiver
import SessionModel
import Testing

/// The history of a user over a real socket, in the words of the Drive API.
@Suite struct UserHistoryTests {
    private static let path = "/v1/users/u1/sessions/history"

    private func ids(_ answer: ClientResponse) -> [String?] {
        #expect(answer.status == 200, "\(answer.text)")
        let sessions = answer.json?.member("sessions")?.elements ?? []
        #expect(answer.json?.member("count")?.text == String(sessions.count))
        return sessions.map { $0.string("sessionId") }
    }

    /// Sessions s0, s1, … of a user, complete, an hour apart.
    private func complete(_ server: RunningServer, _ count: Int, user: String = "u1", prefix: String = "s") throws {
        for index in 0..<count {
            let start = Int64(index) * 3600
            try server.report("SESSION_STARTED", "\(prefix)\(index)", at: start, extra: #","userId":"\#(user)""#)
            try server.report("SESSION_COMPLETE", "\(prefix)\(index)", at: start + 600)
        }
    }

    @Test func `complete sessions by default, the latest first`() throws {
        try withApplication { server throws in
            try complete(server, 3)
            try complete(server, 1, user: "u2", prefix: "other")
            try server.report("SESSION_STARTED", "running", at: 20_000, extra: #","userId":"u1""#)
            let answer = try server.post(Self.path, "")
            #expect(ids(answer) == ["s2", "s1", "s0"])
            #expect(answer.json?.member("cursor") == nil)
            #expect(answer.field("Cache-Control") == "no-store")
            let first = answer.json?.member("sessions")?.elements.first
            #expect(first?.string("sessionStatus") == "COMPLETE")
            #expect(first?.string("startTime") == testTime.adding(seconds: 7200).rfc3339)
            #expect(first?.member("actions")?.member("stop")?.string("reason") == "ALREADY_STOPPED")
            #expect(try ids(server.post(Self.path, "{}")) == ["s2", "s1", "s0"])
            #expect(
                try ids(server.post(Self.path, #"{"sessionStatus":["STARTED","COMPLETE"],"chargingKeyId":null}"#))
                    == ["running", "s2", "s1", "s0"])
            #expect(try ids(server.get("/v1/users/u1/sessions?status=STARTED")) == ["running"])
            #expect(try ids(server.get("/v1/users/u1/sessions?status=*&limit=2")) == ["running", "s2"])
            #expect(try ids(server.get("/v1/users/nobody/sessions")) == [])
        }
    }

    @Test func `bounds are inclusive, on the start of the session`() throws {
        try withApplication { server throws in
            try complete(server, 4)
            // First heard of two days after its start: bounds go by the start all the same.
            try server.report("SESSION_COMPLETE", "late", at: 200_000, extra: #","userId":"u1""#)
            try server.report("SESSION_STARTED", "late", at: 3600)
            func range(_ from: Int64?, _ to: Int64?) throws -> [String?] {
                let start = from.map { #","startTime":"\#(testTime.adding(seconds: $0).rfc3339)""# } ?? ""
                let end = to.map { #","endTime":"\#(testTime.adding(seconds: $0).rfc3339)""# } ?? ""
                return try ids(server.post(Self.path, #"{"limit":50\#(start)\#(end)}"#))
            }
            #expect(try range(nil, nil) == ["late", "s3", "s2", "s1", "s0"])
            #expect(try range(3600, 7200) == ["late", "s2", "s1"])
            #expect(try range(3601, 7199) == [])
            #expect(try range(7200, nil) == ["s3", "s2"])
            #expect(try range(nil, 3600) == ["late", "s1", "s0"])
            let query = "from=\(testTime.adding(seconds: 10_800).rfc3339)"
            #expect(try ids(server.get("/v1/users/u1/sessions?\(query)")) == ["s3"])
        }
    }

    @Test func `pages join to the whole, whatever arrives meanwhile`() throws {
        try withApplication { server throws in
            try complete(server, 23)
            var found: [String?] = []
            var cursor: String?
            var pages = 0
            repeat {
                let text = cursor.map { #","cursor":"\#($0)""# } ?? ""
                let answer = try server.post(Self.path, #"{"limit":5\#(text)}"#)
                found += ids(answer)
                cursor = answer.json?.string("cursor")
                pages += 1
                // New sessions, late facts of old ones, repeats.
                try complete(server, 1, prefix: "new\(pages)-")
                try server.report("SESSION_STARTED", "s\(pages)", at: -Int64(pages) * 1000)
                try server.report("SESSION_STOPPED", "s22", at: Int64(pages))
            } while cursor != nil && pages < 20
            #expect(found.compactMap { $0 }.filter { $0.hasPrefix("s") } == (0..<23).reversed().map { "s\($0)" })
            #expect(Set(found).count == found.count)
        }
    }

    @Test func `a cursor is bound to its user and filters, and can't be altered`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            try complete(server, 3)
            let cursor = try #require(try server.post(Self.path, #"{"limit":1}"#).json?.string("cursor"))
            func status(_ target: String, _ body: String) throws -> (Int, String?) {
                let answer = try server.post(target, body)
                return (answer.status, answer.problem)
            }
            #expect(try ids(server.post(Self.path, #"{"limit":2,"cursor":"\#(cursor)"}"#)) == ["s1", "s0"])
            #expect(try ids(server.get("/v1/users/u1/sessions?cursor=\(cursor)")) == ["s1", "s0"])
            for (target, body) in [
                ("/v1/users/u2/sessions/history", #"{"cursor":"\#(cursor)"}"#),
                (Self.path, #"{"sessionStatus":["STOPPED"],"cursor":"\#(cursor)"}"#),
                (Self.path, #"{"startTime":"2020-01-01T00:00:00Z","cursor":"\#(cursor)"}"#),
                (Self.path, #"{"cursor":"\#(cursor)A"}"#), (Self.path, #"{"cursor":"\#(cursor.dropLast())"}"#),
                (Self.path, #"{"cursor":"\#(cursor)="}"#), (Self.path, #"{"cursor":""}"#),
                (Self.path, #"{"cursor":"AAAA"}"#),
            ] {
                #expect(try status(target, body) == (400, "invalid-cursor"), "\(body)")
            }
            for index in cursor.indices {
                var altered = cursor
                altered.replaceSubrange(index...index, with: cursor[index] == "x" ? "y" : "x")
                #expect(try status(Self.path, #"{"cursor":"\#(altered)"}"#) == (400, "invalid-cursor"))
            }
        }
        // The key outlives the process.
        try withApplication(in: directory) { server throws in
            #expect(TestDirectory.read(directory.file("data/seal.key")).count == 32)
            let cursor = try #require(try server.post(Self.path, #"{"limit":1}"#).json?.string("cursor"))
            #expect(try ids(server.post(Self.path, #"{"limit":2,"cursor":"\#(cursor)"}"#)) == ["s1", "s0"])
        }
    }

    @Test(arguments: [
        "[]", "nonsense", #"{"limit":0}"#, #"{"limit":501}"#, #"{"limit":"5"}"#, #"{"limit":1.5}"#,
        #"{"sessionStatus":[]}"#, #"{"sessionStatus":"COMPLETE"}"#, #"{"sessionStatus":[1]}"#,
        #"{"sessionStatus":["COMPLETE","complete"]}"#,
        #"{"startTime":"yesterday"}"#, #"{"endTime":5}"#, #"{"chargingKeyId":5}"#,
    ]) func `what is not a history request: 400 and why`(body: String) throws {
        try withApplication { server throws in
            let answer = try server.post(Self.path, body)
            #expect(answer.status == 400)
            #expect(answer.problem == "malformed-history-request")
            #expect(answer.json?.string("detail")?.isEmpty == false)
        }
    }

    @Test func `a charging key's sessions`() throws {
        try withApplication { server throws in
            try server.report("SESSION_COMPLETE", "a", at: 0, extra: #","userId":"u1","chargingKeyId":"k1""#)
            try server.report("SESSION_COMPLETE", "b", at: 1, extra: #","userId":"u1","chargingKeyId":"k2""#)
            #expect(try ids(server.post(Self.path, #"{"chargingKeyId":"k1"}"#)) == ["a"])
            #expect(try ids(server.get("/v1/users/u1/sessions?chargingKeyId=k2")) == ["b"])
            // By bytes, as every id.
            try server.report("SESSION_COMPLETE", "c", at: 2, extra: #","userId":"u1","chargingKeyId":"caf\u00e9""#)
            try server.report("SESSION_COMPLETE", "d", at: 3, extra: #","userId":"u1","chargingKeyId":"cafe\u0301""#)
            #expect(try ids(server.post(Self.path, #"{"chargingKeyId":"caf\u00e9"}"#)) == ["c"])
            #expect(try ids(server.post(Self.path, #"{"chargingKeyId":"cafe\u0301"}"#)) == ["d"])
        }
    }

    @Test func `one session of a user; another's is as good as none`() throws {
        try withApplication { server throws in
            try server.report("SESSION_STARTED", "a", at: 0, extra: #","userId":"u1""#)
            let mine = try server.get("/v1/users/u1/sessions/a")
            #expect(mine.status == 200)
            let same = try server.get("/v1/sessions/a")
            #expect(mine.body == same.body)
            let others = try server.get("/v1/users/u2/sessions/a")
            let none = try server.get("/v1/users/u2/sessions/b")
            #expect(others.status == 404 && others.body == none.body)
            #expect(try server.get("/v1/users/u1/sessions/history").field("Allow") == "POST")
            #expect(try server.get(Self.path, method: "POST", token: nil).status == 401)
        }
    }

    @Test func `what is going on now`() throws {
        let clock = TestClock()
        try withApplication(clock: { clock.now }) { server throws in
            try complete(server, 2)
            try server.report("SESSION_STARTED", "a", at: 0, extra: #","userId":"u1""#)
            try server.report("SESSION_STOP_FAILED", "b", at: 1, extra: #","userId":"u1""#)
            try server.report("SESSION_START_FAILED", "c", at: 2, extra: #","userId":"u1""#)
            let done = Waiting<Bool>()
            server.append(.start, sessionId: "w", userId: "u1", connectorId: nil) { _ in done.give(true) }
            #expect(done.wait() == true)
            #expect(try Set(ids(server.get("/v1/users/u1/sessions/active"))) == ["a", "b", "w"])
            clock.advance(seconds: 121)
            #expect(try ids(server.get("/v1/users/u1/sessions/active")) == ["b", "a"])
            #expect(try server.post("/v1/sessions/b/abandon", "").status == 200)
            #expect(try ids(server.get("/v1/users/u1/sessions/active")) == ["a"])
        }
    }
}
