package import Base
package import Synchronization

/// What the reconciler counts. Safe from any thread.
package final class ReconciliationMetrics: Sendable {
    package let calls = Counter()
    /// Answers that told something new.
    package let news = Counter()
    package let unchanged = Counter()
    package let failures = Counter()
    /// Sessions that can't be asked about, because nobody has named their user.
    package let unaskable = Counter()
    /// Looks through users' histories for starts of unknown outcome.
    package let startSearches = Counter()
    package let startsFound = Counter()
    /// Settled sessions that were asked about once more.
    package let refundChecks = Counter()
    package let watched = Atomic<Int>(0)
    package let givenUp = Atomic<Int>(0)
    /// Sessions that are done with, and the calls that they took.
    package let done = Atomic<Int>(0)
    package let doneCalls = Atomic<Int>(0)

    package init() {}
}
