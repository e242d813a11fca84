import Base
import SessionModel
import Testing

/// Every rule of domain.md, "The fold", in every order of arrival and with everything arriving twice.
@Suite struct FoldRulesTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        /// Event, timestamp and further members of the payload; or status, timestamp and members of an API answer.
        let events: [(String, String, String)]
        let status: String
        let since: String?
        let reason: DecisionReason
        var apiStatuses: [(String, String)] = []
        var testDescription: String { name }
    }

    private static let t0 = "2025-06-12T10:00:00Z"
    private static let t1 = "2025-06-12T10:00:01Z"
    private static let t2 = "2025-06-12T10:00:02Z"

    static let cases: [Case] = [
        Case(
            name: "only fact", events: [("SESSION_STARTED", t0, "")], status: "STARTED", since: t0,
            reason: .onlyStatusFact),
        Case(
            name: "1: latest timestamp decides, whatever its rank",
            events: [("SESSION_STOPPED", t0, ""), ("SESSION_STARTED", t1, "")], status: "STARTED", since: t1,
            reason: .latestTimestamp),
        Case(
            name: "1: failed start that comes to life",
            events: [("SESSION_START_FAILED", t0, ""), ("SESSION_STARTED", t1, "")], status: "STARTED", since: t1,
            reason: .latestTimestamp),
        Case(
            name: "1: instants, not texts",
            events: [
                ("SESSION_STARTED", "2025-06-12T12:30:00+02:00", ""), ("SESSION_STOPPED", "2025-06-12T11:00:00Z", ""),
            ], status: "STOPPED", since: "2025-06-12T11:00:00Z", reason: .latestTimestamp),
        Case(
            name: "1: to the microsecond",
            events: [
                ("SESSION_STARTED", "2025-06-12T10:00:00.000002Z", ""),
                ("SESSION_STOPPED", "2025-06-12T10:00:00.000001Z", ""),
            ], status: "STARTED", since: "2025-06-12T10:00:00.000002Z", reason: .latestTimestamp),
        Case(
            name: "2: higher rank at equal timestamps",
            events: [("SESSION_STOPPED", t0, ""), ("SESSION_STARTED", "2025-06-12T12:00:00+02:00", "")],
            status: "STOPPED", since: t0, reason: .higherRankAtEqualTimestamp),
        Case(
            name: "2: greater payload at equal rank",
            events: [("SESSION_STARTED", t0, #","n":1"#), ("SESSION_STARTED", t0, #","n":2"#)], status: "STARTED",
            since: t0, reason: .greaterPayloadAtEqualRank),
        Case(
            name: "3: complete is final",
            events: [("SESSION_COMPLETE", t0, ""), ("SESSION_STARTED", t1, ""), ("SESSION_STOPPED", t2, "")],
            status: "COMPLETE", since: t0, reason: .completeIsFinal),
        Case(
            name: "3: the latest complete decides, the earliest is since when",
            events: [("SESSION_COMPLETE", t0, ""), ("SESSION_COMPLETED", t1, "")], status: "COMPLETE", since: t0,
            reason: .latestTimestamp),
        Case(
            name: "3: refunded follows complete", events: [("SESSION_COMPLETE", t0, ""), ("SESSION_STOPPED", t2, "")],
            status: "REFUNDED", since: t1, reason: .refundedIsFinal, apiStatuses: [("REFUNDED", t1)]),
        Case(
            name: "3: a complete that comes later does not undo refunded",
            events: [("SESSION_STOPPED", t0, ""), ("SESSION_COMPLETE", t2, "")], status: "REFUNDED", since: t1,
            reason: .refundedIsFinal, apiStatuses: [("REFUNDED", t1)]),
        Case(
            name: "3: refunded is final where no complete is known", events: [("SESSION_STOPPED", t2, "")],
            status: "REFUNDED", since: t0, reason: .refundedIsFinal,
            apiStatuses: [("REFUNDED", t0), ("REFUNDED", t1)]),
        Case(
            name: "3: refunded at the instant of complete", events: [("SESSION_COMPLETE", t1, "")],
            status: "REFUNDED", since: t1, reason: .higherRankAtEqualTimestamp, apiStatuses: [("REFUNDED", t1)]),
        Case(
            name: "3: an unknown status does not follow complete", events: [("SESSION_COMPLETE", t0, "")],
            status: "COMPLETE", since: t0, reason: .completeIsFinal, apiStatuses: [("MELTED", t1)]),
        Case(
            name: "4: fees and unknown names change nothing",
            events: [("SESSION_STARTED", t0, ""), ("SESSION_FEE_INCURRING", t1, ""), ("SESSION_DANCED", t2, "")],
            status: "STARTED", since: t0, reason: .onlyStatusFact),
        Case(
            name: "4: known from them alone: UNKNOWN",
            events: [("SESSION_FEE_INCURRING", t1, ""), ("SESSION_DANCED", t2, "")], status: "UNKNOWN", since: nil,
            reason: .noStatusFact),
        Case(
            name: "since: a repeated observation does not move it", events: [("SESSION_STARTED", t0, "")],
            status: "STARTED", since: t0, reason: .latestTimestamp, apiStatuses: [("STARTED", t1), ("STARTED", t2)]),
        Case(
            name: "since: what changes no status does not end a run",
            events: [
                ("SESSION_STARTED", t0, ""), ("SESSION_FEE_INCURRING", t1, ""), ("SESSION_STARTED", t2, ""),
            ], status: "STARTED", since: t0, reason: .latestTimestamp),
        Case(
            name: "since: another status in between begins a run anew",
            events: [("SESSION_STARTED", t0, ""), ("SESSION_START_FAILED", t1, ""), ("SESSION_STARTED", t2, "")],
            status: "STARTED", since: t2, reason: .latestTimestamp),
        Case(
            name: "since: in the order that decides, not that of instants alone",
            events: [("SESSION_STARTED", t1, ""), ("SESSION_STOPPED", t1, ""), ("SESSION_STARTED", t2, "")],
            status: "STARTED", since: t2, reason: .latestTimestamp, apiStatuses: [("STARTED", t0)]),
        Case(
            name: "since: a lower rank does not end the run of a final status",
            events: [("SESSION_COMPLETE", t0, ""), ("SESSION_STOPPED", t1, ""), ("SESSION_COMPLETE", t2, "")],
            status: "COMPLETE", since: t0, reason: .latestTimestamp),
        Case(
            name: "API: created, then waiting, at the same instant", events: [], status: "WAITING_TO_START", since: t0,
            reason: .higherRankAtEqualTimestamp, apiStatuses: [("CREATED", t0), ("WAITING_TO_START", t0)]),
        Case(
            name: "API: an unknown status is kept, with the rank of FAILED", events: [("SESSION_STARTED", t0, "")],
            status: "STARTED", since: t0, reason: .higherRankAtEqualTimestamp, apiStatuses: [("MELTED", t0)]),
        Case(
            name: "API: an unknown status decides by its timestamp", events: [("SESSION_STARTED", t0, "")],
            status: "MELTED", since: t1, reason: .latestTimestamp, apiStatuses: [("MELTED", t1)]),
    ]

    @Test(arguments: cases) func `each rule of the fold holds`(_ test: Case) throws {
        let callbacks = try test.events.map { try callback($0.0, $0.1, extras: $0.2) }
        let answers = try test.apiStatuses.map {
            try event(
                #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"\#($0.1)","sessionStatus":"\#($0.0)"}}"#,
                source: .driveApi)
        }
        var canonical: Set<[UInt8]> = []
        for order in permutations(callbacks + answers) {
            let record = try record(order + order.reversed())
            #expect(record.state.status.name == test.status)
            #expect(try record.state.statusSince == test.since.map { try instant($0) })
            #expect(record.decisionReason == test.reason)
            #expect(record.state.version == order.count)
            #expect(try SessionRecord(sessionId: record.sessionId, decoding: record.encoded()).state == record.state)
            #expect(record.duplicates == order.count)
            canonical.insert(record.state.canonicalJSON)
        }
        #expect(canonical.count == 1)
    }

    @Test func `ranks are those of the table`() {
        let names = [
            "CREATED", "WAITING_TO_START", "FAILED", "STARTED", "WAITING_TO_STOP", "STOP_FAILED", "STOPPED", "COMPLETE",
            "REFUNDED",
        ]
        #expect(names.map { SessionStatus($0).rank } == Array(0...8))
        #expect(names.map { SessionStatus($0).name } == names)
        #expect(SessionStatus("UNKNOWN") == .unknown)
        #expect(SessionStatus("UNKNOWN").rank == 2)
        #expect(SessionStatus("NEW") == .other("NEW"))
        #expect(SessionStatus("NEW").rank == 2)
    }

    @Test(arguments: [
        #"{"payload":{"n":{"b":"é","a":1},"timestamp":"2025-06-12T12:00:00.000+02:00","sessionId":"S1"},"event":"SESSION_COMPLETED"}"#,
        #"{ "event" : "SESSION_COMPLETE", "payload" : {"sessionId":"\u00531","timestamp":"2025-06-12t10:00:00z","n":{"a":10e-1,"b":"\u00e9"}}, "more":[1]}"#,
        #"{"event":"\u0053ESSION_COMPLETE","payload":{"sessionId":"S1","timestamp":"2025-06-12 10:00:00-00:00","n":{"a":1.0,"b":"\u00E9"}}}"#,
    ])
    func `rule 5: the same fact`(text: String) throws {
        let first = try event(
            #"{"event":"SESSION_COMPLETE","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","n":{"a":1,"b":"é"}}}"#
        )
        var record = try record([first])
        let canonical = record.state.canonicalJSON
        #expect(record.apply(try event(text), position: 2, receivedAt: Instant(seconds: 0)) == .duplicate)
        #expect(record.state.canonicalJSON == canonical)
        #expect(record.facts.map(\.deliveries) == [2])
        var other = try SessionModelTests.record([event(text)])
        #expect(other.state.canonicalJSON == canonical)
        #expect(other.apply(first, position: 2, receivedAt: Instant(seconds: 0)) == .duplicate)
    }

    @Test(arguments: [
        #"{"event":"SESSION_COMPLETE","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00.000000001Z","n":1}}"#,
        #"{"event":"SESSION_COMPLETE","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","n":"1"}}"#,
        #"{"event":"SESSION_COMPLETE","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z"}}"#,
        #"{"event":"SESSION_COMPLETE","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","n":1,"x":null}}"#,
        #"{"event":"SESSION_STOPPED","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","n":1}}"#,
        #"{"event":"NEW","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","n":1}}"#,
    ])
    func `rule 5: another fact`(text: String) throws {
        let first = try event(
            #"{"event":"SESSION_COMPLETE","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","n":1}}"#)
        var record = try record([first])
        #expect(record.apply(try event(text), position: 2, receivedAt: Instant(seconds: 0)) == .accepted)
        #expect(record.state.version == 2)
    }

    @Test func `further facts of the state follow`() throws {
        let events = try [
            callback("SESSION_STARTED", "2025-06-12T10:00:05Z"), callback("SESSION_STARTED", "2025-06-12T10:00:03Z"),
            callback("SESSION_STOPPED", "2025-06-12T10:20:00Z"), callback("SESSION_STOPPED", "2025-06-12T10:10:00Z"),
            callback(
                "SESSION_FEE_INCURRING", "2025-06-12T10:08:00Z",
                extras: #","feeType":"BLOCKING","feeWillApplyFrom":"2025-06-12T12:30:00+02:00""#),
            callback(
                "SESSION_FEE_INCURRING", "2025-06-12T10:07:00Z", extras: #","feeType":5,"feeWillApplyFrom":"soon""#),
        ]
        for order in permutations(events) {
            let state = try record(order).state
            #expect(
                text(state.canonicalJSON)
                    == #"{"sessionId":"S1","userId":"user1","sessionStatus":"STOPPED","statusSince":"2025-06-12T10:10:00Z","#
                    + #""startTime":"2025-06-12T10:00:03Z","stopTime":"2025-06-12T10:20:00Z","duration":"PT19M57S","fees":[{"timestamp":"2025-06-12T10:07:00Z"},"#
                    + #"{"feeType":"BLOCKING","feeWillApplyFrom":"2025-06-12T10:30:00Z","timestamp":"2025-06-12T10:08:00Z"}],"version":6}"#
            )
        }
    }

    @Test func `the user id is the decider's, and conflicts are told`() throws {
        let events = try [
            callback("SESSION_STARTED", "2025-06-12T10:00:00Z", extras: #","userId":"b""#),
            callback("SESSION_STOPPED", "2025-06-12T11:00:00Z", extras: #","userId":"a""#),
            callback("SESSION_NOTED", "2025-06-12T12:00:00Z", extras: #","userId":"c""#),
            callback("SESSION_COMPLETE", "2025-06-12T10:30:00Z", extras: ""),
        ]
        for order in permutations(events) {
            let state = try record(order).state
            #expect(state.status == .complete)
            #expect(state.userId == "a")
            #expect(state.userIds == ["a", "b", "c"])
            #expect(state.userIdConflict)
        }
        // Of an event that changes no status only where there is no other.
        #expect(try record([events[2]]).state.userId == "c")
        #expect(try record([events[2], events[3]]).state.userId == "c")
        #expect(try record([events[0], events[2]]).state.userId == "b")
    }

    @Test func `enrichment follows the order that decides`() throws {
        func answer(_ status: String, _ timestamp: String, _ extras: String) throws -> SessionEvent {
            try event(
                #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"\#(timestamp)","sessionStatus":"\#(status)"\#(extras)}}"#,
                source: .driveApi)
        }
        let events = try [
            answer(
                "STARTED", Self.t0,
                #","connectorId":"c1","price":{"minorInclVat":1},"startTime":"2025-06-12T09:59:00Z""#),
            answer("COMPLETE", Self.t1, #","price":{"minorInclVat":2.0},"balanceStatus":"PAID""#),
            answer("STARTED", Self.t2, #","connectorId":null,"price":{"minorInclVat":3},"site":"x""#),
        ]
        for order in permutations(events) {
            let record = try record(order)
            let enrichment = record.state.enrichment
            #expect(enrichment.string(.connectorId) == "c1")
            #expect(enrichment[.price]?.text == #"{"minorInclVat":2}"#)
            #expect(enrichment.string(.balanceStatus) == "PAID")
            #expect(enrichment.string(.site) == "x")
            #expect(enrichment[.energy] == nil)
            #expect(record.state.startTime?.rfc3339 == "2025-06-12T09:59:00Z")
        }
    }

    @Test func `deliveries are counted`() throws {
        let events = try [
            callback("SESSION_STOPPED", Self.t2), callback("SESSION_STARTED", Self.t1),
            callback("SESSION_STOPPED", Self.t2),
            callback("SESSION_STARTED", Self.t1), callback("SESSION_COMPLETE", Self.t2),
        ]
        var record = try record(events)
        #expect(record.received == 5)
        #expect(record.duplicates == 2)
        // STARTED, after STOPPED and before its repeat; COMPLETE has the instant of the latest.
        #expect(record.arrivedLate == 1)
        #expect(record.lastPosition == 5)
        #expect(record.facts.map(\.deliveries) == [2, 2, 1])
        #expect(record.facts.map(\.position) == [2, 1, 5])
        // A tail of the log that is folded again changes nothing.
        let before = record.encoded()
        for (index, event) in events.enumerated() {
            #expect(record.apply(event, position: Int64(index + 1), receivedAt: .latest) == .alreadyApplied)
        }
        #expect(record.encoded() == before)
    }

    @Test func `what was received earlier elsewhere came first`() throws {
        let (here, elsewhere) = (Identity(high: 0, low: 2), Identity(high: 0, low: 1))
        func at(_ seconds: Int64) -> Instant { Instant(seconds: 1_800_000_000 + seconds) }
        let (stopped, started) = try (callback("SESSION_STOPPED", Self.t2), callback("SESSION_STARTED", Self.t1))
        var record = SessionRecord(sessionId: "S1")
        record.apply(stopped, position: 1, receivedAt: at(10), place: Place(origin: here, sequence: 1))
        record.apply(started, position: 2, receivedAt: at(20), place: Place(origin: here, sequence: 2))
        #expect(record.arrivedLate == 1)
        #expect(record.orderedBy == stopped.timestamp)

        // At the same time as the other: then the lesser origin was first.
        record.apply(started, position: 3, receivedAt: at(10), place: Place(origin: elsewhere, sequence: 9))
        #expect(record.arrivedLate == 0)
        #expect(record.orderedBy == started.timestamp)
        #expect(record.received == 3 && record.duplicates == 1)
        #expect(record.facts.map(\.receivedAt) == [at(10), at(10)])
        // What is local stays as it was.
        #expect(record.facts.map(\.heardAt) == [at(20), at(10)])
        #expect(record.facts.map(\.position) == [2, 1])
        #expect(record.number == 1)
    }
}
