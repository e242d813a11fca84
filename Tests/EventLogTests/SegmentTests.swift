import Base
import Dispatch
import Glibc
import TestSupport
import Testing

@testable import EventLog

/// Where one segment ends and the next begins, and what may go wrong there.
struct SegmentTests {
    let directory = TemporaryDirectory()

    /// A log with some segments, which ends soundly, and its rows.
    private func filled(_ change: (inout LogOptions) -> Void = { _ in }) throws -> TestLog {
        let log = try TestLog(directory, change)
        for start in stride(from: 0, to: 600, by: 20) { log.append(texts(start..<start + 20)) }
        return log
    }

    @Test(arguments: [LogOptions.WriteStep.write, .sync], 0..<4)
    func `whatever fails while a segment is begun, nothing is lost or hidden afterwards`(
        step: LogOptions.WriteStep, after: Int
    ) throws {
        let countdown = Locked<Int?>(nil)
        let log = try filled { options in
            options.writeHook = { made in
                let isMeant = if case .prepare = made { step == .write } else { made == step }
                guard isMeant else { return 0 }
                return countdown.withLock { count in
                    guard let left = count else { return 0 }
                    count = left - 1
                    return left == 0 ? EIO : 0
                }
            }
        }
        var expected = try log.rows
        var failures = 0
        for round in 0..<400 where failures < 1 || log.segmentPaths.count < 6 {
            // The step is counted from the moment at which the segment is nearly full.
            countdown.withLock { $0 = failures == 0 ? after : nil }
            for item in log.append(texts(round * 5..<round * 5 + 5)) {
                if let position = item.position {
                    expected[position] = String(decoding: item.body, as: UTF8.self)
                } else {
                    failures += 1
                }
            }
            #expect(try log.rows == expected)
        }
        #expect(try log.rows == expected)
        #expect(try log.log.verify().isSound)
        #expect(log.log.figuresNow.damages == 0)
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(try crashed.rows == expected)
        #expect(try crashed.log.verify().isSound)
    }

    @Test func `the first commit of a segment fails, and the next one is read where it is`() throws {
        let isFailing = Locked(false)
        let syncs = Locked(0)
        let log = try filled { options in
            options.writeHook = { step in
                guard isFailing.withLock({ $0 }), step == .sync else { return 0 }
                // The file is prepared with the first, and the entry is synced with the second.
                return syncs.withLock { count in
                    count += 1
                    return count == 2 ? EIO : 0
                }
            }
        }
        var expected = try log.rows
        isFailing.withLock { $0 = true }
        let large = String(repeating: "y", count: 31 << 10)
        let failed = log.append([large])
        #expect(failed[0].error != nil)
        isFailing.withLock { $0 = false }
        for text in ["one", "two"] { expected[try #require(log.append([text])[0].position)] = text }
        #expect(try log.rows == expected)
        #expect(try log.log.verify().isSound)
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(try crashed.rows == expected)
    }

    @Test func `a commit that is larger than a segment has one to itself`() throws {
        let log = try filled()
        let large = String(repeating: "y", count: 100_000)
        #expect(log.append([large, large])[1].position == 602)
        #expect(log.append(["behind"])[0].position == 603)
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(try crashed.rows == log.rows)
        #expect(try crashed.rows[602] == large)
        #expect(try crashed.log.verify().isSound)
    }

    @Test func `a segment of which nothing could be saved makes way, for good`() throws {
        let log = try filled()
        let expected = try log.rows
        // A new segment, whose first commit a power cut has torn.
        var name = ""
        var count = log.segmentPaths.count
        var copy = directory.copyAsAfterCrash()
        while log.segmentPaths.count == count {
            copy = directory.copyAsAfterCrash()
            log.append(["x"])
        }
        count = log.segmentPaths.count
        name = "log/" + (log.segmentPaths[count - 1].split(separator: "/").last.map(String.init) ?? "")
        let before = try TestLog(copy.copyAsAfterCrash()).rows
        var bytes = TemporaryDirectory.read(directory.file(name))
        for offset in 4_096..<4_400 { bytes[offset] = 0x5A }
        TemporaryDirectory.write(bytes, to: copy.file(name))
        let opened = try TestLog(copy)
        #expect(try opened.rows == before)
        opened.append(["more"])
        // Everything is where it belongs.
        opened.log.queue.sync { opened.log.watch() }
        #expect(opened.log.obstacle == nil && opened.log.figuresNow.restorations == 0)
        #expect(opened.append(["and more"])[0].position == Int64(before.count + 2))
        #expect(try opened.log.verify().isSound)
        opened.log.close()
        let again = try TestLog(copy)
        #expect(try again.rows.count == before.count + 2)
        #expect(try again.log.verify().isSound)
        #expect(expected.count <= before.count)
    }

    @Test func `damage that is found in the segment in use costs nothing that comes later`() throws {
        let log = try TestLog(directory)
        for start in stride(from: 0, to: 60, by: 20) { log.append(texts(start..<start + 20)) }
        let path = log.segmentPaths[0]
        let descriptor = open(path, O_RDWR)
        // In the body of some row.
        var byte: UInt8 = 0xEE
        #expect(pwrite(descriptor, &byte, 1, 4_096 + EntryHeader.bytes + RowHeader.bytes + 3) == 1)
        close(descriptor)
        #expect(try log.rows.count == 59)
        #expect(try !log.log.verify().isSound)
        let later = log.append(["later", "later still"]).compactMap(\.position)
        #expect(later == [61, 62])
        #expect(try log.rows.count == 61)
        #expect(try log.log.row(at: 62) { String(decoding: $0.body, as: UTF8.self) } == "later still")
        // What nobody can read is cleared, and nothing else.
        try log.log.apply(log.log.planUnsound())
        #expect(try log.rows.count == 61)
        log.log.close()
        #expect(try TestLog(directory).rows.count == 61)
    }

    @Test func `a file that is none of the log's says nothing of where it ends`() throws {
        let log = try filled()
        let expected = try log.rows
        log.log.close()
        for name in ["09223372036854775807", "09223372036854775000", "00000000000900000000", "00000000000000000000"] {
            let copy = directory.copyAsAfterCrash()
            TemporaryDirectory.write([UInt8](repeating: 7, count: 9_000), to: copy.file("log/\(name).log"))
            let opened = try TestLog(copy)
            #expect(try opened.rows == expected)
            #expect(opened.append(["next"])[0].position == 601)
        }
    }

    @Test func `a log whose only header is damaged goes on under a name of its own`() throws {
        let first = try TestLog(directory)
        let known = KnownLog(identity: first.log.identity, end: 0)
        first.log.close()
        let name = try #require(directory.names.first)
        var bytes = TemporaryDirectory.read(directory.file(name))
        for offset in 0..<4_096 { bytes[offset] = 9 }
        TemporaryDirectory.write(bytes, to: directory.file(name))
        let log = try TestLog(directory, known: known)
        #expect(log.append(["a"])[0].position == 1)
        #expect(log.log.origin != .none)
        let origin = log.log.origin
        log.log.close()
        #expect(try TestLog(directory, known: known).log.origin == origin)
    }

    @Test(arguments: 0..<30)
    func `a commit that a power cut has torn is told once, and is no damage`(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let log = try TestLog(directory)
        for start in stride(from: 0, to: 60, by: 20) { log.append(texts(start..<start + 20)) }
        let before = try log.rows
        let path = log.segmentPaths[0]
        let old = TemporaryDirectory.read(path)
        log.append(texts(60..<300))
        let new = TemporaryDirectory.read(path)
        let whole = try log.rows
        // Of the blocks that were written, some are on disk.
        var torn = new
        for block in stride(from: 4_096, to: new.count, by: 4_096) where Bool.random(using: &random) {
            for index in block..<min(block + 4_096, new.count) { torn[index] = index < old.count ? old[index] : 0 }
        }
        let copy = directory.copyAsAfterCrash()
        let name = "log/" + LogFormat.fileName(firstPosition: 1)
        TemporaryDirectory.write(torn, to: copy.file(name))
        let known = KnownLog(identity: log.log.identity, end: 60)
        var expected: [Int64: String] = [:]
        for round in 0..<3 {
            let opened = try TestLog(copy, known: known)
            let rows = try opened.rows
            for (position, text) in before { #expect(rows[position] == text) }
            for (position, text) in rows where round == 0 { #expect(whole[position] == text) }
            if round > 0 { #expect(rows == expected) }
            #expect(try opened.log.verify().isSound, "\(round)")
            #expect(opened.log.figuresNow.damages <= (round == 0 ? 1 : 0))
            opened.append(["round \(round)"])
            expected = try opened.rows
            #expect(expected.count == rows.count + 1)
            opened.log.close()
        }
    }
}
