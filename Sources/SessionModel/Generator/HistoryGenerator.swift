package import Base

/// One delivery of a generated event.
package struct GeneratedDelivery: Sendable {
    package let sessionId: String
    package let flow: SessionFlow
    /// The body of the callback; one line, without a line break.
    package let body: [UInt8]
    /// When it arrives, on the clock of the generated world.
    package let deliveredAt: Instant
}

/// What the generator makes, and how unreliably it is delivered.
package struct GeneratorOptions: Sendable, Hashable {
    package var seed: UInt64 = 1
    package var sessions = 1000
    /// When the first session starts.
    package var startsAt = Instant(seconds: 1_749_726_000)
    /// On average, from the start of one session to that of the next.
    package var secondsBetweenSessions: Int64 = 2
    package var users = 10_000
    /// Shares of deliveries, 0 to 1.
    package var lateShare = 0.05
    package var missingShare = 0.02
    package var repeatShare = 0.05
    /// Share of repeats that write the same fact in another text form.
    package var variantShare = 0.25
    /// Deliveries held back so that they may come out of order; beyond that the earliest leaves at once, so that memory
    /// stays bounded whatever the other options are.
    package var pendingMax = 50_000

    package init() {}
}

/// Realistic histories of sessions (all flows of domain.md), seeded: the same options give the same bytes.
///
/// Streams: deliveries come in the order of their arrival, with no more than `pendingMax` of them in memory, however
/// many sessions there are. Session n has its own random numbers, so that it is the same whatever the number of sessions.
package struct HistoryGenerator: Sequence, IteratorProtocol, Sendable {
    private let options: GeneratorOptions
    private var pending = DeliveryQueue()
    private var nextSession = 0
    private var nextStart: Instant

    package init(_ options: GeneratorOptions) {
        self.options = options
        nextStart = options.startsAt
    }

    package mutating func next() -> GeneratedDelivery? {
        while nextSession < options.sessions, pending.count < options.pendingMax,
            pending.first.map({ $0.deliveredAt >= nextStart }) ?? true
        {
            addSession()
        }
        return pending.removeFirst()
    }

    private mutating func addSession() {
        let start = nextStart
        for delivery in Self.deliveries(session: nextSession, startingAt: start, options) { pending.insert(delivery) }
        var random = Self.random(options.seed, nextSession, stream: 1)
        nextStart = start.adding(seconds: random.between(0, options.secondsBetweenSessions * 2))
        nextSession += 1
    }

    /// The deliveries of one session, in the order of its events.
    package static func deliveries(
        session: Int, startingAt start: Instant, _ options: GeneratorOptions
    ) -> [GeneratedDelivery] {
        var random = random(options.seed, session, stream: 0)
        let flow = SessionFlow.pick(&random)
        let sessionId = sessionId(options.seed, session)
        var deliveries: [GeneratedDelivery] = []
        for event in events(flow, sessionId, start, options, &random) {
            if random.chance(options.missingShare) { continue }
            var arrival = event.timestamp.adding(seconds: delay(options, &random))
            deliveries.append(
                GeneratedDelivery(sessionId: sessionId, flow: flow, body: event.body(), deliveredAt: arrival))
            while random.chance(options.repeatShare) {
                arrival = arrival.adding(seconds: random.between(0, 900))
                let body = event.body(variant: random.chance(options.variantShare))
                deliveries.append(
                    GeneratedDelivery(sessionId: sessionId, flow: flow, body: body, deliveredAt: arrival))
            }
        }
        return deliveries
    }

    private static func delay(_ options: GeneratorOptions, _ random: inout SeededRandom) -> Int64 {
        random.chance(options.lateShare) ? random.between(30, 7200) : random.between(0, 3)
    }

    private static func random(_ seed: UInt64, _ session: Int, stream: UInt64) -> SeededRandom {
        var state = seed
        let base = SeededRandom.splitMix64(&state)
        return SeededRandom(seed: base ^ UInt64(session) << 2 ^ stream)
    }

    /// Eleven characters, as the Drive API's are; a bijection of the session's number, so that none comes twice.
    static func sessionId(_ seed: UInt64, _ session: Int) -> String {
        var state = UInt64(session) &+ seed &* 0x9E37_79B9_7F4A_7C15
        var value = SeededRandom.splitMix64(&state)
        let alphabet: StaticString = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        return String(unsafeUninitializedCapacity: 11) { text in
            for index in 0..<11 {
                text[index] = alphabet.utf8Start[Int(value % 62)]
                value /= 62
            }
            return 11
        }
    }

    private static func events(
        _ flow: SessionFlow, _ sessionId: String, _ start: Instant, _ options: GeneratorOptions,
        _ random: inout SeededRandom
    ) -> [GeneratedEvent] {
        let userId = "user-\(random.below(options.users))"
        let writesMicroseconds = random.chance(0.2)
        let offsetMinutes: Int? = random.chance(0.1) ? random.pick([0, 60, 120, -300, 330, -210]) : nil
        var timestamp = start.adding(seconds: random.between(2, 90))
        return flow.steps.enumerated().map { index, name in
            if index > 0 { timestamp = timestamp.adding(seconds: pause(name, &random)) }
            let fraction = writesMicroseconds ? Int32(random.below(1_000_000)) * 1000 : 0
            timestamp = Instant(seconds: timestamp.seconds, nanoseconds: fraction)
            let isFee = name == "SESSION_FEE_INCURRING"
            return GeneratedEvent(
                name: name, sessionId: sessionId, userId: isFee ? nil : userId, timestamp: timestamp,
                offsetMinutes: offsetMinutes, writesMicroseconds: writesMicroseconds,
                feeType: isFee ? random.pick(["BLOCKING", "PARKING", "OVERSTAY"]) : nil,
                feeWillApplyFrom: isFee ? Instant(seconds: timestamp.seconds + 600) : nil,
                hasUnknownFields: flow == .unknownFields)
        }
    }

    /// Seconds from the event before to the one of this name. Now and then none at all.
    private static func pause(_ name: String, _ random: inout SeededRandom) -> Int64 {
        if random.chance(0.02) { return 0 }
        return switch name {
        case "SESSION_COMPLETE", "SESSION_COMPLETED": random.between(1, 1800)
        case "SESSION_STOPPED": random.between(60, 14_400)
        case "SESSION_STARTED": random.between(5, 300)
        default: random.between(30, 3600)
        }
    }
}
