internal import Base
import SessionModel

/// The calls of the API. The caller has let everything happen that was due before.
extension World {
    enum StartAnswer: Sendable, Equatable {
        case session(String)
        case mustSign(clientSecret: String)
    }

    mutating func start(user: String, connector: String, at time: Int64) throws(Refusal) -> StartAnswer {
        guard catalog.places[connector] != nil else { throw .unknownConnector }
        let blocked = blockedSeconds(connector, at: time)
        if let blocked, options.refusesBlockedStarts { throw .connectorBlocked(secondsLeft: blocked) }
        if blocked == nil, mustSign(user) {
            let hash = StableHash.of("secret", user, "\(options.seed)")
            return .mustSign(clientSecret: "seti_\(String(hash, radix: 16))_secret_sandbox")
        }
        let number = try add(user: user, connector: connector, kind: .remote, at: time)
        if blocked != nil {
            // The attempt is stored, the operator never hears of it.
            let stamp = clock.stamp(at: time)
            modify(number, { $0.apply(.failToStart, at: time, stamp: stamp) }, at: time)
        } else {
            noteStart(at: connector, time)
            carryOut(.init(next: [(300_000, .askOperator)]), for: number, at: time)
        }
        return .session(sessions[number].sessionId)
    }

    mutating func stop(user: String, sessionId: String, at time: Int64) throws(Refusal) {
        let number = try number(of: sessionId, userId: user)
        guard sessions[number].kind == .remote else { throw .notRemote }
        let stamp = clock.stamp(at: time)
        modify(number, { $0.requestStop(stamp) }, at: time)
    }

    mutating func retryPayment(user: String, sessionId: String) throws(Refusal) {
        let number = try number(of: sessionId, userId: user)
        var isDone = false
        modify(
            number,
            {
                isDone = $0.retryPayment()
                return .init()
            }, at: 0)
        guard isDone else { throw .notInDebt }
    }

    /// A signed URL that leads nowhere.
    func receipt(user: String, sessionId: String, at time: Int64) throws(Refusal) -> String {
        let session = sessions[try number(of: sessionId, userId: user)]
        guard session.isPaid else { throw .noReceipt }
        let expires = clock.stamp(at: time).adding(seconds: 900).seconds
        let signature = StableHash.of("receipt", sessionId, "\(expires)")
        return "https://receipts.sandbox.invalid/\(sessionId).pdf?expires=\(expires)"
            + "&signature=\(String(signature, radix: 16))"
    }

    struct HistoryQuery: Sendable {
        var statuses = ["COMPLETE"]
        var chargingKeyId: String?
        var startTime: Instant?
        var endTime: Instant?
        /// The number of the last session of the page before.
        var before: Int?
        var limit = 50
    }

    /// A page of a user's sessions, the latest first, and the cursor of the next page.
    func history(user: String, _ query: HistoryQuery) -> (numbers: [Int], cursor: Int?) {
        var found: [Int] = []
        for session in sessions[..<min(query.before ?? sessions.count, sessions.count)].reversed()
        where session.userId == user && query.statuses.contains(session.status.name) {
            if let key = query.chargingKeyId, key != session.chargingKeyId { continue }
            // Both bounds are inclusive, and on the session's start: one that has none is in no interval.
            if query.startTime != nil || query.endTime != nil {
                guard let start = session.startTime, start >= query.startTime ?? .earliest,
                    start <= query.endTime ?? .latest
                else { continue }
            }
            if found.count == query.limit { return (found, found.last) }
            found.append(session.number)
        }
        return (found, nil)
    }

    /// Whether the API is down at a time.
    func isDown(at time: Int64) -> Bool {
        let api = chaos.api
        if api.outage >= 1 { return true }
        guard api.outageEverySeconds > 0 else { return false }
        // The first outage ends the first period.
        let phase = (Double(time) / 1e6).truncatingRemainder(dividingBy: api.outageEverySeconds)
        return phase >= api.outageEverySeconds - api.outageSeconds
    }
}

/// What a test does that the API can't.
extension World {
    enum Intervention: String, Sendable, CaseIterable {
        /// The driver ends it at the charger.
        case unplug
        case fee, debt, refund, cdr
    }

    /// A session that begins at the charger, with a card.
    mutating func startLocally(user: String, connector: String, at time: Int64) throws(Refusal) -> Int {
        let number = try add(user: user, connector: connector, kind: .local, at: time)
        carryOut(.init(next: [(300_000, .start)]), for: number, at: time)
        return number
    }

    /// A session as if started through the API, without its block of the connector.
    mutating func startRemotely(user: String, connector: String, at time: Int64) throws(Refusal) -> Int {
        let number = try add(user: user, connector: connector, kind: .remote, at: time)
        carryOut(.init(next: [(300_000, .askOperator)]), for: number, at: time)
        return number
    }

    /// - Returns: false where the session is not in a state for it.
    mutating func intervene(_ intervention: Intervention, sessionId: String, at time: Int64) throws(Refusal) -> Bool {
        let number = try number(of: sessionId)
        let before = sessions[number]
        let stamp = clock.stamp(at: time)
        switch intervention {
        case .unplug:
            guard before.isRunning else { return false }
            modify(number, { $0.apply(.stop, at: time, stamp: stamp) }, at: time)
        case .fee:
            guard before.isRunning else { return false }
            modify(number, { $0.apply(.incurFee, at: time, stamp: stamp) }, at: time)
        case .debt:
            guard before.status != .refunded, before.status != .failed else { return false }
            modify(
                number,
                {
                    $0.makeDebt()
                    return .init()
                }, at: time)
        case .refund:
            guard before.status == .complete else { return false }
            modify(number, { $0.apply(.refund, at: time, stamp: stamp) }, at: time)
        case .cdr:
            guard before.isPriced else { return false }
            sendDetailRecord(of: number, at: time)
        }
        return true
    }
}
