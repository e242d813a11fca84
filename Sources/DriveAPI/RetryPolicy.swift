internal import SessionModel

/// Whether and when a failed call is made again.
package struct RetryPolicy: Sendable, Hashable {
    /// Attempts in all; 1: never again.
    package var attemptsMax = 3
    /// The longest wait before the second attempt; doubles with each further one. The wait is a random part of it.
    package var backOffNanoseconds: UInt64 = 250_000_000
    package var backOffNanosecondsMax: UInt64 = 5_000_000_000

    package init() {}

    /// How long to wait before the next attempt, in nanoseconds; nil: give up.
    ///
    /// - Parameters:
    ///   - attempts: attempts made so far.
    ///   - left: nanoseconds until the deadline of the whole call: a wait that leads beyond it is no use.
    func delay(
        after error: DriveAPIError, of call: DriveAPICall, attempts: Int, left: UInt64, random: inout SeededRandom
    ) -> UInt64? {
        guard attempts < attemptsMax, error.isWorthRepeating, call.isSafe || !error.mayHaveBeenSent else { return nil }
        let doublings = min(attempts - 1, 20)
        let most = min(backOffNanoseconds << UInt64(doublings), backOffNanosecondsMax)
        var delay = UInt64(random.between(Int64(most / 4), Int64(most)))
        if let seconds = error.retryAfterSeconds {
            // As told, and a little more, so that not all come back at the same moment.
            delay = UInt64(max(seconds, 0)) * 1_000_000_000 + delay / 2
        }
        return delay < left ? delay : nil
    }
}

extension DriveAPIError {
    fileprivate var isWorthRepeating: Bool {
        switch code {
        case .unreachable, .timedOut, .connectionLost, .upstreamFailed, .rateLimited: true
        default: false
        }
    }
}
