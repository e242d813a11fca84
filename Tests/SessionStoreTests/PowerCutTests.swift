import Base
import Dispatch
import EventLog
import Glibc
import Ledger
import Replication
import SessionIndex
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

/// An acknowledged delivery is found after a power cut at any moment, whatever the server did before it: crashes and
/// orderly stops, erasures, rows and ledger written or not.
struct PowerCutTests {
    /// A server's directory, and what of it a power cut would leave.
    private final class Machine {
        let disk: Disk
        private(set) var directory = TemporaryDirectory()
        private(set) var store: DiskSessionStore

        init() throws {
            disk = Disk()
            disk.directory.withLock { [directory] in $0 = directory }
            store = try openStore(directory, Self.options(disk))
        }

        private static func options(_ disk: Disk) -> StoreOptions {
            manualOptions {
                // Many segments.
                $0.log.segmentBytes = 48 << 10
                $0.log.writeHook = { disk.hook($0) }
                $0.erasureHook = { _ in disk.noteWritten() }
            }
        }

        func restart(after isCrash: Bool) throws {
            if isCrash {
                // kill -9: the kernel keeps what was written.
                let left = directory.copyAsAfterCrash()
                disk.directory.withLock { $0 = left }
                store.close()
                directory = left
            } else {
                store.close()
            }
            // What was not synced by then is there, or not.
            store = try openStore(directory, Self.options(disk))
        }

        func goOn(in other: TemporaryDirectory) throws {
            disk.directory.withLock { $0 = other }
            store.close()
            directory = other
            disk.forget()
            store = try openStore(directory, Self.options(disk))
        }

        /// What a power cut now would leave: of each block of the log what was there at its last sync, or what was written
        /// since; rows and ledger as they are, or as they were.
        func cut(_ random: inout Seeded) -> TemporaryDirectory {
            let copy = directory.copyAsAfterCrash()
            for name in copy.segments {
                let now = TemporaryDirectory.read(copy.file(name))
                guard let synced = disk.synced(name) else { continue }
                var left = now
                let choice = Int.random(in: 0..<3, using: &random)
                for block in stride(from: 0, to: now.count, by: 4_096) {
                    let keepsNew = choice == 2 ? Bool.random(using: &random) : choice == 1
                    if keepsNew { continue }
                    let end = min(block + 4_096, now.count)
                    let old = Array(synced.dropFirst(block).prefix(end - block))
                    left.replaceSubrange(
                        block..<end, with: old + [UInt8](repeating: 0, count: end - block - old.count))
                }
                TemporaryDirectory.write(left, to: copy.file(name))
            }
            if Bool.random(using: &random) {
                for suffix in ["", "-wal"] { unlink(copy.rows + suffix) }
            }
            return copy
        }
    }

    /// What the log's files were at their last syncs. A step is told before it is made, so that what a sync has made
    /// durable is known at the next step.
    private final class Disk: Sendable {
        let directory = Locked<TemporaryDirectory?>(nil)
        private struct State {
            var synced: [String: [UInt8]] = [:]
            var isSyncing = false
            /// Called in the middle of a commit, between its write and its sync.
            var cutting: (@Sendable () -> Void)?
        }
        private let state = Locked(State())

        func hook(_ step: LogOptions.WriteStep) -> Int32 {
            if state.withLock({ $0.isSyncing }) { note() }
            if step == .sync {
                let cutting = state.withLock { state in
                    defer { state.cutting = nil }
                    return state.cutting
                }
                cutting?()
            }
            state.withLock { $0.isSyncing = step == .sync }
            return 0
        }

        /// Nothing is under way: what was synced is as it is.
        func noteWritten() {
            if state.withLock({ $0.isSyncing }) { note() }
            state.withLock { $0.isSyncing = false }
        }

        func atNextSync(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.cutting = body } }

        func forget() { state.withLock { $0 = State() } }

        private func note() {
            guard let directory = directory.withLock({ $0 }) else { return }
            let files = directory.segments.map { ($0, TemporaryDirectory.read(directory.file($0))) }
            state.withLock { state in
                for (name, content) in files { state.synced[name] = content }
            }
        }

        func synced(_ name: String) -> [UInt8]? { state.withLock { $0.synced[name] } }
    }

    /// What two other receivers have received: the same whenever it is pulled.
    private static let others = [Identity(high: 3, low: 1), Identity(high: 3, low: 2)]

    private static func pulled(_ origin: Identity, _ sequence: Int64) -> SharedDelivery {
        let text = String(repeating: "p", count: Int(sequence % 7) * 40)
        return SharedDelivery(
            sequence: sequence, receivedMicroseconds: 1_770_000_000_000_000 + sequence, source: 0,
            body: body("SESSION_X", "s\(sequence % 7)", at: sequence, extra: #","o":"\#(origin.low)\#(text)""#))
    }

    /// Everything that was pulled and is durable is here, each delivery at its place, and once.
    private func expectPulled(
        _ acknowledged: [Identity: Int64], in store: DiskSessionStore, _ location: SourceLocation = #_sourceLocation
    ) throws {
        for origin in Self.others {
            let found = try store.deliveries(of: origin, after: 0, countMax: 100_000, bytesMax: 1 << 30)
            let frontier = store.frontier[origin] ?? 0
            #expect(frontier >= acknowledged[origin] ?? 0, sourceLocation: location)
            let whole = found.prefix(Int(frontier))
            #expect(
                whole.elementsEqual((1..<frontier + 1).map { Self.pulled(origin, $0) }), sourceLocation: location)
        }
    }

    @Test(arguments: 0..<6) func `nothing acknowledged is lost, and the check is clean`(seed: Int) async throws {
        var random = Seeded(UInt64(seed))
        let machine = try Machine()
        var acknowledged: [IngestOutcome] = []
        var pulled: [Identity: Int64] = [:]
        for step in 0..<36 {
            switch Int.random(in: 0..<17, using: &random) {
            case 0: try machine.restart(after: true)
            case 1: try machine.restart(after: false)
            case 2:
                let gone = "s\(Int.random(in: 0..<7, using: &random))"
                try await machine.store.ingest(
                    try delivery("SESSION_STARTED", "of-\(step)", at: 1, extra: #","userId":"user-\#(gone)""#))
                machine.disk.noteWritten()
                _ = try await machine.store.erase("user-\(gone)")
            case 3: try machine.store.flush()
            case 4...6:
                let origin = Self.others[step % 2]
                let first = (machine.store.frontier[origin] ?? 0) + 1
                let last = first + Int64.random(in: 0..<30, using: &random)
                try await machine.store.append((first...last).map { Self.pulled(origin, $0) }, of: origin)
                pulled[origin] = max(pulled[origin] ?? 0, last)
            default:
                let count = Int.random(in: 1...4, using: &random)
                acknowledged += try await ingest(count, from: 10 * step, into: machine.store)
            }
            machine.disk.noteWritten()
            guard step % 6 == 5 else { continue }
            // In the middle of a commit of many deliveries, whose sync has not been called yet.
            let cut = Locked<TemporaryDirectory?>(nil)
            var ofCut = random
            _ = random.next()
            let box = UncheckedMachine(machine)
            let seedOfCut = ofCut.next()
            machine.disk.atNextSync {
                var random = Seeded(seedOfCut)
                let made = box.machine.cut(&random)
                cut.withLock { $0 = made }
            }
            let outcomes = Locked<[IngestOutcome]>([])
            let large = String(repeating: "n", count: 500)
            let store = machine.store
            try store.log.queue.sync {
                let origin = Self.others[0]
                let first = (store.frontier[origin] ?? 0) + 1
                let rows = (first..<first + 9).map { Self.pulled(origin, $0) }.map {
                    PendingDelivery(
                        source: $0.source, body: $0.body, receivedMicroseconds: $0.receivedMicroseconds)
                }
                store.log.append(PulledRows(origin: origin, firstSequence: first, items: rows) { _ in })
                for index in 0..<20 {
                    let item = try delivery(
                        "SESSION_X", "s\(index % 7)", at: Int64(10_000 + step * 100 + index),
                        extra: #","n":"\#(large)""#)
                    store.append(item) { result in
                        if let outcome = try? result.get() { outcomes.withLock { $0.append(outcome) } }
                    }
                }
            }
            while store.log.load.count > 0 { store.log.queue.sync {} }
            store.log.queue.sync {}
            let left = try #require(cut.withLock { $0 })
            let opened = try openStore(left)
            try await expectKept(acknowledged, in: opened)
            try expectPulled(pulled, in: opened)
            let report = try opened.check { _ in }
            #expect(report.isClean, "\(report)")
            opened.close()
            // The same again: what was told once is told.
            let again = try openStore(left)
            #expect(try again.check { _ in }.isClean)
            #expect(again.statistics.log.damages == 0)
            again.close()
            acknowledged += outcomes.withLock { $0 }
            if Bool.random(using: &random) {
                // The machine goes on from there.
                acknowledged.removeLast(outcomes.withLock { $0.count })
                try machine.goOn(in: left)
            }
        }
        try await expectKept(acknowledged, in: machine.store)
        try expectPulled(pulled, in: machine.store)
        #expect(try machine.store.check { _ in }.isClean)
        machine.store.close()
    }

    /// `@unchecked Sendable`: used in one place while the test waits.
    private struct UncheckedMachine: @unchecked Sendable {
        let machine: Machine
        init(_ machine: Machine) { self.machine = machine }
    }
}
