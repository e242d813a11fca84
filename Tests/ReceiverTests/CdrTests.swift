import Base
import HTTPClient
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

@Suite struct CdrTests {
    static let record =
        #"{"requestId":"r-1","sessionId":"S1","userId":"u1","start":"2025-06-12T10:00:00Z","end":"2025-06-12T11:00:00Z","energy":{"unit":"WH","value":1840},"price":{"currencyCode":"EUR","minorInclVat":125},"tariff":{"name":"x"}}"#

    private func post(
        _ server: RunningServer, _ body: String, secret: String? = Callback.secret
    ) throws -> ClientResponse {
        let bytes = Array(body.utf8)
        let request = try Callback.request(bytes, secret: secret)
        return try server.send(
            ClientRequest(method: "POST", target: "/webhooks/cdrs", fields: request.fields, body: bytes))
    }

    private func version(_ server: RunningServer, _ id: String = "S1") throws -> Int? {
        try server.get("/v1/sessions/\(id)").json?.member("version")?.integer
    }

    @Test func `a record is kept to the byte and joined to its session`() throws {
        try withApplication { server in
            _ = try server.post(Callback.body("SESSION_STARTED"))
            let spaced = Self.record.replacing(",\"userId\"", with: " ,\n\t\"userId\"")
            let found1 = try post(server, spaced).status
            #expect(found1 == 200)
            let answer = try server.get("/v1/sessions/S1/cdr")
            #expect(answer.status == 200)
            #expect(answer.text.contains(spaced))
            let session = try #require(try server.get("/v1/sessions/S1").json)
            #expect(session.string("sessionStatus") == "COMPLETE")
            #expect(session.member("price")?.member("minorInclVat")?.integer == 125)
            #expect(session.member("energy")?.member("value")?.integer == 1840)
        }
    }

    @Test func `a repeat is answered 200 and is no new fact also after a restart`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server in
            let found2 = try post(server, Self.record).json?.string("outcome")
            #expect(found2 == "accepted")
            let found3 = try post(server, Self.record).json?.string("outcome")
            #expect(found3 == "duplicate")
            // The same value, written in another way.
            let found4 = try post(server, Self.record + "\n").json?.string("outcome")
            #expect(found4 == "duplicate")
        }
        try withApplication(in: directory) { server in
            let answer = try post(server, Self.record)
            #expect(answer.status == 200)
            #expect(answer.json?.string("outcome") == "duplicate")
            let found5 = try version(server)
            #expect(found5 == 1)
            let records = try server.get("/v1/sessions/S1/cdr").json?.member("records")?.elements ?? []
            #expect(records.count == 1)
            #expect(records.first?.member("deliveries")?.integer == 4)
        }
    }

    @Test func `a record without any time is the same fact when it is repeated`() throws {
        try withApplication { server in
            let body = #"{"requestId":"r-2","sessionId":"S2"}"#
            let found6 = try post(server, body).json?.string("outcome")
            #expect(found6 == "accepted")
            let found7 = try post(server, body).json?.string("outcome")
            #expect(found7 == "duplicate")
            let found8 = try version(server, "S2")
            #expect(found8 == 1)
        }
    }

    @Test func `records without a time give the same in any order`() throws {
        let bodies = [1, 2, 3].map { #"{"requestId":"r-\#($0 % 2)","sessionId":"S2","price":{"minorInclVat":\#($0)}}"# }
        var states = Set<String>()
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let now = Locked(testTime)
            try withApplication(clock: { now.withLock { $0 } }) { server in
                for index in order + order {
                    now.withLock { $0 = $0.adding(seconds: 3) }
                    #expect(try post(server, bodies[index]).status == 200)
                }
                let price = try server.get("/v1/sessions/S2").json?.member("price")?.text ?? "none"
                let records = try server.get("/v1/sessions/S2/cdr").json?.member("records")?.elements ?? []
                states.insert(price + records.map { $0.string("record") ?? $0.member("record")?.text ?? "" }.joined())
                let found = try version(server, "S2")
                #expect(found == 3)
            }
        }
        #expect(states.count == 1)
    }

    @Test func `repeats of a record without a time at the same moment are repeats`() throws {
        try withApplication { server in
            for round in 0..<30 {
                let body = Array(#"{"requestId":"r","sessionId":"S\#(round)"}"#.utf8)
                let signature = try Callback.signature(body)
                let sockets = try (0..<4).map { _ in try server.raw() }
                for socket in sockets {
                    socket.send(
                        "POST /webhooks/cdrs HTTP/1.1\r\nHost: a\r\nX-HMAC-SHA512-Signature: \(signature)\r\n"
                            + "Content-Length: \(body.count)\r\n\r\n" + String(decoding: body, as: UTF8.self))
                }
                let outcomes = try sockets.map { try $0.receive(through: "}").contains(#""outcome":"accepted""#) }
                #expect(outcomes.count { $0 } == 1)
                let found = try version(server, "S\(round)")
                #expect(found == 1)
            }
        }
    }

    @Test func `a status in a record is a field like any other`() throws {
        try withApplication { server in
            for status in ["FAILED", "STARTED", "REFUNDED", "NEW"] {
                let body = Self.record.replacing("S1", with: status).dropLast() + #","sessionStatus":"\#(status)"}"#
                #expect(try post(server, String(body)).status == 200)
                let found = try server.get("/v1/sessions/\(status)").json?.string("sessionStatus")
                #expect(found == "COMPLETE")
            }
        }
    }

    @Test func `a session event is no record`() throws {
        try withApplication { server in
            for name in ["SESSION_STARTED", "SESSION_FAILED", "SESSION_FEE_INCURRING"] {
                let answer = try post(server, String(decoding: Callback.body(name), as: UTF8.self))
                #expect(answer.status == 400)
                #expect(answer.json?.string("code") == "NOT_A_RECORD")
            }
            #expect(try server.get("/v1/sessions/S1").status == 404)
        }
    }

    @Test func `an event of any name is kept and does not end its session`() throws {
        try withApplication { server in
            _ = try server.post(Callback.body("SESSION_STARTED", at: "2026-11-27T15:00:00Z"))
            let answer = try post(
                server, String(decoding: Callback.body("SESSION_PAUSED", at: "2026-11-27T15:05:00Z"), as: UTF8.self))
            #expect(answer.status == 400)
            #expect(answer.json?.string("code") == "NOT_A_RECORD")
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "STARTED")
            #expect(try server.get("/metrics").text.contains("chargefold_quarantine_entries{kind=\"verified\"} 1\n"))
        }
    }

    @Test func `times that are not read are said`() throws {
        try withApplication { server in
            let body =
                #"{"session_id":"S5","id":"C","start_date_time":"2025-03-01 10:00:00","end_date_time":1740823200}"#
            let answer = try post(server, body)
            #expect(answer.status == 200)
            #expect(answer.json?.member("unreadTimes")?.text == #"["start_date_time","end_date_time"]"#)
            let session = try #require(try server.get("/v1/sessions/S5").json)
            #expect(session.string("statusSince") == testTime.rfc3339)
            let shown = try server.get("/v1/sessions/S5/cdr")
            #expect(shown.text.contains(#""unreadTimes":["start_date_time","end_date_time"],"record":\#(body)"#))
            let lines = server.log.lines("charge detail record with times that are no OCPI date-times")
            #expect(lines.map { $0.string("isDatedByArrival") } == ["true"])
        }
    }

    @Test func `a byte order mark before a record is no part of it`() throws {
        try withApplication { server in
            #expect(try post(server, "\u{FEFF}" + Self.record).json?.string("outcome") == "accepted")
            #expect(try post(server, Self.record).json?.string("outcome") == "duplicate")
            let shown = try server.get("/v1/sessions/S1/cdr")
            #expect(shown.json != nil)
            #expect(shown.text.contains(#""record":\#(Self.record)"#))
        }
    }

    @Test func `request ids are compared by their bytes`() throws {
        try withApplication { server in
            for id in ["caf\u{e9}", "cafe\u{301}"] {
                #expect(try post(server, Self.record.replacing("r-1", with: id)).status == 200)
            }
            let records = try server.get("/v1/sessions/S1/cdr").json?.member("records")?.elements ?? []
            #expect(records.count == 2)
            #expect(records.allSatisfy { $0.member("variants") == nil })
        }
    }

    @Test func `an unknown session is created`() throws {
        try withApplication { server in
            let found9 = try server.get("/v1/sessions/S1").status
            #expect(found9 == 404)
            let found10 = try post(server, Self.record).status
            #expect(found10 == 200)
            let session = try server.get("/v1/sessions/S1").json
            #expect(session?.string("userId") == "u1")
            #expect(session?.string("startTime") == "2025-06-12T10:00:00Z")
        }
    }

    @Test func `every failure of authentication is 403`() throws {
        try withApplication { server in
            for secret in [nil, "a-wrong-secret-of-somebody"] {
                let answer = try post(server, Self.record, secret: secret)
                #expect(answer.status == 403)
                #expect(answer.problem == "wrong-credentials")
            }
            let found11 = try server.get("/v1/sessions/S1").status
            #expect(found11 == 404)
        }
    }

    @Test(arguments: [
        "", "[]", "{", #"{"requestId":"r"}"#, #"{"sessionId":""}"#, #"{"sessionId":7}"#, #"{"a":1,"a":2}"#,
    ])
    func `what is no record is 400`(_ body: String) throws {
        try withApplication { server in
            let answer = try post(server, body)
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.problem == "invalid-cdr")
        }
    }

    @Test func `a session without a record has none`() throws {
        try withApplication { server in
            _ = try server.post(Callback.body("SESSION_STARTED"))
            let found12 = try server.get("/v1/sessions/S1/cdr").problem
            #expect(found12 == "cdr-not-found")
            let found13 = try server.get("/v1/sessions/S9/cdr").problem
            #expect(found13 == "session-not-found")
            let found14 = try server.get("/v1/sessions/S1/cdr", token: nil).status
            #expect(found14 == 401)
        }
    }

    @Test func `a store that fails is a 500, and not a 503`() throws {
        for behaviour in [FakeStore.Behaviour.fails(FakeStore.diskFull), .isFull] {
            try withReceiver(FakeStore(behaviour)) { server, _ in
                let answer = try post(server, Self.record)
                #expect(answer.status == 500)
                #expect(answer.problem == "cdr-not-recorded")
            }
        }
    }

    @Test func `the deadline answers 500 and a late outcome is not answered again`() throws {
        let store = FakeStore(.holds)
        try withReceiver(store, surroundings: { $0.recordDeadlineSeconds = 0.01 }) { server, _ in
            let answer = try post(server, Self.record)
            #expect(answer.status == 500)
            #expect(answer.json?.string("code") == "DEADLINE")
            store.behave(.works)
            store.release()
            // The connection is still in step.
            let found15 = try post(server, Self.record).json?.string("outcome")
            #expect(found15 == "duplicate")
        }
    }

    @Test func `contents of one request id give the same in any order`() throws {
        let other = Self.record.replacing("1840", with: "1900")
        let states = try [[Self.record, other], [other, Self.record, other]].map { order in
            try withApplication { server in
                for body in order { #expect(try post(server, body).status == 200) }
                let records = try server.get("/v1/sessions/S1/cdr").json?.member("records")?.elements ?? []
                #expect(records.count == 1)
                #expect(records.first?.member("variants")?.integer == 2)
                return [
                    records.first?.member("record")?.text,
                    try server.get("/v1/sessions/S1").json?.member("energy")?.text,
                ]
            }
        }
        #expect(states[0] == states[1])
    }

    @Test(arguments: [
        #"{"requestId":"r","cdr":{"session_id":"S","start_date_time":"2025-01-01T00:00:00Z","total_energy":1.5}}"#,
        #"{"event":"CDR","requestId":"r","payload":{"session":{"id":"S"},"startedAt":"2025-01-01T00:00:00Z","energyKwh":1.50}}"#,
    ])
    func `nested spellings are read`(_ body: String) throws {
        let record = try ChargeDetailRecord(decoding: Array(body.utf8))
        #expect(record.sessionId == "S")
        #expect(record.requestId == "r")
        #expect(record.startTime?.rfc3339 == "2025-01-01T00:00:00Z")
        #expect(record.energy?.text == #"{"unit":"KWH","value":1.5}"#)
        #expect(record.verbatim == body)
    }

    @Test func `an invalid record can be retried from the quarantine`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server in
            let found16 = try post(server, Self.record, secret: "a-wrong-secret-of-somebody").status
            #expect(found16 == 403)
        }
        try withApplication(
            in: directory, { $0.webhook.secretCurrent = try Callback.key("a-wrong-secret-of-somebody") }
        ) { server in
            let found17 = try TestControl(directory).retry().first?.contains("accepted")
            #expect(found17 == true)
            #expect(try server.get("/v1/sessions/S1/cdr").text.contains(Self.record))
        }
    }
}
