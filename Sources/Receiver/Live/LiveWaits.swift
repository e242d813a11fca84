import Base
import HTTPServer
import SessionModel
import SessionStore

/// Long polls of sessions.
struct LiveWaits: Sendable {
    let store: any SessionStore
    let others: Others
    let hub: LiveHub
    let slots: LiveSlots
    let renderer: SessionRenderer
    let clock: @Sendable () -> Instant

    /// Answers when the session has a higher version than the client.
    ///
    /// It ends with the token at the latest, and then is answered as a request that comes after it.
    func wait(
        for id: String, _ wait: SessionWait, _ grant: AccessGrant, _ isOurs: @escaping @Sendable (SessionUsers) -> Bool,
        _ exchange: Exchange
    ) {
        guard let share = slots.take(grant) else { return exchange.respond(Response(.tooManyStreams)) }
        let key = SessionKey(id)
        let stage = Locked(Stage.asking)
        // Whoever closes waits no more; and of all who may have, nobody can tell.
        exchange.whenPeerCloses { [hub] in
            let before = stage.withLock { stage in
                defer { stage = .left }
                return stage
            }
            if case .waiting(let waiter) = before { hub.leave(waiter, key) }
        }
        // The answer says whether they could be asked when it comes.
        others.whenCurrent(exchange) { [self] _ in
            let waiter = begin(key, wait, grant, isOurs, share, exchange)
            let hasLeft = stage.withLock { stage in
                if case .left = stage { return true }
                stage = .waiting(waiter)
                return false
            }
            if hasLeft { hub.leave(waiter, key) }
        }
    }

    /// How far a wait is: the others are asked first.
    private enum Stage {
        case asking
        case waiting(UInt64)
        /// The client is gone.
        case left
    }

    private func begin(
        _ key: SessionKey, _ wait: SessionWait, _ grant: AccessGrant,
        _ isOurs: @escaping @Sendable (SessionUsers) -> Bool, _ share: Share, _ exchange: Exchange
    ) -> UInt64 {
        hub.wait(
            LiveWaiter(
                key: key, version: wait.version,
                endsAtMicroseconds: hub.elapsedMicroseconds + wait.milliseconds * 1000,
                grant: grant, isOurs: isOurs
            ) { [self, share] ending in
                // Held for as long as the wait is.
                defer { withExtendedLifetime(share) {} }
                switch ending {
                case .tokenEnded: return exchange.respond(Response(.expiredToken))
                case _ where grant.hasExpired(clock()): return exchange.respond(Response(.expiredToken))
                case .changed(let record) where !others.readStrictly:
                    return exchange.respond(renderer.response(record, now: clock()))
                case .changed, .over: break
                }
                // Something has happened: with all that others have acknowledged meanwhile. Or the end of the wait: 304
                // where there is such a session, else 404.
                others.whenCurrent(exchange) { [self] exchange in
                    others.lookUp(key.sessionId, in: store, exchange) { [self] result, exchange in
                        exchange.respond(result, isShown: { isOurs(SessionUsers($0)) }) { record in
                            let answer = renderer.answer(record, now: clock())
                            if record.state.version > wait.version { return answer.response(Preconditions()) }
                            return .notModified(answer.tag)
                        }
                    }
                }
            })
    }
}

/// The slots of those who listen, in streams and long polls. Who sees their own sessions only, a phone, has a few; a service
/// many, though never all.
final class LiveSlots: Sendable {
    private let hub: LiveHub
    private let shares = Shares()

    init(_ hub: LiveHub) {
        self.hub = hub
    }

    /// - Returns: nil where there is none left.
    func take(_ grant: AccessGrant) -> Share? {
        guard hub.hasRoom else { return nil }
        let all = hub.options.subscribersMax
        let most = grant.allowsEverything ? all - all / 8 : min(hub.options.subscribersOfUserMax, max(1, all / 2))
        return shares.take(grant.principal, atMost: most)
    }
}
