import Base
import Glibc
import TestSupport
import Testing

@testable import EventLog

/// Bytes that are not as they were written: whatever is sound is read, nothing else is, and it is said.
struct DamageTests {
    /// A closed log with its rows.
    private static func filled(
        _ seed: UInt64, commits: Int = 60
    ) throws -> (directory: TemporaryDirectory, rows: [Int64: String], identity: Identity) {
        var random = Seeded(seed)
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        var start = 0
        for _ in 0..<commits {
            let count = Int.random(in: 1...30, using: &random)
            log.append(texts(start..<start + count))
            start += count
        }
        return (directory, try log.rows, log.log.identity)
    }

    /// Where the bytes of a row stand, with its header.
    private static func place(of text: String, in bytes: [UInt8]) -> Range<Int>? {
        let needle = Array(text.utf8)
        guard bytes.count > needle.count else { return nil }
        for start in RowHeader.bytes..<bytes.count - needle.count
        where bytes[start] == needle[0] && bytes[start..<start + needle.count].elementsEqual(needle) {
            let length = bytes.withUnsafeBytes { $0.integer(start - RowHeader.bytes + 8, as: UInt32.self) }
            if Int(length) == needle.count { return start - RowHeader.bytes..<start + needle.count }
        }
        return nil
    }

    @Test(arguments: 0..<60)
    func `random flips, blocks of zeros and swapped blocks harm only what they touch`(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let (directory, rows, identity) = try Self.filled(UInt64(seed) / 4)
        let names = directory.names.filter { $0.hasPrefix("log/") && $0.hasSuffix(".log") }
        let name = try #require(names.randomElement(using: &random))
        let original = TemporaryDirectory.read(directory.file(name))
        var bytes = original
        // Zeros behind the end are empty room.
        let used = (original.lastIndex { $0 != 0 } ?? 0) + 1
        switch seed % 4 {
        case 0:
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<used, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
            }
        case 1:
            let block = Int.random(in: 0..<(used + 4_095) / 4_096, using: &random) * 4_096
            // The end alone would be a shorter log; see `LogLossTests`.
            guard block + 4_096 < used || names.last != name else { return }
            for index in block..<min(block + 4_096, bytes.count) { bytes[index] = 0 }
        case 2:
            let blocks = (0..<2).map { _ in Int.random(in: 0..<max(used / 4_096, 1), using: &random) * 4_096 }
            for index in 0..<4_096 { bytes.swapAt(blocks[0] + index, blocks[1] + index) }
        default:
            let start = Int.random(in: 4_096..<used, using: &random)
            for index in start..<min(start + 700, used) { bytes[index] = UInt8.random(in: 0...255, using: &random) }
        }
        TemporaryDirectory.write(bytes, to: directory.file(name))
        let touched = bytes != original
        let log = try TestLog(directory, known: KnownLog(identity: identity, end: 1))
        let left = try log.rows
        for (position, text) in left { #expect(rows[position] == text) }
        for (position, text) in rows where left[position] == nil {
            // Only what is not there any more, as it was.
            if let place = Self.place(of: text, in: original) {
                #expect(bytes[place] != original[place], "\(position)")
            }
        }
        _ = try log.log.verify()
        #expect(!touched || log.log.figuresNow.damages > 0)
        // It goes on.
        let next = try #require(log.append(["more"])[0].position)
        #expect(next > (left.keys.max() ?? 0))
        log.log.close()
        #expect(try TestLog(directory, known: KnownLog(identity: identity, end: 1)).rows.count == left.count + 1)
    }

    @Test func `a file that is cut, missing or of another log costs what it held`() throws {
        let (directory, rows, identity) = try Self.filled(9)
        let known = KnownLog(identity: identity, end: 1)
        let names = directory.names.filter { $0.hasSuffix(".log") }
        #expect(names.count >= 3)
        let firsts = names.compactMap { LogFormat.firstPosition(fileName: String($0.dropFirst(4))) }
        let lost = rows.filter { $0.key >= firsts[1] && $0.key < firsts[2] }.count

        let missing = directory.copyAsAfterCrash()
        unlink(missing.file(names[1]))
        let log = try TestLog(missing, known: known)
        #expect(try log.rows.count == rows.count - lost)
        #expect(log.log.figuresNow.missingRows >= lost)

        let foreign = directory.copyAsAfterCrash()
        let other = try Self.filled(10)
        TemporaryDirectory.write(
            TemporaryDirectory.read(other.directory.file(names[0])), to: foreign.file(names[1]))
        #expect(try TestLog(foreign, known: known).rows == rows.filter { $0.key < firsts[1] || $0.key >= firsts[2] })

        let cut = directory.copyAsAfterCrash()
        let bytes = TemporaryDirectory.read(cut.file(names[1]))
        TemporaryDirectory.write(Array(bytes[..<9_000]), to: cut.file(names[1]))
        let left = try TestLog(cut, known: known).rows
        #expect(left.count > rows.count - lost && left.count < rows.count)
    }

    @Test func `bytes that a caller sends are never taken for rows`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        // The bytes of another log, in a body.
        let other = try Self.filled(1, commits: 1)
        let name = try #require(other.directory.names.first)
        let inner = Array(TemporaryDirectory.read(other.directory.file(name))[4_096..<8_192])
        let item = TestItem(String(decoding: inner.map { $0 & 0x7F }, as: UTF8.self))
        log.log.append(item)
        log.append(["behind"])
        log.log.close()
        let path = directory.file(name)
        var bytes = TemporaryDirectory.read(path)
        bytes[4_100] ^= 1
        TemporaryDirectory.write(bytes, to: path)
        #expect(try TestLog(directory).rows.count == 2)
    }
}

struct LogErasureTests {
    @Test func `erased rows are gone from the file, the others are as they were, and the chain holds`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        for start in stride(from: 0, to: 800, by: 8) {
            log.append((start..<start + 8).map { "row \($0) marker\($0 % 2)" })
        }
        let before = try log.rows
        let odd = before.keys.filter { $0 % 2 == 0 }.sorted()
        var erasures = odd.map { RowErasure(position: $0, body: nil) }
        erasures[3] = RowErasure(position: odd[3], body: Array("{}".utf8))
        let patches = try log.log.plan(erasures)
        #expect(LogPatches(decoding: patches.encoded) == patches)
        // A crash in the middle, and then again.
        var half = patches
        half.patches.removeLast(patches.patches.count / 2)
        try log.log.apply(half)
        try log.log.apply(patches)
        log.append(["then"])
        var expected = before.filter { $0.key % 2 == 1 }
        expected[odd[3]] = "{}" + String(repeating: " ", count: (before[odd[3]] ?? "").utf8.count - 2)
        expected[801] = "then"
        #expect(try log.rows == expected)
        #expect(try log.log.verify().isSound)
        log.log.close()
        #expect(!directory.holds("marker1"))
        #expect(directory.holds("marker0"))
        let next = try TestLog(directory)
        #expect(try next.rows == expected)
        #expect(try next.log.verify().isSound)
    }

    @Test func `segments without a row give their room back`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        for start in stride(from: 0, to: 2_000, by: 20) { log.append(texts(start..<start + 20)) }
        let bytes = log.log.figuresNow.bytes
        let positions = Array(1...1_800 as ClosedRange<Int64>)
        try log.log.apply(log.log.plan(positions.map { RowErasure(position: $0, body: nil) }))
        try log.log.removeEmptySegments(holding: positions)
        #expect(log.log.figuresNow.bytes < bytes / 2)
        let left = try log.rows
        #expect(left.count == 200)
        log.log.close()
        let next = try TestLog(directory)
        #expect(try next.rows == left)
        #expect(try next.log.verify().isSound)
        #expect(try next.log.seal(at: 5) == nil)
        #expect(try next.log.seal(at: 1_990) != nil)
    }

    @Test func `what is not sound can be cleared, without harm to the rest`() throws {
        let directory = TemporaryDirectory()
        let first = try TestLog(directory)
        for start in stride(from: 0, to: 200, by: 10) { first.append(texts(start..<start + 10)) }
        let name = try #require(directory.names.first { $0.hasSuffix(".log") })
        first.log.close()
        var bytes = TemporaryDirectory.read(directory.file(name))
        // The header of the first entry, and the body of some row.
        bytes[4_100] ^= 1
        bytes[6_000] ^= 1
        TemporaryDirectory.write(bytes, to: directory.file(name))
        let log = try TestLog(directory)
        let left = try log.rows
        let patches = try log.log.planUnsound()
        #expect(!patches.isEmpty)
        try log.log.apply(patches)
        #expect(try log.rows == left)
    }
}

struct LastSegmentTests {
    @Test func `a last segment of which nothing is left makes way for a new one of its name`() throws {
        let directory = TemporaryDirectory()
        let first = try TestLog(directory)
        while first.segmentPaths.count < 2 { first.append(texts(0..<20)) }
        let identity = first.log.identity
        let rows = try first.rows
        let path = first.segmentPaths[1]
        let kept = rows.filter { $0.key < LogFormat.firstPosition(fileName: String(path.suffix(24))) ?? 0 }
        first.log.close()
        TemporaryDirectory.write([UInt8](repeating: 0x5A, count: 9_000), to: path)
        let known = KnownLog(identity: identity, end: 0)
        let log = try TestLog(directory, known: known)
        #expect(try log.rows == kept)
        log.append(["more"])
        log.log.queue.sync { log.log.watch() }
        #expect(log.log.obstacle == nil)
        log.log.close()
        #expect(try TestLog(directory, known: known).rows.count == kept.count + 1)
        #expect(directory.names.contains { $0.hasSuffix(".log.damaged-1") })
    }
}
