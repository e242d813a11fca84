import Base
import SessionModel
import Testing

@Suite struct SessionEventTests {
    static let started =
        #"{"event":"SESSION_STARTED","payload":{"userId":"user1","sessionId":"L60XMxWy0oP","timestamp":"2025-06-12T10:56:51Z"}}"#
    static let fee =
        #"{"event":"SESSION_FEE_INCURRING","payload":{"sessionId":"L60XMxWy0oP","timestamp":"2025-10-15T08:52:48Z","feeWillApplyFrom":"2025-10-15T09:02:48Z","feeType":"BLOCKING"}}"#

    @Test func `the documented samples are decoded`() throws {
        let started = try event(Self.started)
        #expect(started.name == .sessionStarted)
        #expect(started.status == .started)
        #expect(started.source == .webhook)
        #expect(started.sessionId == "L60XMxWy0oP")
        #expect(started.userId == "user1")
        #expect(started.timestamp.rfc3339 == "2025-06-12T10:56:51Z")
        #expect(started.payload.text == #"{"userId":"user1"}"#)

        let fee = try event(Self.fee)
        #expect(fee.name == .sessionFeeIncurring)
        #expect(fee.status == nil)
        #expect(fee.userId == nil)
        #expect(fee.payload.text == #"{"feeType":"BLOCKING","feeWillApplyFrom":"2025-10-15T09:02:48Z"}"#)
    }

    @Test(
        arguments: [
            ("SESSION_STARTED", "SESSION_STARTED", SessionStatus.started),
            ("SESSION_STOPPED", "SESSION_STOPPED", .stopped),
            ("SESSION_COMPLETE", "SESSION_COMPLETE", .complete), ("SESSION_COMPLETED", "SESSION_COMPLETE", .complete),
            ("SESSION_START_FAILED", "SESSION_START_FAILED", .failed),
            ("SESSION_FAILED", "SESSION_START_FAILED", .failed),
            ("SESSION_STOP_FAILED", "SESSION_STOP_FAILED", .stopFailed),
            ("SESSION_FEE_INCURRING", "SESSION_FEE_INCURRING", nil), ("SESSION_EXPLODED", "SESSION_EXPLODED", nil),
            ("session_started", "session_started", nil), ("SESSION_START_REQUESTED", "SESSION_START_REQUESTED", nil),
            ("SESSION_STARTED ", "SESSION_STARTED ", nil), ("é\\n", "é\n", nil),
        ] as [(String, String, SessionStatus?)])
    func `names are read`(wire: String, name: String, status: SessionStatus?) throws {
        let event = try callback(wire, "2025-06-12T10:56:51Z")
        #expect(event.name.text == name)
        #expect(event.name == EventName(name))
        #expect(event.status == status)
    }

    @Test(arguments: [
        ("", "INVALID_JSON"), ("{", "INVALID_JSON"), ("{\"event\":\"A\",}", "INVALID_JSON"), ("[]", "NOT_AN_OBJECT"),
        ("null", "NOT_AN_OBJECT"), ("\"x\"", "NOT_AN_OBJECT"), ("{}", "MISSING_EVENT"),
        ("{\"payload\":{}}", "MISSING_EVENT"),
        ("{\"event\":1}", "INVALID_EVENT"), ("{\"event\":\"\"}", "INVALID_EVENT"),
        ("{\"event\":null}", "INVALID_EVENT"),
        ("{\"event\":[\"A\"]}", "INVALID_EVENT"), ("{\"event\":\"A\"}", "MISSING_PAYLOAD"),
        ("{\"event\":\"A\",\"payload\":[]}", "INVALID_PAYLOAD"),
        ("{\"event\":\"A\",\"payload\":\"{}\"}", "INVALID_PAYLOAD"),
        ("{\"event\":\"A\",\"payload\":null}", "INVALID_PAYLOAD"),
        ("{\"event\":\"A\",\"payload\":{}}", "MISSING_SESSION_ID"),
        ("{\"event\":\"A\",\"payload\":{\"SessionId\":\"x\"}}", "MISSING_SESSION_ID"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"\"}}", "INVALID_SESSION_ID"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":5}}", "INVALID_SESSION_ID"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"a\\nb\"}}", "INVALID_SESSION_ID"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"a\\u007f\"}}", "INVALID_SESSION_ID"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"a\\u0085\"}}", "INVALID_SESSION_ID"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"x\"}}", "MISSING_TIMESTAMP"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"x\",\"timestamp\":1749725811}}", "INVALID_TIMESTAMP"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"x\",\"timestamp\":null}}", "INVALID_TIMESTAMP"),
        ("{\"event\":\"A\",\"payload\":{\"sessionId\":\"x\",\"timestamp\":\"yesterday\"}}", "INVALID_TIMESTAMP"),
        (
            "{\"event\":\"A\",\"payload\":{\"sessionId\":\"x\",\"timestamp\":\"2025-02-30T00:00:00Z\"}}",
            "INVALID_TIMESTAMP"
        ),
        ("{\"event\":\"A\",\"event\":\"A\",\"payload\":{}}", "DUPLICATE_KEY"),
        ("{\"event\":\"A\",\"payload\":{\"x\":{\"a\":1,\"a\":1}}}", "DUPLICATE_KEY"),
        ("{\"event\":\"\\ud800\"}", "LONE_SURROGATE"), ("{\"event\":1e9999999999}", "NUMBER_OUT_OF_RANGE"),
    ])
    func `what is refused has a code`(body: String, code: String) {
        let error = #expect(throws: EventError.self) { try event(body) }
        #expect(error?.code.rawValue == code)
    }

    @Test func `errors have a code and quote nothing`() throws {
        #expect(Set(EventError.Code.allCases.map(\.rawValue)).count == EventError.Code.allCases.count)
        let error = #expect(throws: EventError.self) { try event(#"{"event":"secretword""#) }
        #expect(error?.detail == "The body is not valid JSON (RFC 8259) (at byte 21).")
        for code in EventError.Code.allCases { #expect(!EventError(code).detail.isEmpty) }
        #expect(throws: EventError(.invalidUTF8, byteOffset: 2)) { try SessionEvent.decode([0x7B, 0x22, 0xFF]) }
    }

    @Test func `bounds are kept`() throws {
        func body(sessionId: String) -> String {
            #"{"event":"A","payload":{"sessionId":"\#(sessionId)","timestamp":"2025-06-12T10:56:51Z"}}"#
        }
        #expect(try event(body(sessionId: String(repeating: "x", count: 256))).sessionId.utf8.count == 256)
        #expect(try event(body(sessionId: String(repeating: "é", count: 128))).sessionId.utf8.count == 256)
        #expect(throws: EventError(.invalidSessionId)) {
            try event(body(sessionId: String(repeating: "x", count: 257)))
        }
        #expect(throws: EventError(.invalidSessionId)) {
            try event(body(sessionId: String(repeating: "é", count: 129)))
        }

        var limits = EventLimits()
        limits.bodyBytesMax = 10
        #expect(throws: EventError(.bodyTooLarge)) { try SessionEvent.decode(Array(Self.started.utf8), limits: limits) }
        let deep = String(repeating: "[", count: 62) + String(repeating: "]", count: 62)
        func nested(_ value: String) -> String {
            #"{"event":"A","payload":{"sessionId":"x","timestamp":"2025-06-12T10:56:51Z","v":\#(value)}}"#
        }
        #expect(throws: Never.self) { try event(nested(deep)) }
        #expect(#expect(throws: EventError.self) { try event(nested("[\(deep)]")) }?.code == .tooDeep)
    }

    @Test func `it is lenient where it can be`() throws {
        let event = try event(
            #"""
             { "id": [1,2], "payload" : {"timestamp":"2025-06-12T12:56:51.000+02:00","userId":17,"sessionId":"a b/é",
               "new": {"z":1.50,"a":null}}, "event" : "SESSION_STARTED", "version": 3 }
            """#)
        #expect(event.sessionId == "a b/é")
        #expect(event.userId == nil)
        #expect(event.timestamp.rfc3339 == "2025-06-12T10:56:51Z")
        #expect(event.payload.text == #"{"new":{"a":null,"z":1.5},"userId":17}"#)
        #expect(try callback("A", "2025-06-12T10:56:51Z", extras: #","userId":"""#).userId == nil)
    }

    @Test func `other sources use the same envelope`() throws {
        let now = try instant("2025-06-12T10:56:51Z")
        let start = try SessionEvent.decode(
            SessionEvent.clientBody(.start, sessionId: "S1", userId: "u", connectorId: "c/1\"", at: now),
            source: .client)
        #expect(start.status == .waitingToStart)
        #expect(start.payload.string("connectorId") == "c/1\"")
        #expect(start.timestamp == now)
        let stop = SessionEvent.clientBody(.stop, sessionId: "S1", userId: nil, at: now)
        #expect(try SessionEvent.decode(stop, source: .client).status == .waitingToStop)
        let abandon = SessionEvent.clientBody(.abandon, sessionId: "S1", userId: nil, at: now)
        #expect(try SessionEvent.decode(abandon, source: .client).status == nil)
        // Only from the source that it belongs to does a name mean something.
        #expect(try SessionEvent.decode(stop).status == nil)
        #expect(try event(Self.started, source: .client).status == nil)

        let api = #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:56:51Z"X}}"#
        func status(_ extras: String) throws -> SessionStatus? {
            try event(api.replacing("X", with: extras), source: .driveApi).status
        }
        #expect(try status(#","sessionStatus":"REFUNDED""#) == .refunded)
        #expect(try status(#","sessionStatus":"MELTED""#) == .other("MELTED"))
        #expect(throws: EventError(.missingSessionStatus)) { try status("") }
    }

    @Test func `equal events are the same fact`() throws {
        let first = try callback("SESSION_FAILED", "2025-06-12T10:56:51Z", extras: #","n":1"#)
        let same = try callback("SESSION_START_FAILED", "2025-06-12T12:56:51+02:00", extras: #","n":1.0"#)
        #expect(first == same)
        #expect(Set([first, same]).count == 1)
        #expect(try first != callback("SESSION_STARTED", "2025-06-12T10:56:51Z", extras: #","n":1"#))
        #expect(try callback("\u{e9}", "2025-06-12T10:56:51Z") != callback("e\u{301}", "2025-06-12T10:56:51Z"))
    }

    @Test func `session keys are compared by their bytes`() {
        #expect("\u{e9}" == "e\u{301}")
        #expect(SessionKey("\u{e9}") != SessionKey("e\u{301}"))
        #expect(SessionKey("a") == SessionKey("a"))
        #expect(Set([SessionKey("\u{e9}"), SessionKey("e\u{301}"), SessionKey("a"), SessionKey("a")]).count == 3)
    }

    @Test func `altered bodies never trap`() {
        var random = SeededRandom(seed: 31)
        let samples = [Self.started, Self.fee].map { Array($0.utf8) }
        var accepted = 0
        for _ in 0..<20_000 {
            var body = random.pick(samples)
            for _ in 0...random.below(3) { body[random.below(body.count)] = UInt8(random.below(256)) }
            if random.chance(0.2) { body.removeLast(random.below(body.count)) }
            if (try? SessionEvent.decode(body)) != nil { accepted += 1 }
        }
        #expect(accepted > 0)
    }
}
