/// Parts of the session rows, by the time at which a session was first heard of.
///
/// An index over millions of random session ids is changed on another page for nearly every new session; an index whose
/// first column is the part of the session is changed only within the newest part, whose pages are few and warm. The
/// price is that a search has to know the part (`SessionDirectory`), or to look into each.
///
/// Thirty-two parts of one size follow each other, then thirty-two that are four times as large, and so on: their number
/// grows with the logarithm of the log.
struct SessionPart: Sendable {
    static let partsPerSize = 32
    /// Log positions in one of the first parts.
    let positionsMin: Int64

    /// The part of a session by its number (the log position of its first delivery).
    func part(of number: Int64) -> Int {
        var rest = max(number, 1) - 1
        var size = max(positionsMin, 1)
        var part = 0
        while rest / size >= Self.partsPerSize {
            rest -= size * Int64(Self.partsPerSize)
            part += Self.partsPerSize
            let (larger, overflow) = size.multipliedReportingOverflow(by: 4)
            if overflow { break }
            size = larger
        }
        return part + Int(rest / size)
    }
}
