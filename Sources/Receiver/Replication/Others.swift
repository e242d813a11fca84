internal import Base
import HTTPServer
import Ledger
import Replication
import SessionIndex
import SessionModel
import SessionStore

/// The way to what other receivers have; nothing where there is only this one.
package struct Others: Sendable {
    let log: SharedLog?
    let erasures: SharedErasures?
    let claims: SharedClaims?
    let quarantine: SharedQuarantineWork?

    init(
        _ log: SharedLog?, erasures: SharedErasures?, claims: SharedClaims?, quarantine: SharedQuarantineWork?
    ) {
        self.log = log
        self.erasures = erasures
        self.claims = claims
        self.quarantine = quarantine
    }

    package init() { self.init(nil, erasures: nil, claims: nil, quarantine: nil) }

    /// Whether this receiver does what one of them does at a time. Without the database nobody does.
    var leads: Bool { log?.isLeader ?? true }

    /// Whether so much of theirs is still to come that queries would be answered wrongly.
    var isFarBehind: Bool { log?.isFarBehind == true }

    /// Whether there is no shared log.
    var areNone: Bool { log == nil }

    /// Runs `body` once a delivery is in the shared log, or that takes too long; at once, with nil, where there is none.
    /// - Parameter always: also where callbacks are answered without that.
    func acknowledge(
        _ outcome: IngestOutcome, always: Bool = false, _ body: @escaping @Sendable (Durability?) -> Void
    ) {
        guard let log else { return body(nil) }
        log.whenShipped(outcome.place.sequence, of: outcome.place.origin, always: always) { body($0) }
    }

    /// Tells of deliveries that are here whether they are in the shared log, as of now; nil where there is none.
    var durability: ((Place) -> String)? {
        guard let durability = log?.durability else { return nil }
        return { durability($0.sequence, $0.origin).rawValue }
    }

    // MARK: Downtimes

    /// Callbacks are accepted here, without a break.
    func accepted(since began: Instant, until: Instant) {
        log?.accepted(since: began.microsecondsSince1970, until: until.microsecondsSince1970)
    }

    /// Callbacks are not accepted here any more.
    func acceptanceEnded() { log?.acceptanceEnded() }

    /// Waits until every other receiver has had the time to say that it accepted callbacks at an instant.
    func awaitAcceptance(of instant: Instant, now: Instant) async {
        let end = instant.adding(seconds: SharedLog.acceptanceSeconds)
        let left = min(end.microseconds(since: now), SharedLog.acceptanceSeconds * 1_000_000)
        if left > 0 { try? await Task.sleep(for: .microseconds(left)) }
    }

    /// When in a downtime no receiver accepted; nil: nobody can say so.
    func gaps(of downtime: Downtime) async -> [Downtime.Gap]? {
        let time = (downtime.beganAt.microsecondsSince1970, downtime.endedAt.microsecondsSince1970)
        guard let log, time.0 < time.1 else { return nil }
        return try? await log.gaps(in: time.0..<time.1).map {
            Downtime.Gap(
                beganAt: Instant(microsecondsSince1970: $0.lowerBound),
                endedAt: Instant(microsecondsSince1970: $0.upperBound))
        }
    }

    // MARK: Reads

    /// Whether reads ask the others first.
    var readStrictly: Bool { log?.readsStrictly == true }

    /// Runs `body` once everything is folded here that any receiver has acknowledged as replicated, or at once where that
    /// is not asked for. The answer says so where nobody could say it in time.
    func whenCurrent(_ exchange: Exchange, _ body: @escaping @Sendable (Exchange) -> Void) {
        guard let log, log.readsStrictly else { return body(exchange) }
        ask(log, exchange, body)
    }

    /// The same for a stream, whose head no transformation sees.
    /// - Parameter isLocal: of `body`: nobody could say in time what the others have.
    func whenCurrent(_ body: @escaping @Sendable (_ isLocal: Bool) -> Void) {
        guard let log, log.readsStrictly else { return body(false) }
        log.whenCurrent { body($0 == .local) }
    }

    /// Looks a session up. That there is none is said only after the others were asked, whatever the configuration says of
    /// reads: a client may have started it at another receiver a moment ago.
    func lookUp(
        _ id: String, in store: any SessionStore, _ exchange: Exchange,
        _ completion: @escaping @Sendable (Result<SessionRecord?, StoreError>, Exchange) -> Void
    ) {
        store.session(id) { result in
            guard case .success(nil) = result, let log, !log.readsStrictly else { return completion(result, exchange) }
            ask(log, exchange) { exchange in
                store.session(id) { completion($0, exchange) }
            }
        }
    }

    private func ask(_ log: SharedLog, _ exchange: Exchange, _ body: @escaping @Sendable (Exchange) -> Void) {
        log.whenCurrent { consistency in
            guard consistency == .local else { return body(exchange) }
            var exchange = exchange
            let transform = exchange.transform
            exchange.transform = { given in
                var response = transform?(given) ?? given
                response.addLocalConsistency()
                return response
            }
            body(exchange)
        }
    }
}

extension Response {
    /// Says that it tells of what is here alone.
    mutating func addLocalConsistency() { add("Chargefold-Consistency", "local" as StaticString) }
}
