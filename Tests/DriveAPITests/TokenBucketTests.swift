import Testing

@testable import DriveAPI

/// The rate limit's arithmetic; times are nanoseconds.
struct TokenBucketTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func `a burst and then the rate`() {
        var bucket = TokenBucket(perSecond: 10, burst: 3)
        let now = 5 * Self.second
        for _ in 0..<3 {
            #expect(bucket.nextAt(now: now) == now)
            bucket.take(now: now)
        }
        #expect(bucket.nextAt(now: now) == now + Self.second / 10)
        #expect(bucket.nextAt(now: now + Self.second) == now + Self.second)
    }

    /// Those who do not wait leave a debt, but not for ever.
    @Test(arguments: [0.1, 10, 1_000])
    func `a debt is forgotten soon after its maker has ended`(perSecond: Double) {
        var bucket = TokenBucket(perSecond: perSecond, burst: 3)
        let now = 5 * Self.second
        for _ in 0..<100_000 { bucket.take(now: now) }
        let perToken = UInt64(1e9 / perSecond)
        let wait = bucket.nextAt(now: now) - now
        #expect(wait > 0 && wait <= Self.second + 2 * perToken)
    }
}
