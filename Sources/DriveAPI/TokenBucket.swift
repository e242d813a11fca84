/// A rate limit: a value without a clock of its own. Times are nanoseconds of the monotonic clock.
struct TokenBucket: Sendable {
    private let nanosecondsPerToken: UInt64
    private let burst: Int
    /// When the bucket would be (or was) full but for what has been taken: one number holds the whole state (GCRA).
    private var fullAt: UInt64 = 0

    /// - Parameters:
    ///   - perSecond: the rate that is allowed for long.
    ///   - burst: how many may come at once after a pause.
    init(perSecond: Double, burst: Int) {
        nanosecondsPerToken = UInt64(1e9 / max(perSecond, 0.001))
        self.burst = max(burst, 1)
    }

    /// When the next token can be taken; not later than `now` where there is one.
    func nextAt(now: UInt64) -> UInt64 {
        let room = nanosecondsPerToken * UInt64(burst - 1)
        let full = max(fullAt, now)
        return full - now <= room ? now : full - room
    }

    /// Takes a token, also where there is none left: those who must not wait leave a debt to the others, which is forgotten
    /// beyond a second: it must not outlast whoever has made it.
    mutating func take(now: UInt64) {
        let debtMax = nanosecondsPerToken * UInt64(burst) + max(1_000_000_000, nanosecondsPerToken)
        fullAt = min(max(fullAt, now) + nanosecondsPerToken, now + debtMax)
    }
}
