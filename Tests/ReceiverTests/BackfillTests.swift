import Base
import HTTPClient
import HTTPServer
import Receiver
import SessionModel
import Testing

@Suite struct BackfillTests {
    private static let pages = [
        #"{"sessions":[{"sessionId":"A","sessionStatus":"COMPLETE","price":{}},{"sessionStatus":"COMPLETE"}],"cursor":"2"}"#,
        #"{"sessions":[{"sessionId":"B","sessionStatus":"REFUNDED"}]}"#,
    ]

    @Test func `every session of the history becomes a fact once`() throws {
        let upstream = Upstream { call, _ in Upstream.json(Self.pages[call.body.contains("cursor") ? 1 : 0]) }
        let directory = TestDirectory()
        try withGateway(upstream, in: directory, clock: SystemClock.now) { server in
            let control = TestControl(directory)
            func page(_ more: String = "") throws -> CanonicalJSON? {
                try control.send(
                    "POST", "/v1/backfill", body: #"{"userId":"u1","from":"2025-01-01T00:00:00Z"\#(more)}"#
                ).json
            }
            let first = try page()
            #expect(first?.text == #"{"cursor":"2","news":1,"sessions":2,"unusable":1}"#)
            let found1 = try page(#","cursor":"2""#)?.text
            #expect(found1 == #"{"news":1,"sessions":1,"unusable":0}"#)
            let found2 = try server.get("/v1/sessions/A").json?.string("userId")
            #expect(found2 == "u1")
            let found3 = try server.get("/v1/sessions/B").json?.string("sessionStatus")
            #expect(found3 == "REFUNDED")
            // Again: nothing new.
            let found4 = try page()?.member("news")?.integer
            #expect(found4 == 0)
            let found5 = try server.get("/v1/sessions/A").json?.member("version")?.integer
            #expect(found5 == 1)
            #expect(upstream.calls.first?.body.contains("WAITING_TO_START") == true)
        }
    }

    @Test(arguments: ["", "{}", #"{"userId":""}"#, #"{"userId":"u","from":"yesterday"}"#])
    func `a malformed request is refused`(_ body: String) throws {
        let directory = TestDirectory()
        try withGateway(Upstream { _, _ in nil }, in: directory) { _ in
            let answer = try TestControl(directory).send("POST", "/v1/backfill", body: body)
            #expect(answer.problem == "malformed-backfill")
        }
    }

    @Test func `only operators may`() throws {
        try withGateway(Upstream { _, _ in nil }) { server in
            let answer = try server.send(
                .init(
                    method: "POST", target: "/v1/backfill",
                    fields: [("Authorization", "Bearer \(RunningServer.token)")], body: Array("{}".utf8)))
            #expect(answer.status == 403)
        }
    }
}
