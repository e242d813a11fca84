/// Keeps calls back while the API is down: a value without a clock of its own.
///
/// Closed: all calls pass; so many outages in a row open it. Open: no call passes until a time. Half-open: one call at a
/// time passes as a probe; its success closes the breaker, its failure opens it again, for twice as long as before.
package struct CircuitBreaker: Sendable {
    package struct Settings: Sendable, Hashable {
        /// Outages in a row that open the breaker.
        package var failuresMax = 5
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

    /// Leave to make one call. To be given back by ``record(_:isOutage:now:)`` once the call has ended.
    package struct Permit: Sendable, Hashable {
        let isProbe: Bool
        /// Permits of an earlier state no longer count.
        let epoch: Int
    }

    package private(set) var state = State.closed
    private let settings: Settings
    private var failures = 0
    private var openFor: UInt64
    private var epoch = 0

    package init(_ settings: Settings = Settings()) {
        self.settings = settings
        openFor = settings.openNanoseconds
    }

    /// Asks whether a call may be made now.
    ///
    /// - Returns: the permit, or nil; see ``refusedFor(now:)``.
    package mutating func admit(now: UInt64) -> Permit? {
        if case .open(let until) = state, now >= until { state = .halfOpen(isProbing: false) }
        switch state {
        case .closed: return Permit(isProbe: false, epoch: epoch)
        case .open, .halfOpen(isProbing: true): return nil
        case .halfOpen(isProbing: false):
            state = .halfOpen(isProbing: true)
            return Permit(isProbe: true, epoch: epoch)
        }
    }

    /// How long calls are kept back from now on, in nanoseconds; nil when one would be admitted.
    package func refusedFor(now: UInt64) -> UInt64? {
        switch state {
        case .closed, .halfOpen(isProbing: false): nil
        case .open(let until): until > now ? until - now : nil
        case .halfOpen(isProbing: true): 1_000_000_000
        }
    }

    /// Takes note of how a call ended.
    ///
    /// - Parameter isOutage: the API itself failed; false where it answered anything of sense, 4xx included.
    /// - Returns: whether the state has changed its kind.
    @discardableResult
    package mutating func record(_ permit: Permit, isOutage: Bool, now: UInt64) -> Bool {
        // A call that was sent before the breaker opened proves nothing about now.
        guard permit.epoch == epoch else { return false }
        guard isOutage else {
            failures = 0
            openFor = settings.openNanoseconds
            defer { state = .closed }
            if permit.isProbe { epoch += 1 }
            return permit.isProbe
        }
        failures += 1
        guard permit.isProbe || failures >= settings.failuresMax else { return false }
        state = .open(until: now + openFor)
        openFor = min(openFor * 2, settings.openNanosecondsMax)
        failures = 0
        epoch += 1
        return true
    }
}
