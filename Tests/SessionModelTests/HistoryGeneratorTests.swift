import Base
import SessionModel
import Testing

@Suite struct HistoryGeneratorTests {
    private func options(sessions: Int, seed: UInt64 = 7) -> GeneratorOptions {
        var options = GeneratorOptions()
        options.sessions = sessions
        options.seed = seed
        return options
    }

    @Test func `the same seed gives the same bytes`() {
        let first = HistoryGenerator(options(sessions: 300)).map(\.body)
        #expect(first == HistoryGenerator(options(sessions: 300)).map(\.body))
        #expect(first != HistoryGenerator(options(sessions: 300, seed: 8)).map(\.body))
        // Pinned: logs made by one version are made by every other. SplitMix64 and xoshiro256** by their definition.
        var random = SeededRandom(seed: 0)
        #expect((0..<2).map { _ in random.next() } == [0x99EC_5F36_CB75_F2B4, 0xBF6E_1F78_4956_452A])
    }

    @Test func `sessions do not depend on their number`() {
        func bySession(_ sessions: Int) -> [String: [[UInt8]]] {
            Dictionary(grouping: HistoryGenerator(options(sessions: sessions)), by: \.sessionId)
                .mapValues { $0.map(\.body) }
        }
        let few = bySession(100)
        let many = bySession(200)
        for (sessionId, bodies) in few { #expect(many[sessionId] == bodies) }
    }

    @Test func `every flow comes and every body is an event`() throws {
        var flows: Set<SessionFlow> = []
        var names: Set<String> = []
        var lastArrival = Instant.earliest
        var late = 0
        var latest: [String: Instant] = [:]
        var repeats = 0
        var seen: Set<[UInt8]> = []
        for delivery in HistoryGenerator(options(sessions: 3000)) {
            let event = try SessionEvent.decode(delivery.body)
            #expect(event.sessionId == delivery.sessionId)
            #expect(event.sessionId.utf8.count == 11)
            #expect(!delivery.body.contains(UInt8(ascii: "\n")))
            #expect(delivery.deliveredAt >= lastArrival)
            lastArrival = delivery.deliveredAt
            flows.insert(delivery.flow)
            names.insert(event.name.text)
            if event.timestamp < latest[event.sessionId] ?? .earliest { late += 1 }
            latest[event.sessionId] = max(latest[event.sessionId] ?? .earliest, event.timestamp)
            if !seen.insert(delivery.body).inserted { repeats += 1 }
        }
        #expect(flows == Set(SessionFlow.allCases))
        #expect(names.count == 7)
        #expect(latest.count > 2900)
        #expect(late > 50)
        #expect(repeats > 50)
    }

    @Test func `a small window bounds what is held back`() {
        var small = options(sessions: 500)
        small.pendingMax = 16
        let bounded = HistoryGenerator(small).map(\.body)
        let unbounded = HistoryGenerator(options(sessions: 500)).map(\.body)
        #expect(bounded != unbounded)
        #expect(Set(bounded) == Set(unbounded))
        #expect(bounded.count == unbounded.count)
    }

    @Test func `no sessions, no deliveries`() {
        #expect(HistoryGenerator(options(sessions: 0)).map(\.body).isEmpty)
    }

    @Test func `variants are the same fact`() throws {
        var all = options(sessions: 400)
        all.repeatShare = 0.5
        all.variantShare = 1
        var records: [String: SessionRecord] = [:]
        var bodies: Set<[UInt8]> = []
        var position: Int64 = 0
        for delivery in HistoryGenerator(all) {
            position += 1
            bodies.insert(delivery.body)
            let event = try SessionEvent.decode(delivery.body)
            records[event.sessionId, default: SessionRecord(sessionId: event.sessionId)]
                .apply(event, position: position, receivedAt: delivery.deliveredAt)
        }
        let facts = records.values.reduce(0) { $0 + $1.facts.count }
        #expect(bodies.count > facts + 200)
        for record in records.values { #expect(record.state.version <= 5) }
    }
}
