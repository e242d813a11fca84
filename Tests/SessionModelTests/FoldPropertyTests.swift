import Base
import SessionModel
import Testing

/// Whatever the order of arrival, the repeats and the restarts, and whichever receiver heard what first: the state is a
/// function of the set of facts, and all that is shown one of the set of deliveries.
@Suite struct FoldPropertyTests {
    /// Each argument is a seed of 2,500 histories: 10,000 realistic and 10,000 adversarial ones in all.
    @Test(arguments: [1, 2, 3, 4]) func `realistic histories`(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var options = GeneratorOptions()
        options.seed = UInt64(seed)
        options.repeatShare = 0.3
        options.variantShare = 0.5
        for session in 0..<2500 {
            let deliveries = HistoryGenerator.deliveries(
                session: session, startingAt: Instant(seconds: 1_750_000_000), options)
            try check(deliveries.map(\.body), &random)
        }
    }

    @Test(arguments: [5, 6, 7, 8]) func `adversarial histories`(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<2500 {
            let bodies = (0..<random.between(1, 9)).map { _ in Self.adversarialBody(&random) }
            try check(bodies, &random)
        }
    }

    /// Every status there is, at few instants: runs that break and grow at both ends, and what is final among them.
    @Test(arguments: [9, 10]) func `histories of all statuses`(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<2500 {
            let finalToo = random.chance(0.3)
            let events = try (0..<random.between(1, 9)).map { _ in
                if random.chance(0.2) { return try SessionEvent.decode(Self.adversarialBody(&random)) }
                let names =
                    ["CREATED", "STARTED", "STOPPED", "MELTED", #"\u00c9"#, #"E\u0301"#]
                    + (finalToo ? ["COMPLETE", "REFUNDED"] : [])
                return try event(
                    #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:0"#
                        + #"\#(random.below(8))Z","sessionStatus":"\#(random.pick(names))"}}"#, source: .driveApi)
            }
            try check(events, &random)
        }
    }

    /// Few instants, few payloads, many texts: ties and repeats are the rule.
    static func adversarialBody(_ random: inout SeededRandom) -> [UInt8] {
        let name = random.pick([
            "SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE", "SESSION_COMPLETED", "SESSION_START_FAILED",
            "SESSION_FAILED", "SESSION_STOP_FAILED", "SESSION_FEE_INCURRING", "SESSION_A", "SESSION_B",
        ])
        let second = random.below(3)
        let timestamp = random.pick([
            "2025-06-12T10:00:0\(second)Z", "2025-06-12T12:00:0\(second).000+02:00",
            "2025-06-12t09:59:0\(second)-00:01",
            "2025-06-12T10:00:0\(second).000001Z",
        ])
        var members = [#""sessionId":"S1""#, #""timestamp":"\#(timestamp)""#]
        if random.chance(0.6) {
            members.append(random.pick([#""userId":"a""#, #""userId":"b""#, #""userId":"\u0061""#]))
        }
        if random.chance(0.4) {
            members.append(random.pick([#""n":1"#, #""n":1.0"#, #""n":10e-1"#, #""n":2"#, #""n":"1""#]))
        }
        if random.chance(0.3) { members.append(random.pick([#""site":"x""#, #""site":"y""#, #""site":"\u0078""#])) }
        if name == "SESSION_FEE_INCURRING" {
            members.append(random.pick([#""feeType":"BLOCKING""#, #""feeType":"PARKING""#, #""feeType":null"#]))
            if random.chance(0.5) { members.append(#""feeWillApplyFrom":"\#(timestamp)""#) }
        }
        random.shuffle(&members)
        let payload = #""payload":{\#(members.joined(separator: random.pick([",", " , "])))}"#
        return Array(
            "{\(random.chance(0.5) ? #""extra":\#(random.below(9)),"# : "")\"event\":\"\(name)\",\(payload)}".utf8)
    }

    /// A delivery as its origin received it.
    private struct Received {
        let event: SessionEvent
        let receivedAt: Instant
        let place: Place
    }

    private func check(_ bodies: [[UInt8]], _ random: inout SeededRandom) throws {
        try check(bodies.map { try SessionEvent.decode($0) }, &random)
    }

    /// Each event at some of up to three receivers, each of which has a clock of its own and hears some of them twice:
    /// whoever learns of these deliveries, in whatever order, shows the same.
    private func check(_ events: [SessionEvent], _ random: inout SeededRandom) throws {
        guard let sessionId = events.first?.sessionId else { return }
        var received: [Received] = []
        let origins = (0...random.below(3)).map { Identity(high: UInt64(9 - $0), low: 7) }
        var sequences = [Int64](repeating: 0, count: origins.count)
        func receive(_ event: SessionEvent) {
            let origin = random.below(origins.count)
            sequences[origin] += Int64(random.between(1, 3))
            received.append(
                Received(
                    event: event, receivedAt: Instant(seconds: 1_760_000_000 + Int64(random.below(12))),
                    place: Place(origin: origins[origin], sequence: sequences[origin])))
        }
        for event in events {
            receive(event)
            while random.chance(0.3) { receive(event) }
        }
        var reference = ReferenceFold()
        for one in received {
            reference.add(one.event, Fact.Receipt(receivedAt: one.receivedAt, place: one.place))
        }
        var shown: [[UInt8]]?
        for _ in 0..<4 {
            random.shuffle(&received)
            let record = try fold(received, sessionId: sessionId, &random)
            let answers = [record.state.canonicalJSON, record.sessionJSON(), record.factsJSON]
            #expect(shown == nil || shown == answers)
            shown = answers
            expect(record, equals: reference)
        }
    }

    /// Applies deliveries, with a restart now and then: stored, read back, and part of the log applied once more.
    private func fold(
        _ received: [Received], sessionId: String, _ random: inout SeededRandom
    ) throws -> SessionRecord {
        var record = SessionRecord(sessionId: sessionId)
        var next = 0
        while next < received.count {
            let one = received[next]
            record.apply(one.event, position: Int64(next + 1), receivedAt: one.receivedAt, place: one.place)
            next += 1
            guard random.chance(0.2) else { continue }
            let stored = record.encoded()
            let copy = try SessionRecord(sessionId: record.sessionId, decoding: stored)
            // What is folded fact by fact is what is folded at once.
            #expect(copy.state == record.state)
            #expect(copy.encoded() == stored)
            record = copy
            next -= random.below(next + 1)
        }
        #expect(try SessionRecord(sessionId: record.sessionId, decoding: record.encoded()).state == record.state)
        return record
    }

    private func expect(_ record: SessionRecord, equals reference: ReferenceFold) {
        #expect(record.received == reference.received)
        #expect(record.duplicates == reference.duplicates)
        #expect(record.arrivedLate == reference.arrivedLate)
        #expect(record.orderedBy == reference.firstHeard)
        let state = record.state
        #expect(state.status.name.utf8.elementsEqual(reference.status.name.utf8))
        #expect(state.statusSince == reference.statusSince)
        #expect(state.version == reference.version)
        #expect(state.userId == reference.userId)
        #expect(state.userIds == reference.userIds)
        #expect(state.startTime == reference.startTime)
        #expect(state.stopTime == reference.stopTime)
        #expect(state.fees.count == reference.feeCount)
    }

    @Test func `a flood of facts folds like any other`() throws {
        let events = try (0..<3000).map {
            try callback(
                "SESSION_STARTED", "2025-06-12T10:00:00Z", extras: #","site":"s","n":\#($0),"userId":"u\#($0 % 50)""#)
        }
        let complete = try callback("SESSION_COMPLETE", "2025-06-12T09:00:00Z")
        let forwards = try record(events + [complete])
        let backwards = try record([complete] + events.reversed())
        #expect(forwards.state == backwards.state)
        #expect(forwards.state.canonicalJSON == backwards.state.canonicalJSON)
        #expect(forwards.state.status == .complete)
        #expect(try SessionRecord(sessionId: forwards.sessionId, decoding: forwards.encoded()).state == forwards.state)
    }
}
