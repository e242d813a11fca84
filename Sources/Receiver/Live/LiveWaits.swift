import Base
import HTTPServer
import SessionModel
import SessionStore

/// Long polls of sessions.
struct LiveWaits: Sendable {
    let store: any SessionStore
    let hub: LiveHub
    let places: LivePlaces
    let renderer: SessionRenderer
    let clock: @Sendable () -> Instant

    /// Answers when the session has a higher version than the client.
    ///
    /// It ends with the token at the latest, and then is answered as a request that comes after it.
    func wait(
        for id: String, _ wait: SessionWait, _ grant: AccessGrant, _ isOurs: @escaping @Sendable (SessionUsers) -> Bool,
        _ exchange: Exchange
    ) {
        guard let share = places.take(grant) else { return exchange.respond(Response(.tooManyStreams)) }
        let key = SessionKey(id)
        let waiter = hub.wait(
            LiveWaiter(
                key: key, version: wait.version,
                endsAtMicroseconds: hub.elapsedMicroseconds + wait.milliseconds * 1000,
                expiresAt: grant.expiresAt, isOurs: isOurs
            ) { [self, share] record in
                // Held for as long as the wait is.
                defer { withExtendedLifetime(share) {} }
                if grant.hasExpired(clock()) { return exchange.respond(Response(.expiredToken)) }
                if let record { return exchange.respond(renderer.response(record, now: clock())) }
                // The end of the wait: 304 where there is such a session, else 404.
                store.session(id) { [self] result in
                    exchange.respond(result, isShown: { isOurs(SessionUsers($0)) }) { record in
                        let answer = renderer.answer(record, now: clock())
                        if record.state.version > wait.version { return answer.response(Preconditions()) }
                        return .notModified(answer.tag)
                    }
                }
            })
        // Whoever closes waits no more; and of all who may have, nobody can tell.
        exchange.whenPeerCloses { [hub] in hub.leave(waiter, key) }
    }
}

/// The places of those who listen, in streams and long polls. Who sees their own sessions only, a phone, has a few; a service
/// many, though never all.
final class LivePlaces: Sendable {
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
