import Testing

@testable import SessionModel

struct FrontierTests {
    @Test(
        arguments: [
            ([:], "0"), ([1: 17, 2: 5], "a17.b5"), ([26: 1, 27: 2, 52: 3, 703: 4], "z1.aa2.az3.aaa4"),
            ([3: 999_999_999_999_999_999], "c999999999999999999"), ([475_255: 1, 12_356_630: 7], "aaaaa1.zzzzz7"),
        ] as [([Int: Int64], String)])
    func `a frontier is written and read`(sequences: [Int: Int64], text: String) {
        #expect(Frontier(sequences).text == text)
        #expect(Frontier(text) == Frontier(sequences))
    }

    @Test(arguments: [
        "", "a", "17", "a0", "a017", "a-1", "a+1", "A1", "a1.", ".a1", "a1..b2", "b1.a2", "a1.a2", "a1b2", "a1 .b2",
        "00",
        "abcdefg1", "a1000000000000000000", "ä1", "a1.b٣",
    ])
    func `another text is none`(text: String) {
        #expect(Frontier(text) == nil)
    }

    @Test func `a text with too many origins, or too long, is none`() {
        let names = (1...Frontier.originsMax + 1).map { Frontier([$0: 1]).text }
        #expect(Frontier(names.dropLast().joined(separator: ".")) != nil)
        #expect(Frontier(names.joined(separator: ".")) == nil)
        #expect(Frontier("a1" + String(repeating: "0", count: 100_000)) == nil)
    }

    @Test func `what two have seen together is covered by neither alone`() {
        let (left, right) = (Frontier([1: 5, 2: 9]), Frontier([1: 7, 3: 1]))
        let both = left.joined(with: right)
        #expect(both == Frontier([1: 7, 2: 9, 3: 1]))
        #expect(both.covers(left) && both.covers(right) && !left.covers(both) && !right.covers(left))
        #expect(both.covers(3, 1) && !both.covers(3, 2) && !both.covers(4, 1))
    }
}
