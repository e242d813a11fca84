import SessionModel
import Testing

@Suite struct SessionJSONTests {
    @Test func `the answer for a session`() throws {
        let record = try record(
            [
                event(SessionEventTests.fee),
                event(SessionEventTests.started),
                event(SessionEventTests.started),
            ], receivedFrom: instant("2025-10-15T08:52:49Z"))
        #expect(
            text(record.sessionJSON())
                == #"{"sessionId":"L60XMxWy0oP","userId":"user1","sessionStatus":"STARTED","statusSince":"2025-06-12T10:56:51Z","#
                + #""startTime":"2025-06-12T10:56:51Z","fees":[{"feeType":"BLOCKING","feeWillApplyFrom":"2025-10-15T09:02:48Z","timestamp":"2025-10-15T08:52:48Z"}],"version":2,"#
                + #""lastFact":{"event":"SESSION_FEE_INCURRING","timestamp":"2025-10-15T08:52:48Z","receivedAt":"2025-10-15T08:52:49Z","source":"webhook"},"#
                + #""deliveries":{"received":3,"duplicates":1,"arrivedLate":1}}"#)
        #expect(throws: Never.self) { try CanonicalJSON(parsing: record.sessionJSON()) }
    }

    @Test func `extras come last`() throws {
        let record = try record([callback("SESSION_STOPPED", "2025-06-12T10:00:00Z")])
        let now = try instant("2025-06-12T10:00:05Z")
        let json = record.sessionJSON { writer in
            Guidance(record, now: now).writeMembers(to: &writer)
            Anomaly.writeMember(Anomaly.all(of: record, now: now), to: &writer)
        }
        #expect(
            text(json).hasSuffix(
                #""effectiveStatus":"STOPPED","actions":{"stop":{"allowed":false,"reason":"ALREADY_STOPPED"},"startAnother":{"allowed":true,"reason":"SESSION_ENDED"},"#
                    + #""abandon":{"allowed":false,"reason":"SESSION_ENDED"},"retryPayment":{"allowed":false,"reason":"NOT_COMPLETE"}},"#
                    + #""anomalies":[{"code":"STARTED_MISSING","explanation":"The session has ended, but nothing told of its start: an event may be lost."}]}"#
            ))
        #expect(throws: Never.self) { try CanonicalJSON(parsing: json) }
    }

    @Test func `conflicts and absent values`() throws {
        let lone = try record([callback("SESSION_DANCED", "2025-06-12T10:00:00Z", extras: "")])
        #expect(text(lone.state.canonicalJSON) == #"{"sessionId":"S1","sessionStatus":"UNKNOWN","version":1}"#)
        let conflict = try record([
            callback("SESSION_STARTED", "2025-06-12T10:00:00Z", extras: #","userId":"z""#),
            callback("SESSION_STOPPED", "2025-06-12T10:00:01Z", extras: #","userId":"a\"""#),
        ])
        #expect(
            text(conflict.state.canonicalJSON).hasPrefix(
                #"{"sessionId":"S1","userId":"a\"","userIdConflict":true,"userIds":["a\"","z"],"sessionStatus":"STOPPED""#
            ))
    }

    @Test func `the answer with its facts`() throws {
        let record = try record([
            callback("SESSION_STOPPED", "2025-06-12T12:00:00Z"), callback("SESSION_COMPLETED", "2025-06-12T11:00:00Z"),
            callback("SESSION_STARTED", "2025-06-12T11:00:00Z", extras: #","n":1.50"#),
            callback("SESSION_FEE_INCURRING", "2025-06-12T10:00:00Z", extras: ""),
            callback("SESSION_COMPLETE", "2025-06-12T11:00:00Z", extras: ""),
            callback("SESSION_STARTED", "2025-06-12T10:30:00Z"),
        ])
        let reasons = record.facts.indices.map { record.reason(ofFactAt: $0, decision: record.decisionReason) }
        let expected: [DecisionReason] = [
            .changesNoStatus, .earlierTimestamp, .lowerRankAtEqualTimestamp, .smallerPayloadAtEqualRank,
            .completeIsFinal, .overruledByComplete,
        ]
        #expect(reasons == expected)
        #expect(record.state.decidingIndex.map { reasons[$0] } == .completeIsFinal)
        let json = text(record.factsJSON)
        #expect(
            json.hasPrefix(
                #"{"sessionId":"S1","sessionStatus":"COMPLETE","version":6,"decision":{"reason":"COMPLETE_IS_FINAL","#))
        #expect(
            json.contains(
                #"{"event":"SESSION_STARTED","status":"STARTED","source":"webhook","timestamp":"2025-06-12T11:00:00Z","receivedAt":"2027-01-15T08:00:02Z","#
                    + #""deliveries":1,"payload":{"n":1.5},"decided":false,"reason":"LOWER_RANK_AT_EQUAL_TIMESTAMP","#
            ))
        #expect(throws: Never.self) { try CanonicalJSON(parsing: record.factsJSON) }
    }

    @Test func `reasons of ties beyond the payload`() throws {
        func answer(_ status: String) throws -> SessionEvent {
            try event(
                #"{"event":"CHARGE_DETAIL_RECORD","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","sessionStatus":"\#(status)"}}"#,
                source: .cdr)
        }
        let stopped = try answer("STOPPED")
        let other = try event(
            #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z","sessionStatus":"STOPPED"}}"#,
            source: .driveApi)
        let record = try record([stopped, other])
        #expect(record.decisionReason == .greaterNameAtEqualPayload)
        #expect(record.reason(ofFactAt: 0, decision: record.decisionReason) == .smallerNameAtEqualPayload)
        for reason in [DecisionReason.noStatusFact, .onlyStatusFact] {
            #expect(reason.explanation.utf8CodeUnitCount > 0)
        }
        #expect(Set(DecisionReason.allCases.map(\.rawValue)).count == DecisionReason.allCases.count)
    }
}
