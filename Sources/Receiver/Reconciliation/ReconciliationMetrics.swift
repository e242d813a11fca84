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
    package let watched = Atomic<Int>(0)
    package let givenUp = Atomic<Int>(0)

    package init() {}
}
