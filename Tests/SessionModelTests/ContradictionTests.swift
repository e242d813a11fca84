import Base
import SessionModel
import Testing

/// Facts that cannot all be right.
@Suite struct ContradictionTests {
    private static let start = "2025-06-12T10:00:00Z"

    /// - Parameters:
    ///   - api: members of a COMPLETE session as the Drive API shows it, with a leading comma.
    ///   - records: charge detail records' members, with a leading comma.
    private func anomalies(
        api: String? = nil, records: [String] = [], callbacks: [(name: String, at: String)] = []
    ) throws -> [Anomaly] {
        var events = try callbacks.map {
            try SessionEvent.decode(
                Array(#"{"event":"\#($0.name)","payload":{"sessionId":"S1","timestamp":"\#($0.at)"}}"#.utf8))
        }
        if let api {
            let payload =
                #"{"sessionId":"S1","timestamp":"2025-06-12T12:00:00Z","sessionStatus":"COMPLETE"\#(api)}"#
            events.append(
                try .decode(
                    Array(#"{"event":"\#(EventName.driveApiSession.text)","payload":\#(payload)}"#.utf8),
                    source: .driveApi))
        }
        for (index, record) in records.enumerated() {
            let body = Array(#"{"requestId":"r\#(index)","sessionId":"S1"\#(record)}"#.utf8)
            events.append(
                try .decode(try ChargeDetailRecord(decoding: body).factBody(timestamp: .epoch), source: .cdr))
        }
        let known: Set<Anomaly> = [.startedMissing, .stoppedMissing, .timestampInFuture]
        // Whatever the order of arrival.
        let found = [events, events.reversed()].map { events in
            var record = SessionRecord(sessionId: "S1")
            for (index, event) in events.enumerated() {
                record.apply(
                    event, position: Int64(index + 1), receivedAt: Instant(seconds: 1_800_000_000),
                    place: Place(origin: .none, sequence: Int64(index + 1)))
            }
            return Anomaly.all(of: record, now: .earliest).filter { !known.contains($0) }
        }
        #expect(found[0] == found[1])
        return found[0]
    }

    @Test(
        arguments: [
            (#","start":"2025-06-12T10:00:00Z","end":"2025-06-12T09:59:59Z""#, [.recordEndsBeforeStart]),
            (#","start":"2025-06-12T10:00:00Z","end":"2025-06-12T10:00:00Z""#, []),
            (#","energy":{"unit":"WH","value":-1}"#, [.negativeEnergy]),
            (#","energy":{"unit":"WH","value":"-1"}"#, [.negativeEnergy]),
            (#","energy":{"unit":"?","value":-1}"#, [.negativeEnergy]),
            (#","total_energy":-0.5"#, [.negativeEnergy]), (#","energyKwh":"-0.5""#, [.negativeEnergy]),
            (#","energy":{"unit":"WH","value":0}"#, []),
        ] as [(String, [Anomaly])])
    func `a record by itself`(_ record: String, _ expected: [Anomaly]) throws {
        #expect(try anomalies(records: [record]) == expected)
        // Also where a later one is right.
        let right = #","start":"2025-06-12T10:00:00Z","end":"2025-06-12T11:00:00Z""#
        #expect(try anomalies(records: [record, right]) == expected)
    }

    @Test(arguments: [#"-5"#, #""-5""#, #"{"value":-5}"#, #"{"unit":"KWH","value":"-0.5"}"#])
    func `negative energy as the Drive API may show it`(_ energy: String) throws {
        #expect(try anomalies(api: #","energy":\#(energy)"#) == [.negativeEnergy])
        #expect(try anomalies(api: #","energy":\#(energy.replacing("-", with: ""))"#) == [])
    }

    @Test(
        arguments: [
            (#","startTime":"2025-06-12T10:04:59Z","endTime":"2025-06-12T11:04:59Z""#, []),
            (#","startTime":"2025-06-12T10:05:01Z""#, [.recordTimesDisagree]),
            (#","startTime":"2025-06-12T09:00:00Z""#, [.recordTimesDisagree]),
            (#","endTime":"2025-06-12T11:05:01Z""#, [.recordTimesDisagree]),
        ] as [(String, [Anomaly])])
    func `a record's times and the callbacks'`(_ record: String, _ expected: [Anomaly]) throws {
        let callbacks = [("SESSION_STARTED", Self.start), ("SESSION_STOPPED", "2025-06-12T11:00:00Z")]
        #expect(try anomalies(records: [record], callbacks: callbacks.map { (name: $0.0, at: $0.1) }) == expected)
    }

    @Test(
        arguments: [
            (#","energy":{"unit":"KWH","value":1.84}"#, []),
            (#","energy":{"unit":"WH","value":1855}"#, []),
            (#","energyKwh":1.9"#, [.recordEnergyDisagrees]),
            (#","energy":{"unit":"J","value":1}"#, []),
            (#","price":{"currencyCode":"NOK","minorInclVat":95}"#, []),
            (#","price":{"currencyCode":"NOK","minorInclVat":96}"#, [.recordPriceDisagrees]),
            (#","price":{"currencyCode":"EUR","minorInclVat":95}"#, [.recordPriceDisagrees]),
            (#","startTime":"2025-06-12T10:20:00Z""#, [.recordTimesDisagree]),
        ] as [(String, [Anomaly])])
    func `a record and the Drive API's session`(_ record: String, _ expected: [Anomaly]) throws {
        let api =
            #","startTime":"2025-06-12T10:00:00Z","energy":{"unit":"WH","value":1840},"price":{"currencyCode":"NOK","minorInclVat":95}"#
        #expect(try anomalies(api: api, records: [record]) == expected)
        #expect(try anomalies(api: api) == [])
    }

    @Test func `a session that stops before it starts`() throws {
        func found(_ started: String, _ stopped: String) throws -> [Anomaly] {
            try anomalies(callbacks: [("SESSION_STARTED", started), ("SESSION_STOPPED", stopped)])
        }
        #expect(try found("2025-06-12T10:00:01Z", Self.start) == [.stoppedBeforeStarted])
        // Some are cut to the second, others are not.
        #expect(try found("2025-06-12T10:00:00.9Z", Self.start) == [])
        #expect(try found(Self.start, Self.start) == [])
    }
}
