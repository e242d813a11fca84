import Testing

@testable import SessionStore

@Suite struct SessionFilterTests {
    @Test func `knows every session that was added, over several layers`() {
        var filter = SessionFilter()
        let hashes = (0..<400_000).map { SessionFilter.hash("session\($0)".utf8) }
        for hash in hashes { filter.insert(hash) }
        // A value that cannot be copied is no operand of `#expect`.
        let (count, missing) = (filter.count, hashes.count { !filter.mayContain($0) })
        #expect(count == hashes.count)
        #expect(missing == 0)
    }

    @Test func `errs seldom about those that were not`() {
        var filter = SessionFilter()
        // Full layers, where it errs most often.
        for number in 0..<(131_072 * 5) { filter.insert(SessionFilter.hash("session\(number)".utf8)) }
        let errors = (0..<100_000).count { filter.mayContain(SessionFilter.hash("other\($0)".utf8)) }
        #expect(errors < 3_000, "\(errors) of 100,000")
        let bytes = filter.bytes
        #expect(bytes == 131_072 * 5 * 12 / 8)
    }

    @Test func `contains nothing at first`() {
        let filter = SessionFilter()
        let (contains, bytes) = (filter.mayContain(SessionFilter.hash("a".utf8)), filter.bytes)
        #expect(!contains)
        #expect(bytes == 0)
    }

    @Test func `beyond its memory it goes on and errs more`() {
        var filter = SessionFilter(capacityMax: 131_072)
        for number in 0..<200_000 { filter.insert(SessionFilter.hash("session\(number)".utf8)) }
        let missing = (0..<200_000).count { !filter.mayContain(SessionFilter.hash("session\($0)".utf8)) }
        let bytes = filter.bytes
        #expect(missing == 0)
        #expect(bytes == 131_072 * 12 / 8)
    }
}
