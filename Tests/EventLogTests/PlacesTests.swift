import Base
import Dispatch
import Glibc
import TestSupport
import Testing

@testable import EventLog

/// Deliveries of several origins in one log: none is there twice, each is found by its place, and what damage has taken is
/// known.
struct PlacesTests {
    /// What each origin has received.
    private struct Origins {
        var bodies: [Identity: [String]] = [:]

        mutating func add(_ origin: Identity, _ count: Int, _ random: inout Seeded) {
            let start = bodies[origin]?.count ?? 0
            bodies[origin, default: []] += (start..<start + count).map {
                "\(origin) \($0) " + String(repeating: "z", count: Int.random(in: 0..<90, using: &random))
            }
        }

        func bodies(_ origin: Identity, from first: Int64, _ count: Int) -> [String] {
            Array(bodies[origin, default: []].dropFirst(Int(first) - 1).prefix(count))
        }
    }

    private func expectAll(
        _ origins: Origins, in log: EventLog, _ random: inout Seeded, _ location: SourceLocation = #_sourceLocation
    ) throws {
        for (origin, bodies) in origins.bodies {
            var found: [PlacedDelivery] = []
            while true {
                let page = try log.deliveries(
                    of: origin, after: found.last?.sequence ?? 0, countMax: Int.random(in: 1...40, using: &random),
                    bytesMax: Int.random(in: 1...4_000, using: &random))
                if page.isEmpty { break }
                found += page
            }
            #expect(found.map(\.sequence) == (1...Int64(bodies.count)).map { $0 }, sourceLocation: location)
            #expect(found.map { String(decoding: $0.body, as: UTF8.self) } == bodies, sourceLocation: location)
            #expect(log.placesNow.frontier[origin] == Int64(bodies.count), sourceLocation: location)
        }
    }

    @Test(arguments: 0..<20) func `what was pulled and what was received here is found by its place`(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        var directory = TemporaryDirectory()
        var log = try TestLog(directory) { $0.segmentBytes = 12 << 10 }
        let others = (0..<3).map { _ in Identity(high: random.next(), low: random.next()) }
        var origins = Origins()
        for origin in others { origins.add(origin, 250, &random) }
        var known: [Identity: Int] = [:]
        for _ in 0..<60 {
            switch Int.random(in: 0..<12, using: &random) {
            case 0:
                let next = Bool.random(using: &random) ? directory : directory.copyAsAfterCrash()
                log.log.close()
                directory = next
                log = try TestLog(directory) { $0.segmentBytes = 12 << 10 }
            case 1: #expect(try log.log.beginOrigin() == log.log.origin)
            default:
                let own = log.log.origin
                let count = Int.random(in: 0...12, using: &random)
                origins.add(own, count, &random)
                let first = Int64(origins.bodies[own, default: []].count - count + 1)
                var pieces: [PulledRows] = []
                let outcomes = Locked<[Bool]>([])
                for origin in others where Bool.random(using: &random) {
                    // Some of it is known already.
                    let start = max(1, known[origin, default: 0] + 1 - Int.random(in: 0...5, using: &random))
                    let bodies = origins.bodies(origin, from: Int64(start), Int.random(in: 1...30, using: &random))
                    known[origin] = max(known[origin, default: 0], start + bodies.count - 1)
                    pieces.append(
                        PulledRows(origin: origin, firstSequence: Int64(start), items: bodies.map { TestItem($0) }) {
                            result in outcomes.withLock { $0.append((try? result.get()) != nil) }
                        })
                }
                let items = origins.bodies(own, from: first, count).map { TestItem($0) }
                log.log.queue.sync {
                    for piece in pieces { log.log.append(piece) }
                    for item in items { log.log.append(item) }
                }
                log.drain()
                #expect(items.allSatisfy { $0.position != nil })
                #expect(outcomes.withLock { $0 } == pieces.map { _ in true })
            }
        }
        for origin in others { origins.bodies[origin]?.removeLast(250 - known[origin, default: 0]) }
        origins.bodies = origins.bodies.filter { !$0.value.isEmpty }
        try expectAll(origins, in: log.log, &random)
        // No row is there twice.
        #expect(Set(try log.rows.values).count == origins.bodies.values.reduce(0) { $0 + $1.count })
        let crashed = try TestLog(directory.copyAsAfterCrash())
        try expectAll(origins, in: crashed.log, &random)
        #expect(try crashed.log.verify().isSound)
    }

    @Test(arguments: 0..<40) func `what damage has taken is known to be missing, and is had again`(seed: Int) throws {
        var random = Seeded(UInt64(seed) / 2)
        let directory = TemporaryDirectory()
        var origins = Origins()
        let others = (0..<2).map { _ in Identity(high: random.next(), low: random.next()) }
        let filled = try TestLog(directory) { $0.segmentBytes = 12 << 10 }
        for round in 0..<24 {
            let own = filled.log.origin
            origins.add(own, 7, &random)
            let items = origins.bodies(own, from: Int64(round * 7 + 1), 7).map { TestItem($0) }
            for origin in others { origins.add(origin, 9, &random) }
            filled.log.queue.sync {
                for origin in others {
                    let bodies = origins.bodies(origin, from: Int64(round * 9 + 1), 9)
                    filled.pull(origin, Int64(round * 9 + 1), bodies)
                }
                for item in items { filled.log.append(item) }
            }
            filled.drain()
        }
        let known = KnownLog(identity: filled.log.identity, end: filled.log.lastPosition)
        let before = try filled.rows
        filled.log.close()
        var other = Seeded(UInt64(seed))
        for _ in 0...seed % 2 {
            let name = try #require(
                directory.names.filter { $0.hasSuffix(".log") }.sorted().randomElement(using: &other))
            var bytes = TemporaryDirectory.read(directory.file(name))
            let start = Int.random(in: 0..<bytes.count, using: &other)
            for offset in start..<min(bytes.count, start + [1, 600, 5_000][seed % 3]) { bytes[offset] ^= 0x5A }
            TemporaryDirectory.write(bytes, to: directory.file(name))
        }
        for round in 0..<3 {
            let log = try TestLog(directory, known: known) { $0.segmentBytes = 12 << 10 }
            _ = try log.log.verify()
            let rows = try log.rows
            #expect(Set(rows.values).count == rows.count, "a row twice")
            if round == 0 {
                // Everything that can be read is as it was, and every place of it.
                for (position, text) in rows { #expect(before[position] == text) }
                try log.log.read(after: 0) { (row) throws(Never) in
                    guard row.origin != .none else { return true }
                    let body = origins.bodies(row.origin, from: row.sequence, 1).first
                    #expect(body == String(decoding: row.body, as: UTF8.self))
                    return true
                }
            }
            // From the frontier on, as whoever pulls does: only what is not here is added.
            for (origin, bodies) in origins.bodies {
                let first = (log.log.placesNow.frontier[origin] ?? 0) + 1
                guard first <= bodies.count else { continue }
                log.pull(origin, first, Array(bodies[(Int(first) - 1)...]))
                log.drain()
            }
            let after = try log.rows
            #expect(Set(after.values).count == after.count, "a row twice")
            try expectAll(origins, in: log.log, &random)
            log.log.close()
        }
    }

    @Test func `more origins than a header can name are refused, and nobody suffers`() throws {
        let log = try TestLog(TemporaryDirectory())
        for index in 1..<OriginTable.countMax {
            log.pull(Identity(high: 5, low: UInt64(index)), 1, ["one"])
            log.drain()
        }
        let refused = Locked<StoreError?>(nil)
        let own = TestItem("own")
        log.log.queue.sync {
            log.log.append(
                PulledRows(origin: Identity(high: 6, low: 6), firstSequence: 1, items: [TestItem("x")]) { result in
                    if case .failure(let error) = result { refused.withLock { $0 = error } }
                })
            log.log.append(own)
        }
        log.drain()
        #expect(refused.withLock { $0 }?.code == .originsFull)
        #expect(own.position == Int64(OriginTable.countMax))
        #expect(throws: StoreError.self) { try log.log.beginOrigin() }
        #expect(log.append(["more"])[0].position != nil)
    }

    @Test func `a gap is refused`() throws {
        let log = try TestLog(TemporaryDirectory())
        let outcome = Locked<StoreError?>(nil)
        log.log.append(
            PulledRows(origin: Identity(high: 6, low: 6), firstSequence: 2, items: [TestItem("x")]) { result in
                if case .failure(let error) = result { outcome.withLock { $0 = error } }
            })
        log.drain()
        #expect(outcome.withLock { $0 }?.code == .placesMissing)
        #expect(try log.rows.isEmpty)
    }

    @Test func `an erased delivery keeps its place, also where its segment is emptied`() throws {
        let log = try TestLog(TemporaryDirectory()) { $0.segmentBytes = 12 << 10 }
        for start in stride(from: 0, to: 400, by: 10) { log.append(texts(start..<start + 10)) }
        let origin = log.log.origin
        let first = try #require(log.log.segments.withLock { $0.first })
        let positions = (1...first.lastPosition + 1).map { $0 }
        try log.log.apply(log.log.plan(positions.map { RowErasure(position: $0, body: nil) }))
        try log.log.removeEmptySegments(holding: positions)
        #expect(first.isEmptied)
        let all = try log.log.deliveries(of: origin, after: 0, countMax: 1_000, bytesMax: 1 << 20)
        #expect(all.map(\.sequence) == (1...400).map { Int64($0) })
        #expect(all.prefix(positions.count).allSatisfy { $0.source == 255 && $0.body.isEmpty })
        #expect(all.dropFirst(positions.count).allSatisfy { $0.source == 0 })
        #expect(log.log.placesNow.frontier == [origin: 400])
    }

    @Test(arguments: 0..<20) func `a torn commit of several origins is told once, and is no damage`(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let directory = TemporaryDirectory()
        let log = try TestLog(directory)
        let others = (0..<4).map { Identity(high: 9, low: UInt64($0 + 1)) }
        log.append(texts(0..<20))
        for origin in others { log.pull(origin, 1, texts(0..<9)) }
        log.drain()
        let sound = try log.rows
        let path = try #require(log.segmentPaths.first)
        let old = TemporaryDirectory.read(path)
        let items = texts(0..<60).map { TestItem($0) }
        log.log.queue.sync {
            log.pull(others[0], 10, texts(100..<200))
            for item in items { log.log.append(item) }
        }
        log.drain()
        let new = TemporaryDirectory.read(path)
        var torn = new
        for block in stride(from: 4_096, to: new.count, by: 4_096) where Bool.random(using: &random) {
            for index in block..<min(block + 4_096, new.count) { torn[index] = index < old.count ? old[index] : 0 }
        }
        let copy = directory.copyAsAfterCrash()
        TemporaryDirectory.write(torn, to: copy.file("log/" + LogFormat.fileName(firstPosition: 1)))
        let known = KnownLog(identity: log.log.identity, end: Int64(sound.count))
        for round in 0..<3 {
            let opened = try TestLog(copy, known: known)
            for (position, text) in sound { #expect(try opened.rows[position] == text) }
            #expect(try opened.log.verify().isSound)
            #expect(opened.log.figuresNow.damages <= (round == 0 ? 1 : 0))
            // Whatever is left of the commit, all of it can be had again.
            opened.pull(
                others[0], (opened.log.placesNow.frontier[others[0]] ?? 0) + 1,
                texts(100..<200).suffix(
                    109 - Int(opened.log.placesNow.frontier[others[0]] ?? 0)))
            opened.drain()
            let all = try opened.log.deliveries(of: others[0], after: 9, countMax: 1_000, bytesMax: 1 << 20)
            #expect(all.map { String(decoding: $0.body, as: UTF8.self) } == texts(100..<200))
            opened.append(["round \(round)"])
            opened.log.close()
        }
    }
}
