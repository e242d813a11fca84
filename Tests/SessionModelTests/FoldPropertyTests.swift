import SessionModel
import Testing

/// Whatever the order of arrival, the repeats and the restarts: the state is a function of the set of facts.
@Suite struct FoldPropertyTests {
    /// Each argument is a seed of 2,500 histories: 10,000 realistic and 10,000 adversarial ones in all.
    @Test(arguments: [1, 2, 3, 4]) func realisticHistories(seed: Int) throws {
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

    @Test(arguments: [5, 6, 7, 8]) func adversarialHistories(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<2500 {
            let bodies = (0..<random.between(1, 9)).map { _ in Self.adversarialBody(&random) }
            try check(bodies, &random)
        }
    }

    /// Every status there is, at few instants: runs that break and grow at both ends, and what is final among them.
    @Test(arguments: [9, 10]) func historiesOfAllStatuses(seed: Int) throws {
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

    private func check(_ bodies: [[UInt8]], _ random: inout SeededRandom) throws {
        try check(bodies.map { try SessionEvent.decode($0) }, &random)
    }

    private func check(_ events: [SessionEvent], _ random: inout SeededRandom) throws {
        guard let first = events.first else { return }
        var reference = ReferenceFold()
        for event in events { reference.add(event) }
        var canonical: [UInt8]?
        for _ in 0..<4 {
            var deliveries = events
            for event in events where random.chance(0.3) { deliveries.append(event) }
            random.shuffle(&deliveries)
            let record = try fold(deliveries, sessionId: first.sessionId, &random)
            let state = record.state.canonicalJSON
            #expect(canonical == nil || canonical == state)
            canonical = state
            #expect(record.received == deliveries.count)
            #expect(record.duplicates == deliveries.count - record.facts.count)
            #expect(record.facts.reduce(0) { $0 + $1.deliveries } == record.received)
            expect(record.state, equals: reference)
        }
    }

    /// Applies deliveries, with a restart now and then: stored, read back, and part of the log applied once more.
    private func fold(
        _ deliveries: [SessionEvent], sessionId: String, _ random: inout SeededRandom
    ) throws -> SessionRecord {
        var record = SessionRecord(sessionId: sessionId)
        var next = 0
        while next < deliveries.count {
            let receivedAt = Instant(seconds: 1_760_000_000 + Int64(next))
            record.apply(deliveries[next], position: Int64(next + 1), receivedAt: receivedAt)
            next += 1
            guard random.chance(0.2) else { continue }
            let stored = record.encoded
            record = try SessionRecord(decoding: stored)
            #expect(record.encoded == stored)
            next -= random.below(next + 1)
        }
        return record
    }

    private func expect(_ state: SessionState, equals reference: ReferenceFold) {
        #expect(state.status.name.utf8.elementsEqual(reference.status.name.utf8))
        #expect(state.statusSince == reference.statusSince)
        #expect(state.version == reference.version)
        #expect(state.userId == reference.userId)
        #expect(state.userIds == reference.userIds)
        #expect(state.startTime == reference.startTime)
        #expect(state.stopTime == reference.stopTime)
        #expect(state.fees.count == reference.feeCount)
    }

    @Test func aFloodOfFactsFoldsLikeAnyOther() throws {
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
        #expect(try SessionRecord(decoding: forwards.encoded).state == forwards.state)
    }
}
