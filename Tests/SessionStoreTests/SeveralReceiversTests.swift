import Base
import EventLog
import Replication
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

/// Receivers that have the same deliveries say the same of every session, to the byte, whoever heard what first.
struct SeveralReceiversTests {
    /// A data directory that may be killed.
    private final class Receiver {
        private(set) var directory = TemporaryDirectory()
        private(set) var store: DiskSessionStore
        private let change: (inout StoreOptions) -> Void

        init(_ change: @escaping (inout StoreOptions) -> Void = { _ in }) throws {
            self.change = change
            store = try openStore(directory, manualOptions(change))
        }

        deinit { store.close() }

        func restart(afterCrash isCrash: Bool) throws {
            let next = isCrash ? directory.copyAsAfterCrash() : directory
            store.close()
            directory = next
            store = try openStore(directory, manualOptions(change))
        }

        func damage(_ body: (TemporaryDirectory) throws -> Void) throws {
            store.close()
            try body(directory)
            store = try openStore(directory, manualOptions(change))
        }

        /// Takes what another one has of an origin, a piece of it or everything.
        /// - Returns: whether there was anything.
        func pull(_ origin: Identity, from other: Receiver, countMax: Int) async throws -> Bool {
            let deliveries = try other.store.deliveries(
                of: origin, after: store.frontier[origin] ?? 0, countMax: countMax, bytesMax: 1 << 20)
            try await store.append(deliveries, of: origin)
            return !deliveries.isEmpty
        }
    }

    private static func exchange(_ receivers: [Receiver]) async throws {
        while true {
            var isAnything = false
            for receiver in receivers {
                for other in receivers where other !== receiver {
                    for origin in other.store.frontier.keys.sorted() {
                        if try await receiver.pull(origin, from: other, countMax: 1_000) { isAnything = true }
                    }
                }
            }
            if !isAnything { return }
        }
    }

    private func expectEqual(_ receivers: [Receiver], _ sessions: [String]) async throws {
        let first = try #require(receivers.first)
        for receiver in receivers {
            #expect(receiver.store.frontier == first.store.frontier)
            let cancel = receiver.store.whenFolded(first.store.frontier) {}
            #expect(cancel == nil, "everything is folded")
        }
        for session in sessions {
            let expected = try await first.store.record(session)
            for receiver in receivers.dropFirst() {
                let record = try await receiver.store.record(session)
                #expect(record?.sessionJSON() == expected?.sessionJSON())
                #expect(record?.factsJSON == expected?.factsJSON)
                #expect(record?.digest == expected?.digest)
            }
        }
    }

    @Test(arguments: 0..<12) func `the same deliveries make the same records`(seed: Int) async throws {
        var random = Seeded(UInt64(seed))
        let receivers = try (0..<3).map { _ in try Receiver { $0.log.segmentBytes = 16 << 10 } }
        let names = ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE", "SESSION_X", "SESSION_FEE_INCURRING"]
        let sessions = (0..<6).map { "s\($0)" }
        for _ in 0..<80 {
            let receiver = try #require(receivers.randomElement(using: &random))
            switch Int.random(in: 0..<14, using: &random) {
            case 0: try receiver.restart(afterCrash: true)
            case 1: try receiver.restart(afterCrash: false)
            case 2: try receiver.store.flush()
            case 3: _ = try receiver.store.beginOrigin()
            case 4...7:
                let other = try #require(receivers.randomElement(using: &random))
                guard let origin = other.store.frontier.keys.sorted().randomElement(using: &random) else { continue }
                _ = try await receiver.pull(origin, from: other, countMax: Int.random(in: 1...9, using: &random))
            default:
                for _ in 0..<Int.random(in: 1...5, using: &random) {
                    // Few that differ, so that many are repeats; received at times that are not those of their arrival.
                    let name = try #require(names.randomElement(using: &random))
                    let event = try delivery(
                        name, try #require(sessions.randomElement(using: &random)),
                        at: Int64.random(in: 0..<6, using: &random),
                        extra: #","userId":"u\#(Int.random(in: 0..<2, using: &random))""#)
                    let received = Instant(
                        microsecondsSince1970: 1_770_000_000_000_000 + Int64.random(in: 0..<40, using: &random))
                    try await receiver.store.ingest(
                        Delivery(event: event.event, body: event.body, receivedAt: received))
                }
            }
        }
        try await Self.exchange(receivers)
        try await expectEqual(receivers, sessions)
        // Also by those who fold everything again, and by one who comes only now.
        try receivers[0].damage { directory in
            for suffix in ["", "-wal"] { TemporaryDirectory.removeFile(directory.rows + suffix) }
        }
        await receivers[0].store.caughtUp()
        let newcomer = try Receiver()
        try await Self.exchange(receivers + [newcomer])
        try await expectEqual(receivers + [newcomer], sessions)
        for receiver in receivers { #expect(try receiver.store.check { _ in }.isClean) }
    }

    @Test(arguments: 0..<8) func `what damage has taken comes back from others, and counts once`(seed: Int) async throws
    {
        var random = Seeded(UInt64(seed))
        let receivers = try (0..<2).map { _ in try Receiver { $0.log.segmentBytes = 12 << 10 } }
        let sessions = (0..<5).map { "s\($0)" }
        for index in 0..<120 {
            try await receivers[index % 2].store.ingest(
                try delivery(
                    "SESSION_X", "s\(index % 5)", at: Int64(index / 3), extra: #","n":"\#(index / 10)""#))
        }
        try await Self.exchange(receivers)
        try await expectEqual(receivers, sessions)
        if seed % 2 == 0 { try receivers[0].store.flush() }
        try receivers[0].damage { directory in
            let name = try #require(directory.segments.sorted().dropLast().randomElement(using: &random))
            directory.change(name) { bytes in
                // Where there are rows.
                let end = bytes.lastIndex { $0 != 0 } ?? 0
                let start = Int.random(in: 4_200..<end - 200, using: &random)
                for offset in start..<min(start + 500, end) { bytes[offset] ^= 0x77 }
            }
            if seed % 3 == 0 {
                for suffix in ["", "-wal"] { TemporaryDirectory.removeFile(directory.rows + suffix) }
            }
        }
        await receivers[0].store.caughtUp()
        _ = try receivers[0].store.log.verify()
        #expect(receivers[0].store.frontier != receivers[1].store.frontier)
        try await Self.exchange(receivers)
        // The sessions are being folded again.
        await withCheckedContinuation { continuation in
            _ = receivers[0].store.whenFolded(receivers[1].store.frontier) { continuation.resume() }
        }
        try await expectEqual(receivers, sessions)
        // The same after a start.
        try receivers[0].restart(afterCrash: true)
        _ = try receivers[0].store.log.verify()
        try await expectEqual(receivers, sessions)
    }

    @Test func `who begins empty answers no query before everything is here, and takes callbacks`() async throws {
        let old = try Receiver()
        for index in 0..<50 { try await old.store.ingest(try delivery("SESSION_X", "s\(index)", at: 1)) }
        let new = try Receiver()
        new.store.awaitOthers(old.store.frontier)
        #expect(new.store.isCatchingUp)
        try await new.store.ingest(try delivery("SESSION_STARTED", "own", at: 2))
        await #expect(throws: StoreError.self) { try await new.store.record("own") }
        _ = try await new.pull(old.store.origin, from: old, countMax: 20)
        #expect(new.store.isCatchingUp)
        _ = try await new.pull(old.store.origin, from: old, countMax: 1_000)
        #expect(!new.store.isCatchingUp)
        #expect(try await new.store.record("s49") != nil)
        #expect(try await new.store.record("own") != nil)
    }

    @Test func `bodies that cannot be read, and places without any, are kept and shipped on`() async throws {
        let lines = LogLines()
        let store = try openStore(TemporaryDirectory(), manualOptions(), readOnly: false, lines)
        defer { store.close() }
        let origin = Identity(high: 1, low: 2)
        let deliveries = [
            SharedDelivery(sequence: 1, receivedMicroseconds: 7, source: 0, body: Array("nonsense".utf8)),
            SharedDelivery(sequence: 2, receivedMicroseconds: 8, source: 77, body: body("SESSION_X", "s", at: 1)),
            .tombstone(SharedDelivery.erased, at: 3),
            .tombstone(SharedDelivery.lost, at: 4),
            SharedDelivery(sequence: 5, receivedMicroseconds: 9, source: 0, body: body("SESSION_X", "s", at: 1)),
        ]
        try await store.append(deliveries, of: origin)
        #expect(try store.deliveries(of: origin, after: 0, countMax: 9, bytesMax: 9_999) == deliveries)
        #expect(try await store.record("s")?.received == 1)
        #expect(store.statistics.index.undecodableRows == 2)
        #expect(lines.lines.count { $0.contains("cannot be read; they are kept") && $0.contains("count=2") } == 1)
    }

    @Test func `what was shipped and lost here is taken back, and own deliveries go on behind it`() async throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        _ = try await store.ingest(try delivery("SESSION_X", "s", at: 1))
        let origin = store.origin
        let lost = (2...4).map { sequence in
            SharedDelivery(
                sequence: Int64(sequence), receivedMicroseconds: 9, source: 0,
                body: body("SESSION_X", "lost", at: sequence))
        }
        try await store.append(lost, of: origin)
        #expect(
            try await store.ingest(try delivery("SESSION_X", "s", at: 2)).place == Place(origin: origin, sequence: 5))
        store.close()
        let again = try openStore(directory)
        defer { again.close() }
        #expect(again.origin == origin)
        #expect(again.frontier[origin] == 5)
        #expect(try await again.record("lost")?.received == 3)
        #expect(try await again.ingest(try delivery("SESSION_X", "s", at: 3)).place.sequence == 6)
    }

    @Test func `own deliveries are told before they are durable, and may be had under another place`() async throws {
        let store = try openStore(TemporaryDirectory())
        defer { store.close() }
        let told = Locked<[SharedDelivery]>([])
        store.observeOwn { _, deliveries in told.withLock { $0 += deliveries } }
        try await store.append(
            [SharedDelivery(sequence: 1, receivedMicroseconds: 7, source: 0, body: body("SESSION_X", "t", at: 1))],
            of: Identity(high: 1, low: 2))
        let outcome = try await store.ingest(try delivery("SESSION_X", "s", at: 1))
        #expect(outcome.place == Place(origin: store.origin, sequence: 1))
        try await store.appendAnew(told.withLock { $0 })
        #expect(told.withLock { $0.map(\.sequence) } == [1, 2])
        #expect(told.withLock { $0.map(\.body) } == [body("SESSION_X", "s", at: 1), body("SESSION_X", "s", at: 1)])
        #expect(told.withLock { Set($0.map(\.receivedMicroseconds)).count } == 1)
        let before = store.origin
        #expect(try store.beginOrigin() != before)
        #expect(try await store.ingest(try delivery("SESSION_X", "s", at: 1)).place.sequence == 1)
    }

    @Test func `the ledger remembers for replication, and a memory that is damaged is none`() throws {
        let directory = TemporaryDirectory()
        let store = try openStore(directory)
        let memory = try store.replicationMemory
        #expect(try memory.load() == nil)
        try memory.save([1, 2, 3])
        try memory.save([4, 5])
        store.close()
        let again = try openStore(directory)
        defer { again.close() }
        #expect(try again.replicationMemory.load() == [4, 5])
    }
}
