import Base
import HTTPClient
import Receiver
import SessionModel
import Testing

/// What is told of a session before the Drive API has been asked.
@Suite struct SessionDetailTests {
    @Test func `a session that runs shows how long it has, and its tag does not change with it`() throws {
        let seconds = Locked<Int64>(0)
        try withApplication(clock: { testTime.adding(seconds: seconds.withLock { $0 }) }) { server throws in
            try server.report("SESSION_STARTED", "S1", at: 0)
            seconds.withLock { $0 = 21 }
            let first = try server.get("/v1/sessions/S1")
            #expect(first.json?.string("duration") == "PT21S")
            seconds.withLock { $0 = 900 }
            let second = try server.get("/v1/sessions/S1")
            #expect(second.json?.string("duration") == "PT15M")
            #expect(first.field("ETag") == second.field("ETag"))
            try server.report("SESSION_STOPPED", "S1", at: 930)
            seconds.withLock { $0 = 5_000 }
            #expect(try server.get("/v1/sessions/S1").json?.string("duration") == "PT15M30S")
        }
    }

    @Test func `a history by key finds the session whose record names it`() throws {
        try withApplication { server throws in
            let record =
                #"{"requestId":"r-1","sessionId":"S1","userId":"u1","chargingKeyId":"key-7","endTime":"2025-06-12T11:00:00Z","energy":{"unit":"WH","value":1}}"#
            let bytes = Array(record.utf8)
            let signed = try Callback.request(bytes)
            let answer = try server.send(
                ClientRequest(method: "POST", target: "/webhooks/cdrs", fields: signed.fields, body: bytes))
            #expect(answer.status == 200)
            let found = try server.get("/v1/users/u1/sessions?chargingKeyId=key-7").json
            #expect(found?.member("count")?.integer == 1)
            #expect(found?.member("sessions")?.elements.first?.string("chargingKeyId") == "key-7")
            #expect(try server.get("/v1/users/u1/sessions?chargingKeyId=key-8").json?.member("count")?.integer == 0)
        }
    }
}
