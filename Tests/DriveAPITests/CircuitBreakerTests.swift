import DriveAPI
import Testing

@Suite struct CircuitBreakerTests {
    private static let second: UInt64 = 1_000_000_000

    private func breaker(_ failuresMax: Int = 3) -> CircuitBreaker {
        var settings = CircuitBreaker.Settings()
        settings.failuresMax = failuresMax
        settings.openNanoseconds = 5 * Self.second
        settings.openNanosecondsMax = 12 * Self.second
        return CircuitBreaker(settings)
    }

    private func permit(_ breaker: inout CircuitBreaker, _ now: UInt64) throws -> CircuitBreaker.Permit {
        let permit = breaker.admit(now: now)
        return try #require(permit)
    }

    /// Whether that changed the kind of the state.
    private func changes(
        _ breaker: inout CircuitBreaker, _ permit: CircuitBreaker.Permit, isOutage: Bool, _ now: UInt64
    ) -> Bool {
        breaker.record(permit, isOutage: isOutage, now: now)
    }

    private func isRefused(_ breaker: inout CircuitBreaker, _ now: UInt64) -> Bool {
        breaker.admit(now: now) == nil
    }

    private func fail(_ breaker: inout CircuitBreaker, at now: UInt64) throws {
        let given = try permit(&breaker, now)
        breaker.record(given, isOutage: true, now: now)
    }

    @Test func `failures in a row open it, one success in between does not count as a row`() throws {
        var breaker = breaker()
        try fail(&breaker, at: 0)
        try fail(&breaker, at: 0)
        let given = try permit(&breaker, 0)
        #expect(!changes(&breaker, given, isOutage: false, 0))
        try fail(&breaker, at: 0)
        try fail(&breaker, at: 0)
        #expect(breaker.state == .closed)
        try fail(&breaker, at: 7)
        #expect(breaker.state == .open(until: 5 * Self.second + 7))
        #expect(isRefused(&breaker, 5 * Self.second - 1))
        #expect(breaker.refusedFor(now: 7) == 5 * Self.second)
    }

    @Test func `one probe at a time, whose success closes it`() throws {
        var breaker = breaker(1)
        try fail(&breaker, at: 0)
        let probe = try permit(&breaker, 5 * Self.second)
        #expect(breaker.state == .halfOpen(isProbing: true))
        #expect(isRefused(&breaker, 5 * Self.second))
        #expect(changes(&breaker, probe, isOutage: false, 5 * Self.second))
        #expect(breaker.state == .closed)
        #expect(breaker.refusedFor(now: 5 * Self.second) == nil)
    }

    @Test func `each failed probe doubles the pause, up to the limit, and a success resets it`() throws {
        var breaker = breaker(1)
        var now: UInt64 = 0
        for pause in [5, 10, 12, 12] as [UInt64] {
            try fail(&breaker, at: now)
            #expect(breaker.state == .open(until: now + pause * Self.second))
            now += pause * Self.second
        }
        let probe = try permit(&breaker, now)
        breaker.record(probe, isOutage: false, now: now)
        try fail(&breaker, at: now)
        #expect(breaker.state == .open(until: now + 5 * Self.second))
    }

    @Test func `what was sent before it opened proves nothing`() throws {
        var breaker = breaker(1)
        let early = try permit(&breaker, 0)
        let other = try permit(&breaker, 0)
        breaker.record(early, isOutage: true, now: 0)
        #expect(!changes(&breaker, other, isOutage: false, 1))
        #expect(breaker.state == .open(until: 5 * Self.second))
        // Nor can a late failure disturb the probe.
        let late = try permit(&breaker, 5 * Self.second)
        breaker.record(late, isOutage: false, now: 5 * Self.second)
        #expect(!changes(&breaker, other, isOutage: true, 5 * Self.second))
        #expect(breaker.state == .closed)
    }
}
