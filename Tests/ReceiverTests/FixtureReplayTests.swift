import HTTPClient
import SessionModel
import Testing

/// Every event log of Tests/Fixtures, end to end: signed, over a real socket, in any order, twice over, and once more
/// after a restart.
@Suite struct FixtureReplayTests {
    @Test func `there are logs of all kinds`() {
        #expect(Fixture.all.count >= 13)
    }

    @Test(arguments: Fixture.all) func `ends in the expected state`(fixture: Fixture) throws {
        let expected = try #require(try CanonicalJSON(parsing: fixture.expected).member("sessions"))
        let ids = try fixture.sessionIds()
        for (number, order) in fixture.orders.enumerated() {
            let directory = TestDirectory()
            try withApplication(in: directory) { server throws in
                var accepted = 0
                for body in order + order {
                    let answer = try server.post(body)
                    #expect(answer.status == 200, "\(answer.text)")
                    if answer.json?.string("outcome") == "accepted" { accepted += 1 }
                }
                let versions = try expectStates(server, ids, expected, "order \(number)")
                #expect(accepted == versions, "each fact is accepted once, whatever the order")
            }
            try withApplication(in: directory) { server throws in
                try expectStates(server, ids, expected, "order \(number), restarted")
                let again = try server.post(try #require(order.first))
                #expect(again.json?.string("outcome") == "duplicate", "the facts are known after a restart")
            }
        }
    }

    /// - Returns: the sum of the versions.
    @discardableResult
    private func expectStates(
        _ server: RunningServer, _ ids: Set<String>, _ expected: CanonicalJSON, _ note: String
    ) throws -> Int {
        var versions = 0
        var found = JSONWriter()
        found.beginObject()
        for id in ids {
            let answer = try server.get("/v1/sessions/\(id)")
            #expect(answer.status == 200)
            versions += Int(answer.json?.member("version")?.text ?? "") ?? 0
            found.key(id)
            found.rawJSON(try stateOnly(answer.body))
        }
        found.endObject()
        #expect(try CanonicalJSON(parsing: found.bytes) == expected, "\(note)")
        return versions
    }

    @Test func `the documented samples, byte for byte`() throws {
        try withApplication { server throws in
            let start = try server.post(Callback.documentedStart)
            #expect(start.status == 200)
            #expect(start.field("Content-Type") == "application/json")
            #expect(
                start.text
                    == #"{"outcome":"accepted","sessionId":"L60XMxWy0oP","sessionStatus":"STARTED","version":1}"#)
            let fee = try server.post(Callback.documentedFee)
            #expect(
                fee.text == #"{"outcome":"accepted","sessionId":"L60XMxWy0oP","sessionStatus":"STARTED","version":2}"#)
            let again = try server.post(Callback.documentedStart)
            #expect(
                again.text
                    == #"{"outcome":"duplicate","sessionId":"L60XMxWy0oP","sessionStatus":"STARTED","version":2}"#)
            #expect(
                try server.get("/v1/sessions/L60XMxWy0oP").text.hasPrefix(
                    #"{"sessionId":"L60XMxWy0oP","userId":"user1","sessionStatus":"STARTED","#
                        + #""statusSince":"2025-06-12T10:56:51Z","startTime":"2025-06-12T10:56:51Z","#
                        + #""duration":"PT2853H56M29S","fees":[{"feeType":"BLOCKING","feeWillApplyFrom":"2025-10-15T09:02:48Z","#
                        + #""timestamp":"2025-10-15T08:52:48Z"}],"version":2,"#
                        + #""lastFact":{"event":"SESSION_FEE_INCURRING","timestamp":"2025-10-15T08:52:48Z","#
                        + #""receivedAt":"2025-10-09T08:53:20Z","source":"webhook"},"#
                        + #""deliveries":{"received":3,"duplicates":1,"arrivedLate":0},"effectiveStatus":"STARTED","#))
        }
    }
}
