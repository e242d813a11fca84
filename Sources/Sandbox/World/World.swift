import SessionModel

/// Everything that exists in the sandbox, and what will happen when: a value. Time comes in with every call, in
/// microseconds of the sandbox's clock; callbacks come out.
///
/// Chance is decided for each session by itself, out of the seed, its user, its connector, and how often that user has
/// started there: so the same seed gives the same run, in whatever order requests of different users come in.
struct World: Sendable {
    enum Action: Sendable {
        case step(session: Int, Step)
        case send(Callback)
    }

    /// Why a request is refused.
    enum Refusal: Error, Sendable, Equatable {
        case unknownConnector, unknownSession, notRemote, notInDebt, noReceipt, tooManySessions
        case connectorBlocked(secondsLeft: Int)
    }

    let options: WorldOptions
    let catalog: Catalog
    var clock: SandboxClock
    var chaos: Chaos
    private(set) var sessions: [SandboxSession] = []
    private(set) var scheduler = Scheduler<Action>()
    private(set) var counts = WorldCounts()
    private var numbers: [String: Int] = [:]
    /// How often a user has started at a connector.
    private var starts: [String: Int] = [:]
    private var lastStart: [String: Int64] = [:]
    private var signed: Set<String> = []
    private var requests: [String: Int] = [:]
    private var outgoing: [Callback] = []

    init(_ options: WorldOptions, clock: SandboxClock) {
        self.options = options
        self.clock = clock
        chaos = options.chaos
        catalog = .stage(furtherChargers: options.furtherChargers)
    }

    /// When something happens next by itself.
    var nextDue: Int64? { scheduler.nextDue }

    /// Lets everything happen that is due by then, and hands out the callbacks that have become ready.
    mutating func advance(to time: Int64) -> [Callback] {
        while let (action, due) = scheduler.removeFirst(dueBy: time) {
            switch action {
            case .send(let callback): release(callback)
            case .step(let number, .sendDetailRecord): sendDetailRecord(of: number, at: due)
            case .step(let number, let step):
                let consequence = sessions[number].apply(step, at: due, stamp: clock.stamp(at: due))
                carryOut(consequence, for: number, at: due)
            }
        }
        defer { outgoing.removeAll() }
        return outgoing
    }

    /// How many things will still happen by themselves.
    var due: Int {
        scheduler.actions.count { action in
            switch action {
            case .send: true
            case .step(let session, let step): !sessions[session].isStale(step)
            }
        }
    }

    mutating func carryOut(_ consequence: SandboxSession.Consequence, for number: Int, at time: Int64) {
        for name in consequence.events { tell(name, of: number, at: time) }
        for (after, step) in consequence.next { scheduler.insert(.step(session: number, step), due: time + after) }
    }

    // MARK: Sessions

    func number(of sessionId: String, userId: String? = nil) throws(Refusal) -> Int {
        guard let number = numbers[sessionId], userId == nil || sessions[number].userId == userId else {
            throw .unknownSession
        }
        return number
    }

    mutating func modify(_ number: Int, _ change: (inout SandboxSession) -> SandboxSession.Consequence, at time: Int64)
    {
        let consequence = change(&sessions[number])
        carryOut(consequence, for: number, at: time)
    }

    /// A new session, CREATED.
    mutating func add(
        user: String, connector: String, kind: SandboxSession.Kind, at time: Int64
    ) throws(Refusal) -> Int {
        guard let place = catalog.places[connector] else { throw .unknownConnector }
        guard sessions.count < options.sessionsMax else { throw .tooManySessions }
        let pair = "\(user) \(connector)"
        let count = starts[pair, default: 0]
        starts[pair] = count + 1
        var random = SeededRandom(seed: options.seed ^ StableHash.of(user, connector, "\(count)"))
        var sessionId = Self.sessionId(&random)
        while numbers[sessionId] != nil { sessionId = Self.sessionId(&random) }
        let fate = SessionFate(&random, chaos.sessions)
        let number = sessions.count
        sessions.append(
            SandboxSession(
                number: number, sessionId: sessionId, userId: user, place: place, kind: kind, fate: fate,
                random: random, at: time, stamp: clock.stamp(at: time)))
        numbers[sessionId] = number
        return number
    }

    /// Eleven characters, as the API's.
    private static func sessionId(_ random: inout SeededRandom) -> String {
        let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        return String((0..<11).map { _ in random.pick(alphabet) })
    }

    /// How long starts at a connector are still blocked, in seconds, rounded up; nil: they are not.
    func blockedSeconds(_ connector: String, at time: Int64) -> Int? {
        guard let last = lastStart[connector] else { return nil }
        let left = last + Int64(options.blockSeconds * 1e6) - time
        return left > 0 ? Int((left + 999_999) / 1_000_000) : nil
    }

    mutating func noteStart(at connector: String, _ time: Int64) {
        lastStart[connector] = time
    }

    /// Whether the user must sign before this start. Signing is taken to be done once it has been asked for.
    mutating func mustSign(_ user: String) -> Bool {
        var random = SeededRandom(seed: options.seed ^ StableHash.of(user, "3ds"))
        guard user.contains("3ds") || random.chance(chaos.sessions.threeDS) else { return false }
        return signed.insert(user).inserted
    }

    /// The random numbers of a request: of its path, and how often that has been asked for.
    mutating func random(ofRequest path: String) -> SeededRandom {
        if requests.count > 200_000 { requests.removeAll() }
        let count = requests[path, default: 0]
        requests[path] = count + 1
        return SeededRandom(seed: options.seed ^ StableHash.of("request", path, "\(count)"))
    }

    // MARK: Callbacks

    /// Tells an event of a session, or has it fail to arrive, as chance will have it.
    private mutating func tell(_ name: String, of number: Int, at time: Int64) {
        let fate = CallbackFate(&sessions[number].random, chaos.callbacks)
        post(name, of: number, fate, at: time)
        if fate.isFollowedByUnknownEvent {
            var plain = fate
            plain.isFollowedByUnknownEvent = false
            plain.secret = .current
            plain.delays = [0]
            plain.isDropped = false
            post("SESSION_TARIFF_CHANGED", of: number, plain, at: time)
        }
    }

    private mutating func post(_ name: String, of number: Int, _ fate: CallbackFate, at time: Int64) {
        let session = sessions[number]
        let body = CallbackBody.event(
            name, sessionId: session.sessionId, userId: session.userId, timestamp: session.lastStamp,
            hasFraction: options.hasFraction)
        let callback = Callback(
            kind: .event, body: body, secret: fate.secret, session: number, index: session.callbacks.count)
        sessions[number].callbacks.append(CallbackRecord(name: name, timestamp: session.lastStamp, fate: fate))
        counts.events += 1
        if fate.isDropped { counts.dropped += 1 }
        for delay in fate.delays {
            // What leaves at once goes through the queue as well: one order for all.
            scheduler.insert(.send(callback), due: time + delay)
        }
    }

    /// A charge detail record, if the session has one and somebody wants it.
    mutating func sendDetailRecord(of number: Int, at time: Int64) {
        let session = sessions[number]
        guard options.sendsDetailRecords, session.isPriced else { return }
        let hash = StableHash.of("cdr", session.sessionId)
        let callback = Callback(
            kind: .detailRecord, body: session.detailRecord(requestId: "cdr-\(String(hash, radix: 16))"),
            secret: .current, session: number, index: session.callbacks.count)
        var fate = CallbackFate(&sessions[number].random, .init())
        fate.delays = [0]
        sessions[number].callbacks.append(
            CallbackRecord(name: "CHARGE_DETAIL_RECORD", timestamp: clock.stamp(at: time), fate: fate))
        scheduler.insert(.send(callback), due: time)
    }

    private mutating func release(_ callback: Callback) {
        sessions[callback.session].callbacks[callback.index].sent += 1
        counts.sent += 1
        outgoing.append(callback)
    }

    /// Takes note of how a callback ended. Events are never sent again; detail records are, every night for a week.
    ///
    /// - Parameter status: of the answer; nil where there was none.
    mutating func noteAnswer(_ status: Int?, to callback: Callback, at time: Int64) {
        sessions[callback.session].callbacks[callback.index].answers.append(status ?? 0)
        if status == 200 { counts.answered += 1 } else { counts.failed += 1 }
        guard callback.kind == .detailRecord, status != 200, callback.attempt < options.detailRecordRetries else {
            return
        }
        var again = callback
        again.attempt += 1
        scheduler.insert(.send(again), due: time + Int64(options.detailRecordRetrySeconds * 1e6))
    }
}

/// What a world is like.
package struct WorldOptions: Sendable {
    package var seed: UInt64 = 1
    package var chaos = Chaos.none
    package var furtherChargers = 0
    /// Microseconds in the timestamps of callbacks.
    package var hasFraction = false
    /// How long further starts at a connector are blocked after one.
    package var blockSeconds = 60.0
    /// Whether a blocked start is refused (409); else it is answered with a session that FAILED.
    package var refusesBlockedStarts = false
    package var sendsDetailRecords = false
    package var detailRecordRetrySeconds = 86_400.0
    package var detailRecordRetries = 7
    package var sessionsMax = 200_000

    package init() {}
}

/// What has been told.
struct WorldCounts: Sendable, Hashable {
    /// Events that callbacks were made for.
    var events = 0
    var dropped = 0
    /// Callbacks sent, repeats included.
    var sent = 0
    /// Answered with 200.
    var answered = 0
    /// Answered otherwise, or not at all.
    var failed = 0
}
