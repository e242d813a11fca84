import HTTPServer
import HTTPServerTestSupport
import Testing

/// The same bytes, split in any way over reads, give the same requests and the same errors.
@Suite struct SplitTests {
    @Test func `every case of the corpus split in two and byte by byte`() throws {
        for test in try CorpusCase.load() {
            let bytes = test.bytes
            let whole = ParserHarness.outcomes(of: [bytes])
            if bytes.count <= 20_000 {
                #expect(ParserHarness.outcomes(of: bytes.map { [$0] }) == whole, "\(test.name) byte by byte")
            }
            guard bytes.count <= 400 else { continue }
            // A prime stride over the longer ones keeps the test short; every position occurs in some case.
            for position in stride(from: 0, through: bytes.count, by: bytes.count <= 80 ? 1 : 7) {
                let halves = [bytes[..<position], bytes[position...]]
                #expect(ParserHarness.outcomes(of: halves) == whole, "\(test.name) split at \(position)")
            }
        }
    }

    @Test(arguments: 0..<5) func `cases joined and split at random`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let cases = try CorpusCase.load().filter { $0.bytes.count <= 2_000 }
        for _ in 0..<100 {
            let bytes = (0..<3).flatMap { _ in cases.randomElement(using: &generator)?.bytes ?? [] }
            let whole = ParserHarness.outcomes(of: [bytes])
            var pieces: [ArraySlice<UInt8>] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...min(64, rest.count), using: &generator)
                pieces.append(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            #expect(ParserHarness.outcomes(of: pieces) == whole)
        }
    }

    @Test(arguments: 0..<5) func `mutated cases under the fuzzer's entry`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let cases = try CorpusCase.load().filter { (1...600).contains($0.bytes.count) }
        for _ in 0..<200 {
            var bytes = cases.randomElement(using: &generator)?.bytes ?? []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[position] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes.withUnsafeBytes { ParserHarness.fuzz($0) }
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
