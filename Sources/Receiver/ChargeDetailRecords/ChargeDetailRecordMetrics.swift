package import Base

/// What is counted of charge detail records. Safe from any thread.
package final class ChargeDetailRecordMetrics: Sendable {
    package let accepted = Counter()
    package let duplicates = Counter()
    /// Not authentic (403).
    package let refused = Counter()
    /// No record (400).
    package let invalid = Counter()
    /// Not durable (500).
    package let failed = Counter()

    package init() {}
}
