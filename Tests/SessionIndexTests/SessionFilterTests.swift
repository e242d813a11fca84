import Testing

@testable import SessionIndex

struct SessionFilterTests {
    @Test func `knows every session that was added, over several layers`() {
        let filter = SessionFilter()
        let hashes = (0..<400_000).map { SessionFilter.hash("session\($0)".utf8) }
        for hash in hashes { filter.insert(hash) }
        // A value that cannot be copied is no operand of `#expect`.
        let (count, missing) = (filter.count, hashes.count { !filter.mayContain($0) })
        #expect(count == hashes.count)
        #expect(missing == 0)
    }

    @Test func `errs seldom about those that were not`() {
        let filter = SessionFilter()
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
        let filter = SessionFilter(capacityMax: 131_072)
        for number in 0..<200_000 { filter.insert(SessionFilter.hash("session\(number)".utf8)) }
        let missing = (0..<200_000).count { !filter.mayContain(SessionFilter.hash("session\($0)".utf8)) }
        let bytes = filter.bytes
        #expect(missing == 0)
        #expect(bytes == 131_072 * 12 / 8)
    }

    @Test func `is the same after it was saved`() throws {
        let filter = SessionFilter()
        for number in 0..<200_000 { filter.insert(SessionFilter.hash("session\(number)".utf8)) }
        let bytes = filter.encoded
        let again = try #require(bytes.withUnsafeBytes { SessionFilter(decoding: $0) })
        #expect(again.count == 200_000 && again.encoded == bytes)
        for number in 0..<400_000 {
            let hash = SessionFilter.hash("session\(number)".utf8)
            #expect(again.mayContain(hash) == filter.mayContain(hash))
        }
        again.insert(1)
        #expect(again.mayContain(1) && again.count == 200_001)
    }

    @Test func `what is damaged is not read`() {
        let filter = SessionFilter()
        for number in 0..<100 { filter.insert(SessionFilter.hash("session\(number)".utf8)) }
        let bytes = filter.encoded
        func decoded(_ bytes: [UInt8]) -> SessionFilter? { bytes.withUnsafeBytes { SessionFilter(decoding: $0) } }
        #expect(decoded([]) == nil)
        #expect(decoded(Array(bytes.dropLast())) == nil)
        #expect(decoded(Array(bytes.dropLast(8))) == nil)
        for place in [0, 8, 16, 24, 5_000, bytes.count - 1] {
            var damaged = bytes
            damaged[place] ^= 1
            #expect(decoded(damaged) == nil, "\(place)")
        }
        #expect(decoded(SessionFilter().encoded)?.count == 0)
    }
}
