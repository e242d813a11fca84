import Base
import SessionModel
import Testing

/// What is handed on of a session with each change: bounded, and right.
@Suite struct SessionOutlineTests {
    private let settings = GuidanceSettings()

    private func events(_ random: inout SeededRandom) throws -> [SessionEvent] {
        try (0..<random.between(2, 12)).map { _ in
            if random.chance(0.7) { return try SessionEvent.decode(FoldPropertyTests.adversarialBody(&random)) }
            let name = random.pick(["CREATED", "WAITING_TO_START", "STARTED", "STOPPED", "COMPLETE", "MELTED"])
            return try event(
                #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:0"#
                    + #"\#(random.below(8))Z","sessionStatus":"\#(name)"}}"#, source: .driveApi)
        }
    }

    @Test(arguments: 1...4) func `an outline says what its record says`(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<1_000 {
            let record = try record(try events(&random), receivedFrom: try instant("2025-06-12T10:00:00Z"))
            let outline = SessionOutline(record)
            #expect(outline.state == record.state)
            #expect(outline.tie == record.tie)
            #expect(outline.hasEnded == record.hasEnded)
            for seconds in [0, 3, 119, 120, 121, 130, 10_000] as [Int64] {
                let now = try instant("2025-06-12T10:00:00Z").adding(seconds: seconds)
                let (status, changesAt) = record.effectiveStatus(at: now, settings: settings)
                #expect(outline.effectiveStatus(at: now, settings: settings) == status)
                if let changesAt { #expect(outline.startLimit(settings) == changesAt) }
            }
        }
    }

    @Test(arguments: 5...8) func `facts that are restored one by one make the record that they were taken from`(
        seed: Int
    ) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<1_000 {
            let record = try record(try events(&random))
            let position = Int64(random.below(record.facts.count + 1))
            var earlier = record.rewound(to: position)
            let rest = record.facts.filter { $0.position > position }.sorted { $0.position < $1.position }
            for fact in rest {
                let before = earlier.before
                earlier.restore(fact)
                let change = SessionChange(earlier, since: before, fact)
                let rewound = record.rewound(to: fact.position)
                #expect(change.outline.state == rewound.state)
                let previous = record.rewound(to: fact.position - 1)
                #expect(change.statusBefore == (previous.facts.isEmpty ? nil : previous.state.status))
            }
            #expect(earlier.state == record.state)
        }
    }

    @Test func `a change has the same size however many facts there are`() throws {
        var record = SessionRecord(sessionId: "S1")
        var sizes: [Int] = []
        for index in 0..<2_000 {
            let event = try callback(
                "SESSION_FEE_INCURRING", "2025-06-12T10:00:00Z",
                extras: #","userId":"u\#(index)","feeType":"\#(index)","feeWillApplyFrom":"2025-06-12T11:00:00Z""#)
            let before = record.before
            let at = Instant(seconds: 1_800_000_000)
            record.apply(event, position: Int64(index + 1), receivedAt: at)
            sizes.append(SessionChange(record, since: before, event, at: at).bytes)
        }
        let outline = SessionOutline(record)
        #expect(outline.feesTotal == 2_000)
        #expect(outline.userIdsTotal == 2_000)
        #expect(outline.state.fees == record.state.fees.suffix(SessionOutline.listedMax))
        #expect(outline.state.userIds.count == SessionOutline.listedMax)
        #expect(sizes[100...].allSatisfy { $0 < sizes[40] + 256 })
    }

    @Test func `long notices are listed up to a bound in bytes, and one of any length`() throws {
        let long = String(repeating: "x", count: 10_000)
        let record = try record(
            (0..<5).map {
                try callback(
                    "SESSION_FEE_INCURRING", "2025-06-12T10:00:0\($0)Z", extras: #","feeType":"\#($0)\#(long)""#)
            })
        #expect(SessionOutline(record).state.fees.count == 1)
        #expect(SessionOutline(record).state.fees.first?.feeType?.first == "4")
    }

    @Test func `who goes on after a stop has the fees that are to come again`() throws {
        let fee = try callback(
            "SESSION_FEE_INCURRING", "2025-06-12T10:00:01Z", extras: #","feeWillApplyFrom":"2025-06-12T11:00:00Z""#)
        let stopped = try callback("SESSION_STOPPED", "2025-06-12T10:00:02Z")
        var record = try record([fee, stopped], receivedFrom: try instant("2025-06-12T10:00:00Z"))
        let started = try callback("SESSION_STARTED", "2025-06-12T10:00:03Z")
        let before = record.before
        let at = try instant("2025-06-12T10:00:03Z")
        record.apply(started, position: 3, receivedAt: at)
        #expect(SessionChange(record, since: before, started, at: at).feesToCome.count == 1)
    }

    @Test func `pages of facts are all facts, and stay where they are when another becomes known`() throws {
        let facts = (0..<40).map { $0 / 4 }
        var record = try record(
            facts.enumerated().map {
                try callback("SESSION_X", "2025-06-12T10:00:1\($0.element)Z", extras: #","n":\#($0.offset)"#)
            })
        let whole = try CanonicalJSON(parsing: record.factsJSON).member("facts")?.elements
        for limit in [1, 3, 7, 39, 40] {
            var found: [CanonicalJSON] = []
            var place: FactPlace?
            repeat {
                let page = try CanonicalJSON(parsing: record.factsJSON(after: place, limit: limit, bytesMax: .max))
                found += page.member("facts")?.elements ?? []
                place = page.string("next").flatMap { FactPlace($0) }
            } while place != nil
            #expect(found == whole)
        }
        // As many as fit, and one in any case.
        let bytes = try CanonicalJSON(parsing: record.factsJSON(after: nil, limit: .max, bytesMax: 2_000))
        #expect((2..<20) ~= bytes.member("facts")?.elements.count ?? 0)
        let place = try #require(bytes.string("next").flatMap { FactPlace($0) })
        let second = record.factsJSON(after: place, limit: 1, bytesMax: .max)
        let fact = try CanonicalJSON(parsing: second).member("facts")
        let early = try callback("SESSION_X", "2025-06-12T10:00:00Z")
        record.apply(early, position: 41, receivedAt: Instant(seconds: 1_800_000_000))
        let again = try CanonicalJSON(parsing: record.factsJSON(after: place, limit: 1, bytesMax: .max))
        #expect(again.member("facts") == fact)
        for text in ["", "1", "1.2", "1.2.0", "1.-2.3", "a.b.c", "1.2.3.4", "1.1000000000.1"] {
            #expect(FactPlace(text) == nil, "\(text)")
        }
    }
}
