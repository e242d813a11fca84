package import SessionModel

/// Keeps calls back while the API is down: a value without a clock of its own.
///
/// Closed: all calls pass; so many outages in a row, of so many users, open it. Open: no call passes until a time.
/// Half-open: one call at a time passes as a probe; its success closes the breaker, its failure opens it again, for twice as
/// long as before. A probe that fails for one user proves nothing for the others: until it has failed for as many users as
/// it takes to open, those for whom none has failed yet may make the next one at once.
package struct CircuitBreaker: Sendable {
    package struct Settings: Sendable, Hashable {
        /// Outages in a row that open the breaker.
        package var failuresMax = 5
        /// Users among whose calls they must be, where an outage may be of one user's making.
        package var usersMin = 3
        /// How long it stays open the first time, in nanoseconds; doubles with each failed probe.
        package var openNanoseconds: UInt64 = 5_000_000_000
        /// The longest that it stays open.
        package var openNanosecondsMax: UInt64 = 60_000_000_000

        package init() {}
    }

    package enum State: Sendable, Hashable {
        case closed
        /// Until that time, in nanoseconds of the monotonic clock.
        case open(until: UInt64)
        case halfOpen(isProbing: Bool)

        /// For logs and metrics.
        package var name: StaticString {
            switch self {
            case .closed: "closed"
            case .open: "open"
            case .halfOpen: "half-open"
            }
        }
    }

    /// Leave to make one call. To be given back by ``record(_:isOutage:of:now:)`` once the call has ended.
    package struct Permit: Sendable, Hashable {
        let isProbe: Bool
        /// Permits of an earlier state no longer count.
        let epoch: Int
    }

    package private(set) var state = State.closed
    private let settings: Settings
    private var failures = 0
    /// Of whom the failures in a row were, as many as matter.
    private var failing: Set<SessionKey> = []
    /// A failure in that row was not of one user's making.
    private var failsForAll = false
    /// Whose probes have failed since the breaker was last open for all.
    private var probers: Set<SessionKey> = []
    private var openFor: UInt64
    private var epoch = 0

    package init(_ settings: Settings = Settings()) {
        self.settings = settings
        openFor = settings.openNanoseconds
    }

    /// Asks whether a call may be made now.
    ///
    /// - Parameter user: whose it is; nil: nobody's in particular.
    /// - Returns: the permit, or nil; see ``refusedFor(_:now:)``.
    package mutating func admit(_ user: SessionKey? = nil, now: UInt64) -> Permit? {
        guard refusedFor(user, now: now) == nil else { return nil }
        if case .closed = state { return Permit(isProbe: false, epoch: epoch) }
        state = .halfOpen(isProbing: true)
        return Permit(isProbe: true, epoch: epoch)
    }

    /// How long calls are kept back from now on, in nanoseconds; nil when one would be admitted.
    package func refusedFor(_ user: SessionKey? = nil, now: UInt64) -> UInt64? {
        switch state {
        case .closed, .halfOpen(isProbing: false): return nil
        case .open(let until):
            let mayProbe = !probers.isEmpty && user.map { !probers.contains($0) } ?? true
            return until > now && !mayProbe ? until - now : nil
        case .halfOpen(isProbing: true): return 1_000_000_000
        }
    }

    /// Takes note of how a call ended.
    ///
    /// - Parameters:
    ///   - isOutage: the API itself failed; false where it answered anything of sense, 4xx included.
    ///   - user: of whose making an outage may be; nil: of nobody's.
    /// - Returns: whether the state has changed its kind.
    @discardableResult
    package mutating func record(
        _ permit: Permit, isOutage: Bool, of user: SessionKey? = nil, now: UInt64
    ) -> Bool {
        // A call that was sent before the breaker opened proves nothing about now.
        guard permit.epoch == epoch else { return false }
        guard isOutage else {
            forgetFailures()
            probers = []
            openFor = settings.openNanoseconds
            defer { state = .closed }
            if permit.isProbe { epoch += 1 }
            return permit.isProbe
        }
        if permit.isProbe { return probeFailed(user, now) }
        failures += 1
        if let user { note(user, in: &failing) } else { failsForAll = true }
        guard failures >= settings.failuresMax, failsForAll || failing.count >= settings.usersMin else { return false }
        open(for: openFor, now)
        openFor = min(openFor * 2, settings.openNanosecondsMax)
        return true
    }

    private mutating func probeFailed(_ user: SessionKey?, _ now: UInt64) -> Bool {
        if let user { note(user, in: &probers) }
        guard user == nil || probers.count >= settings.usersMin else {
            open(for: settings.openNanoseconds, now)
            return true
        }
        probers = []
        open(for: openFor, now)
        openFor = min(openFor * 2, settings.openNanosecondsMax)
        return true
    }

    private mutating func open(for nanoseconds: UInt64, _ now: UInt64) {
        state = .open(until: now + nanoseconds)
        forgetFailures()
        epoch += 1
    }

    private mutating func forgetFailures() {
        failures = 0
        failing = []
        failsForAll = false
    }

    private func note(_ user: SessionKey, in users: inout Set<SessionKey>) {
        if users.count < settings.usersMin { users.insert(user) }
    }
}
