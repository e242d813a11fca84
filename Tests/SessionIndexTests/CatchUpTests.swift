import Base
import Dispatch
import EventLog
import Glibc
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionIndex

/// A long tail is folded behind the opening, while deliveries are accepted.
struct CatchUpTests {
    let directory = TemporaryDirectory()

    /// Lets the fold go on slice by slice, when the test says so.
    private final class Gate: Sendable {
        private let reached = DispatchSemaphore(value: 0)
        private let mayGoOn = DispatchSemaphore(value: 0)
        private let isOpen = Locked(false)

        func pass() {
            reached.signal()
            if !isOpen.withLock({ $0 }) { mayGoOn.wait() }
        }
        func waitUntilReached() { reached.wait() }
        func letOnePass() { mayGoOn.signal() }
        func open() {
            isOpen.withLock { $0 = true }
            mayGoOn.signal()
        }
    }

    private func fill(_ count: Int) async throws {
        let store = try TestIndex(directory)
        for index in 0..<count {
            let name = ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"][index % 3]
            try await store.ingest(try delivery(name, "s\(index % 101)", at: Int64(index)))
        }
        store.close()
        // As after an upgrade that makes the rows anew.
        FileSystem.remove(directory.file("sessions.sqlite"))
    }

    private func open(_ gate: Gate) throws -> TestIndex {
        try TestIndex(directory) { options in
            options.tailBeforeOpeningMax = 100
            options.catchUpHook = { _ in gate.pass() }
        }
    }

    /// Appends while the fold is held before a slice, and waits for the outcomes, which come before the next one.
    private func ingest(
        _ deliveries: [Delivery], into store: TestIndex, _ gate: Gate
    ) async throws -> [IngestOutcome] {
        let outcomes = Locked<[IngestOutcome]>([])
        for delivery in deliveries {
            store.append(delivery) { result in
                if let outcome = try? result.get() { outcomes.withLock { $0.append(outcome) } }
            }
        }
        gate.letOnePass()
        gate.waitUntilReached()
        return outcomes.withLock { $0 }
    }

    @Test func `deliveries are accepted meanwhile, and nothing is said of sessions`() async throws {
        try await fill(3_000)
        let gate = Gate()
        let store = try open(gate)
        gate.waitUntilReached()
        #expect(store.index.isCatchingUp && store.index.obstacle == nil)
        await #expect(throws: StoreError.catchingUp) { try await store.record("s1") }
        let outcomes = try await ingest(
            [delivery("SESSION_STOP_FAILED", "s1", at: 9_000), delivery("SESSION_STARTED", "new", at: 9_001)],
            into: store, gate)
        #expect(outcomes.map(\.position) == [3_001, 3_002])
        #expect(outcomes[0].status == .unknown && outcomes[0].version == 0 && !outcomes[0].duplicate)
        await #expect(throws: StoreError.catchingUp) { try await store.record("new") }
        #expect(store.index.isCatchingUp)
        _ = try await ingest([delivery("SESSION_STOPPED", "new", at: 9_002)], into: store, gate)
        gate.open()
        await store.caughtUp()
        #expect(!store.index.isCatchingUp && store.index.figures.folded == 3_003)
        #expect(try await store.record("new")?.state.status == .stopped)
        try await store.expectFoldOfLog()
        // From here on as ever.
        let repeated = try await store.ingest(try delivery("SESSION_STOPPED", "new", at: 9_002))
        #expect(repeated.duplicate && repeated.version == 2)
        store.close()
    }

    @Test func `a crash in the middle loses nothing`() async throws {
        try await fill(3_000)
        let gate = Gate()
        let store = try open(gate)
        gate.waitUntilReached()
        #expect(try await ingest([delivery("SESSION_STARTED", "new", at: 9_001)], into: store, gate).count == 1)
        let copy = directory.copyAsAfterCrash()
        gate.open()
        store.close()
        let reopened = try TestIndex(copy)
        #expect(!reopened.index.isCatchingUp)
        #expect(reopened.log.lastPosition == 3_001)
        try await reopened.expectFoldOfLog()
        reopened.close()
    }

    @Test func `closing in the middle is in order`() async throws {
        try await fill(3_000)
        let gate = Gate()
        let store = try open(gate)
        gate.waitUntilReached()
        #expect(try await ingest([delivery("SESSION_STARTED", "new", at: 9_001)], into: store, gate).count == 1)
        let isClosed = DispatchSemaphore(value: 0)
        DispatchQueue(label: "closing").async {
            store.close()
            isClosed.signal()
        }
        gate.open()
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "waiting").async {
                isClosed.wait()
                continuation.resume()
            }
        }
        let reopened = try TestIndex(directory)
        try await reopened.expectFoldOfLog()
        reopened.close()
    }

    @Test func `a short tail is folded before the opening returns`() async throws {
        try await fill(90)
        let store = try TestIndex(directory) { $0.tailBeforeOpeningMax = 100 }
        #expect(!store.index.isCatchingUp)
        try await store.expectFoldOfLog()
        store.close()
    }
}
