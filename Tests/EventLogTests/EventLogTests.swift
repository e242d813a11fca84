import Base
import CLinux
import Dispatch
import Glibc
import StoreTestSupport
import TestSupport
import Testing

@testable import EventLog

struct EventLogTests {
    @Test func `what was appended is read again, also by the next process`() throws {
        let directory = TemporaryDirectory()
        var expected: [Int64: String] = [:]
        for round in 0..<4 {
            let log = try TestLog(directory)
            #expect(log.log.isNew == (round == 0))
            #expect(try log.rows == expected)
            for batch in 0..<8 {
                let start = (round * 8 + batch) * 40
                for (text, item) in zip(texts(start..<start + 40), log.append(texts(start..<start + 40))) {
                    expected[try #require(item.position)] = text
                }
            }
            #expect(try log.rows == expected)
            #expect(try log.log.verify().isSound)
        }
        #expect(expected.count == 4 * 8 * 40)
        let last = try TestLog(directory)
        #expect(last.log.lastPosition == 4 * 8 * 40)
        #expect(last.segmentPaths.count > 3)
    }

    @Test func `a row is found by its position, and none where there is none`() throws {
        let log = try TestLog(TemporaryDirectory())
        for start in stride(from: 0, to: 2_000, by: 20) { log.append(texts(start..<start + 20)) }
        for position in [1, 2, 777, 1_999, 2_000] as [Int64] {
            let text = try log.log.row(at: position) { String(decoding: $0.body, as: UTF8.self) }
            #expect(text == texts(Int(position) - 1..<Int(position))[0])
            let sequence = try log.log.row(at: position) { ($0.sequence, $0.origin) }
            #expect(sequence?.0 == position && sequence?.1 == log.log.identity)
        }
        #expect(try log.log.row(at: 2_001) { _ in 1 } == nil)
        #expect(try log.log.row(at: 0) { _ in 1 } == nil)
    }

    @Test func `reading ends where it was told to`() throws {
        let log = try TestLog(TemporaryDirectory())
        for start in stride(from: 0, to: 600, by: 20) { log.append(texts(start..<start + 20)) }
        var positions: [Int64] = []
        let reached = try log.log.read(after: 90, through: 110) { (row) throws(Never) in
            positions.append(row.position)
            return row.position < 105
        }
        #expect(positions == Array(91...105))
        #expect(reached == 105)
        #expect(try log.log.read(after: 90, through: 110) { (_) throws(Never) in true } == 110)
        #expect(try log.log.read(after: 600) { (_) throws(Never) in true } == 600)
    }

    @Test func `one commit takes one write of whole blocks and one sync`() throws {
        let steps = Locked<[LogOptions.WriteStep]>([])
        let log = try TestLog(TemporaryDirectory()) { options in
            options.writeHook = { step in
                steps.withLock { $0.append(step) }
                return 0
            }
        }
        log.append(texts(0..<3))
        steps.withLock { $0 = [] }
        log.append(texts(3..<100))
        #expect(steps.withLock { $0 } == [.write, .sync])
    }

    @Test func `a seal tells a history from another that was continued from its copy`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        log.append(texts(0..<10))
        let copy = directory.copyAsAfterCrash()
        let common = try #require(try log.log.seal(at: 10))
        log.append(texts(10..<20))
        let other = try TestLog(copy)
        other.append(texts(10..<20))
        #expect(try other.log.seal(at: 10) == common)
        #expect(try other.log.seal(at: 20) != log.log.seal(at: 20))
        #expect(try other.log.seal(at: 21) == nil)
        #expect(other.log.identity == log.log.identity)
    }

    @Test func `the instruction and the tables make the same checksum`() {
        var random = Seeded(5)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(clinux_crc32c(7, bytes, count) == clinux_crc32c_by_table(7, bytes, count))
        }
        // RFC 3720, B.4: 32 bytes of zeros.
        #expect(clinux_crc32c(0, [UInt8](repeating: 0, count: 32), 32) == 0x8A91_36AA)
    }

    @Test func `a full queue refuses, and a closed log too`() throws {
        let log = try TestLog(TemporaryDirectory()) { $0.queueCountMax = 2 }
        let items = texts(0..<3).map { TestItem($0) }
        log.log.queue.sync { for item in items { log.log.append(item) } }
        log.drain()
        #expect(items[2].error?.code == .queueFull)
        #expect(items[1].position == 2)
        log.log.close()
        #expect(log.append(["late"])[0].error?.code == .closed)
    }

    @Test func `open for reading only, nothing is written`() throws {
        let directory = TemporaryDirectory()
        let first = try TestLog(directory)
        first.append(texts(0..<50))
        first.log.close()
        let before = directory.names.map { TemporaryDirectory.read(directory.file($0)) }
        let log = try TestLog(directory, readOnly: true)
        #expect(try log.rows.count == 50)
        #expect(log.append(["more"])[0].error != nil)
        log.log.close()
        #expect(directory.names.map { TemporaryDirectory.read(directory.file($0)) } == before)
        #expect(throws: StoreError.self) { try TestLog(TemporaryDirectory(), readOnly: true) }
    }
}

struct LogStateTests {
    private let error = StoreError(.unavailable, "no")

    @Test func `a failure makes the log doubtful until it is proved`() {
        var state = LogState.open
        #expect(state.proved() == .none)
        #expect(state.failed(error) == .becameDoubtful)
        #expect(state.failed(error) == .none)
        #expect(state.obstacle == error)
        #expect(state.proved() == .becameOpen)
        #expect(state.obstacle == nil)
    }

    @Test func `a closed log stays closed`() {
        var state = LogState.doubt(error)
        state.close()
        #expect(state.failed(error) == .none)
        #expect(state.proved() == .none)
        #expect(state.obstacle?.code == .closed)
    }
}

struct LogFailureTests {
    @Test(arguments: [LogOptions.WriteStep.write, .sync])
    func `what was answered as failed is not there, and the log goes on when the disk does`(
        step: LogOptions.WriteStep
    ) throws {
        let directory = TemporaryDirectory()
        let code = Locked<Int32>(0)
        let log = try TestLog(directory) { options in
            options.writeHook = { $0 == step ? code.withLock { $0 } : 0 }
        }
        log.append(texts(0..<10))
        code.withLock { $0 = EIO }
        let failed = log.append(texts(10..<100))
        #expect(failed.allSatisfy { $0.error?.code == .unavailable })
        #expect(log.log.obstacle != nil)
        #expect(log.append(["again"])[0].error?.code == .unavailable)
        // A crash now may find them or not, but the ten.
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(try crashed.rows.filter { $0.key <= 10 }.count == 10)
        code.withLock { $0 = 0 }
        #expect(log.append(["then"])[0].position == 11)
        #expect(log.log.obstacle == nil)
        #expect(try log.rows.count == 11)
        let next = try TestLog(directory.copyAsAfterCrash())
        #expect(try next.rows == log.rows)
        #expect(try next.log.verify().isSound)
    }

    @Test(arguments: [LogOptions.WriteStep.write, .sync])
    func `no place is told of twice, also where what was told of could not be made durable`(
        step: LogOptions.WriteStep
    ) throws {
        let directory = TemporaryDirectory()
        let code = Locked<Int32>(0)
        let log = try TestLog(directory) { options in
            options.writeHook = { $0 == step ? code.withLock { $0 } : 0 }
        }
        let told = Locked<[(origin: Identity, sequence: Int64, body: String)]>([])
        log.log.observeOwn { origin, firstSequence, items in
            for (offset, item) in items.enumerated() {
                let body = String(decoding: item.body, as: UTF8.self)
                told.withLock { $0.append((origin, firstSequence + Int64(offset), body)) }
            }
        }
        let first = log.log.origin
        log.append(["a", "b"])
        code.withLock { $0 = EIO }
        log.append(["c"])
        // It is known that nothing can be made durable: nobody is told.
        log.append(["d"])
        #expect(log.log.origin == first)
        code.withLock { $0 = 0 }
        log.append(["e"])
        let second = log.log.origin
        #expect(second != first)
        let expected =
            [(first, 1, "a"), (first, 2, "b"), (first, 3, "c"), (second, 1, "e")] as [(Identity, Int64, String)]
        told.withLock { told in
            #expect(told.count == expected.count)
            for (found, expected) in zip(told, expected) { #expect(found == expected) }
        }
        // It is had again from whoever was told.
        #expect(log.log.placesNow.last(of: first) == 2)
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(crashed.log.origin == second)
        #expect(try crashed.rows.count == 3)
    }

    @Test func `a full disk takes nobody's origin`() throws {
        let code = Locked<Int32>(0)
        let log = try TestLog(TemporaryDirectory()) { options in
            options.writeHook = { $0 == .sync ? 0 : code.withLock { $0 } }
        }
        let told = Locked(0)
        log.log.observeOwn { _, _, items in told.withLock { $0 += items.count } }
        log.append(["a"])
        let origin = log.log.origin
        code.withLock { $0 = ENOSPC }
        // Larger than what is prepared.
        log.append([String(repeating: "b", count: 300 << 10)])
        #expect(log.log.obstacle != nil)
        code.withLock { $0 = 0 }
        #expect(log.append(["c"])[0].position == 2)
        #expect(log.log.origin == origin)
        #expect(told.withLock { $0 } == 2)
    }

    /// In the segment and at its end, for usual commits and larger ones: what is prepared already takes small ones, and is no
    /// reason to be writable.
    @Test(arguments: [
        (segmentBytes: 8 << 20, bytes: 60 << 10), (8 << 20, 700 << 10), (1 << 20, 700 << 10), (256 << 10, 60 << 10),
    ])
    func `a full disk is said once, until there is room for a whole commit`(segmentBytes: Int, bytes: Int) throws {
        let room = Locked(Int.max)
        let lines = LogLines()
        let directory = TemporaryDirectory()
        let log = try TestLog(directory, logger: lines.logger) { options in
            options.segmentBytes = segmentBytes
            options.writeHook = { step in
                guard case .prepare(let bytes) = step else { return 0 }
                return room.withLock { room in
                    guard bytes <= room else { return ENOSPC }
                    room -= bytes
                    return 0
                }
            }
        }
        func expectSaid(_ refused: Int, _ writable: Int, sourceLocation: SourceLocation = #_sourceLocation) {
            let lines = lines.lines
            #expect(lines.count { $0.contains("callbacks are refused") } == refused, sourceLocation: sourceLocation)
            #expect(lines.count { $0.contains("writable again") } == writable, sourceLocation: sourceLocation)
        }
        let large = String(repeating: "x", count: bytes)
        log.append(["first"])
        for round in 1...3 {
            room.withLock { $0 = 0 }
            // Up to the end of what is prepared.
            while log.append([large])[0].error == nil {}
            let last = log.log.lastPosition
            for left in [0, 0, 0, 100 << 10, 0, 0] {
                room.withLock { $0 = left }
                for text in ["small", large] { #expect(log.append([text])[0].error?.code == .unavailable) }
                #expect(log.log.obstacle != nil)
            }
            #expect(log.log.lastPosition == last)
            expectSaid(round, round - 1)
            room.withLock { $0 = 8 << 20 }
            #expect(log.append(["small"])[0].position == last + 1)
            // That was what was proved.
            room.withLock { $0 = 0 }
            #expect(log.append([large])[0].position == last + 2)
            expectSaid(round, round)
        }
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(try crashed.rows == log.rows)
        #expect(try crashed.log.verify().isSound)
    }

    @Test func `however many append, the disk is tried once in a while`() throws {
        let steps = Locked(0)
        let code = Locked<Int32>(0)
        let log = try TestLog(TemporaryDirectory()) { options in
            options.proofPauseMilliseconds = 3_600_000
            options.writeHook = { _ in
                steps.withLock { $0 += 1 }
                return code.withLock { $0 }
            }
        }
        log.append(["first"])
        code.withLock { $0 = EIO }
        // The commit, and at once the first try.
        log.append(["second"])
        log.append(["third"])
        let tried = steps.withLock { $0 }
        for text in texts(0..<20) { #expect(log.append([text])[0].error?.code == .unavailable) }
        #expect(steps.withLock { $0 } == tried)
    }

    @Test func `on a full disk what is erased is gone, for that may be what gives it room`() throws {
        let isFull = Locked(false)
        let directory = TemporaryDirectory()
        let log = try TestLog(directory) { options in
            options.writeHook = { step in
                if case .prepare = step, isFull.withLock({ $0 }) { ENOSPC } else { 0 }
            }
        }
        log.append(["secret", "kept"])
        isFull.withLock { $0 = true }
        log.append([String(repeating: "b", count: 300 << 10)])
        #expect(log.append(["refused"])[0].error?.code == .unavailable)
        try log.log.apply(log.log.plan([RowErasure(position: 1, body: nil)]))
        #expect(try log.rows == [2: "kept"])
        #expect(!directory.holds("secret"))
        #expect(log.log.obstacle != nil)
        isFull.withLock { $0 = false }
        #expect(log.append(["more"])[0].position == 3)
    }

    @Test func `files that are removed are written again, and nothing is lost`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        for start in stride(from: 0, to: 1_000, by: 20) { log.append(texts(start..<start + 20)) }
        let paths = log.segmentPaths
        #expect(paths.count > 2)
        for path in paths { unlink(path) }
        rmdir(directory.file("log"))
        log.append(["unnoticed"])
        log.log.queue.sync { log.log.watch() }
        #expect(log.log.obstacle?.code == .filesMoved)
        log.append(["after"])
        log.log.queue.sync { log.log.watch() }
        #expect(log.log.obstacle == nil)
        let expected = try log.rows
        #expect(expected.count == 1_002)
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(try crashed.rows == expected)
        // Once more, and an orderly stop is the first to notice.
        unlink(paths[paths.count - 1])
        log.append(["last"])
        log.log.close()
        #expect(try TestLog(directory).rows.count == 1_003)
    }

    @Test func `files that cannot be written again are told of once`() throws {
        let directory = TemporaryDirectory()
        let lines = LogLines()
        let log = try TestLog(directory, logger: lines.logger)
        log.append(["first"])
        unlink(log.segmentPaths[0])
        rmdir(directory.file("log"))
        TemporaryDirectory.write([], to: directory.file("log"))
        for _ in 0..<5 {
            log.log.queue.sync { log.log.watch() }
            #expect(log.append(["refused"])[0].error?.code == .filesMoved)
        }
        #expect(lines.critical.count == 1)
        unlink(directory.file("log"))
        #expect(log.append(["second"])[0].position == 2)
        log.log.queue.sync { log.log.watch() }
        #expect(log.log.obstacle == nil)
        #expect(lines.critical.count == 1)
        let crashed = try TestLog(directory.copyAsAfterCrash())
        #expect(try crashed.rows == [1: "first", 2: "second"])
    }

    @Test func `an erasure reaches the file that is read, wherever its path leads`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        log.append(["secret", "kept"])
        unlink(log.segmentPaths[0])
        TemporaryDirectory.write([UInt8](repeating: 1, count: 9_000), to: log.segmentPaths[0])
        try log.log.apply(log.log.plan([RowErasure(position: 1, body: nil)]))
        #expect(try log.rows == [2: "kept"])
        log.log.close()
        #expect(try TestLog(directory).rows == [2: "kept"])
        #expect(!directory.holds("secret"))
    }

    @Test func `a file that took the place of ours is moved aside`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        log.append(texts(0..<10))
        unlink(log.segmentPaths[0])
        TemporaryDirectory.write(Array("other".utf8), to: log.segmentPaths[0])
        log.log.close()
        #expect(try TestLog(directory).rows.count == 10)
        #expect(directory.names.contains { $0.hasSuffix(".replaced-1") })
    }
}

struct LogLossTests {
    @Test func `an empty directory beside others that know better is refused`() throws {
        let known = KnownLog(identity: .random(), end: 7)
        let directory = TemporaryDirectory()
        #expect { try TestLog(directory, known: known) } throws: { ($0 as? StoreError)?.code == .lostLog }
        #expect(directory.names.isEmpty)
        #expect(try TestLog(directory, known: known, acceptsLoss: true).log.identity != known.identity)
    }

    @Test func `a log that is shorter than others know is refused; what is accepted gets another origin`() throws {
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        log.append(texts(0..<10))
        let old = directory.copyAsAfterCrash()
        log.append(texts(10..<20))
        let known = KnownLog(identity: log.log.identity, end: 20)
        #expect { try TestLog(old, known: known) } throws: { ($0 as? StoreError)?.code == .lostLog }
        let accepted = try TestLog(old, known: known, acceptsLoss: true)
        #expect(accepted.append(["new"])[0].position == 11)
        #expect(accepted.log.origin != log.log.origin)
        #expect(try accepted.log.row(at: 11) { $0.sequence } == 1)
        accepted.log.close()
        #expect(try TestLog(old).log.origin == accepted.log.origin)
    }

    @Test func `another log is refused`() throws {
        let directory = TemporaryDirectory()
        try TestLog(directory).append(texts(0..<10))
        let known = KnownLog(identity: .random(), end: 1)
        #expect { try TestLog(directory, known: known) } throws: { ($0 as? StoreError)?.code == .lostLog }
    }
}
