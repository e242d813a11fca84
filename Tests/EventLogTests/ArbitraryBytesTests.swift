import Base
import TestSupport
import Testing

@testable import EventLog

/// Whatever bytes there are in the files: nothing traps, and no row is shown that was not written.
struct ArbitraryBytesTests {
    /// Opens, reads in every way, appends, erases; errors are in order.
    /// - Returns: the rows that are shown.
    private func exercise(_ directory: TemporaryDirectory, _ known: KnownLog?, _ random: inout Seeded) -> [Int64:
        String]
    {
        let accepts = Bool.random(using: &random)
        _ = try? TestLog(directory.copyAsAfterCrash(), known: known, readOnly: true).log.verify()
        guard let log = try? TestLog(directory, known: known, acceptsLoss: accepts) else { return [:] }
        guard let rows = try? log.rows else { return [:] }
        let last = log.log.lastPosition
        for position in [0, 1, last / 2, last, last &+ 1, .max, -1] {
            _ = try? log.log.row(at: position) { _ in 0 }
            _ = try? log.log.seal(at: position)
        }
        let some = rows.keys.sorted().filter { _ in Int.random(in: 0..<8, using: &random) == 0 }
        let appended = log.append(["appended", "behind"])
        #expect(appended.allSatisfy { $0.position ?? 0 > last })
        if let patches = try? log.log.plan(some.map { RowErasure(position: $0, body: nil) }) {
            try? log.log.apply(patches)
        }
        if let patches = try? log.log.planUnsound() { try? log.log.apply(patches) }
        try? log.log.removeEmptySegments(holding: some)
        let left = (try? log.rows) ?? [:]
        #expect(Set(left.keys) == Set(rows.keys).subtracting(some).union(appended.compactMap(\.position)))
        _ = try? log.log.verify()
        log.log.close()
        let again = try? TestLog(directory, known: known, acceptsLoss: accepts)
        let rowsAgain = again.flatMap { try? $0.rows } ?? [:]
        #expect(rowsAgain == left)
        return rows
    }

    @Test(arguments: 0..<60) func `bytes without a log in them are no rows`(seed: Int) {
        var random = Seeded(UInt64(seed))
        let directory = TemporaryDirectory()
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let first = [1, 2, 700, .max, .max / 2 - 1, 0].randomElement(using: &random) ?? Int64(1)
            let count = [0, 1, 91, 4_095, 4_096, 9_000, 70_000].randomElement(using: &random) ?? 0
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            // What looks like a header of an entry here and there.
            for start in stride(from: 4_096, to: max(count - 68, 4_096), by: 512) where start + 4 <= count {
                bytes.replaceSubrange(start..<start + 4, with: EntryHeader.magicBytes)
            }
            directory.make("log", LogFormat.fileName(firstPosition: first), bytes)
        }
        let known = Bool.random(using: &random) ? KnownLog(identity: .random(), end: Int64(seed)) : nil
        #expect(exercise(directory, known, &random).isEmpty)
    }

    private static func written(_ seed: UInt64) throws -> (
        directory: TemporaryDirectory, rows: [Int64: String], known: KnownLog
    ) {
        var random = Seeded(seed)
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        var start = 0
        for _ in 0..<50 {
            let count = Int.random(in: 1...25, using: &random)
            log.append(texts(start..<start + count))
            start += count
        }
        let known = KnownLog(identity: log.log.identity, end: 1)
        let rows = try log.rows
        log.log.close()
        return (directory, rows, known)
    }

    @Test(arguments: 0..<80) func `of files that were changed anyhow only what was written is shown`(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let (directory, rows, known) = try Self.written(UInt64(seed / 8))
        for _ in 0..<Int.random(in: 1...6, using: &random) { mutate(directory, &random) }
        let shown = exercise(directory, Bool.random(using: &random) ? known : nil, &random)
        for (position, text) in shown { #expect(rows[position] == text, "\(position)") }
    }

    private func mutate(_ directory: TemporaryDirectory, _ random: inout Seeded) {
        guard let name = directory.names.filter({ $0.hasSuffix(".log") }).randomElement(using: &random) else { return }
        let path = directory.file(name)
        var bytes = TemporaryDirectory.read(path)
        guard !bytes.isEmpty else { return }
        let used = (bytes.lastIndex { $0 != 0 } ?? 0) + 1
        let place = Int.random(in: 0..<used, using: &random)
        let length = min(Int.random(in: 1...5_000, using: &random), used - place)
        switch Int.random(in: 0..<9, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes.removeLast(bytes.count - place)
        case 2: bytes.removeSubrange(place..<place + length)
        case 3: bytes.insert(contentsOf: bytes[place..<place + length], at: place)
        case 4: for index in place..<place + length { bytes[index] = 0 }
        case 5: for index in place..<place + length { bytes[index] = UInt8.random(in: 0...255, using: &random) }
        case 6:
            // A piece of another place, of this file or of another one.
            let other = directory.names.filter { $0.hasSuffix(".log") }.randomElement(using: &random) ?? name
            let source = TemporaryDirectory.read(directory.file(other))
            let count = min(length, source.count)
            let start = Int.random(in: 0...source.count - count, using: &random)
            bytes.replaceSubrange(place..<min(place + count, bytes.count), with: source[start..<start + count])
        case 7:
            let first = Int64.random(in: 1...2_000, using: &random)
            return directory.make("log", LogFormat.fileName(firstPosition: first), bytes)
        default:
            TemporaryDirectory.removeFile(path)
            return
        }
        TemporaryDirectory.write(bytes, to: path)
    }

    /// Sound to the checksum, and nonsense all the same.
    @Test(arguments: 0..<80) func `a header of a segment that says nonsense traps nobody`(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let (directory, rows, known) = try Self.written(UInt64(seed / 8))
        let name = try #require(directory.names.filter { $0.hasSuffix(".log") }.randomElement(using: &random))
        var bytes = TemporaryDirectory.read(directory.file(name))
        var header = try #require(bytes.withUnsafeBytes { SegmentHeader($0) })
        let odd: [Int64] = [0, 1, -1, .max, .min, .max / 2, 1_000]
        let value = odd.randomElement(using: &random) ?? 0
        switch Int.random(in: 0..<5, using: &random) {
        case 0: header.table.advance(header.origin, to: value)
        case 1: header.previousFirstPosition = value
        case 2: header.emptiedThrough = value
        case 3: header.previousSeal = UInt64(bitPattern: value)
        default:
            header.table.advance(header.origin, to: value)
            header.emptiedThrough = odd.randomElement(using: &random) ?? 0
        }
        bytes.withUnsafeMutableBytes { header.write(to: $0) }
        TemporaryDirectory.write(bytes, to: directory.file(name))
        for (position, text) in exercise(directory, known, &random) { #expect(rows[position] == text) }
    }
}
