/// Partitions of the session rows, by the time at which a session was first heard of.
///
/// An index over millions of random session ids is changed on another page for nearly every new session; an index whose
/// first column is the partition of the session is changed only within the newest partition, whose pages are few and warm. The
/// price is that a search has to know the partition (`PartitionFilters`), or to look into each.
///
/// Thirty-two partitions of one size follow each other, then thirty-two that are four times as large, and so on: their number
/// grows with the logarithm of the log.
struct Partitioning: Sendable {
    static let partitionsPerSize = 32
    /// Log positions in one of the first partitions.
    let positionsMin: Int64

    /// The partition of a session by its number (the log position of its first delivery).
    func partition(of number: Int64) -> Int {
        var rest = max(number, 1) - 1
        var size = max(positionsMin, 1)
        var partition = 0
        while rest / size >= Self.partitionsPerSize {
            rest -= size * Int64(Self.partitionsPerSize)
            partition += Self.partitionsPerSize
            let (larger, overflow) = size.multipliedReportingOverflow(by: 4)
            if overflow { break }
            size = larger
        }
        return partition + Int(rest / size)
    }
}
