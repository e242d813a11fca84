import Testing

@testable import Replication

@Suite struct AcceptanceTests {
    @Test(
        arguments: [
            ([], [10..<20]),
            ([0..<30], []),
            ([10..<20], []),
            ([0..<5, 20..<30], [10..<20]),
            ([0..<12], [12..<20]),
            ([18..<30], [10..<18]),
            ([12..<14, 15..<16], [10..<12, 14..<15, 16..<20]),
            ([0..<15, 3..<4, 12..<17], [17..<20]),
            ([12..<12], [10..<20]),
        ] as [([Range<Int64>], [Range<Int64>])]
    ) func `a gap is what no receiver has accepted in`(accepted: [Range<Int64>], gaps: [Range<Int64>]) {
        #expect(Acceptance.gaps(in: 10..<20, beside: accepted) == gaps)
    }
}
