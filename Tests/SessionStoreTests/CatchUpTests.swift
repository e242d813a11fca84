import Base
import Dispatch
import SessionModel
import Testing

@testable import SessionStore

/// A long tail is folded behind the opening, while deliveries are accepted.
struct CatchUpTests {
    let directory = TemporaryDirectory()

    /// Lets the fold go on slice by slice, when the test says so.
    private final class Gate: Sendable {
        private let reached = DispatchSemaphore(value: 0)
        private let mayGoOn = DispatchSemaphore(value: 0)
        private let isOpen = Guarded(false)

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
        let store = try openStore(directory)
        for index in 0..<count {
            let name = ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"][index % 3]
            _ = try await store.ingest(try delivery(name, "s\(index % 101)", at: Int64(index)))
        }
        store.close()
        // As after an upgrade that makes the rows anew.
        FileSystem.remove(directory.file("sessions.sqlite"))
    }

    private func options(_ gate: Gate) -> StoreOptions {
        manualOptions { options in
            options.tailBeforeOpeningMax = 100
            options.catchUpHook = { _ in gate.pass() }
        }
    }

    private func caughtUp(_ store: SQLiteSessionStore) async {
        await withCheckedContinuation { continuation in store.whenCaughtUp { continuation.resume() } }
    }

    private func expectPureFold(_ store: SQLiteSessionStore) async throws {
        for (id, record) in try pureFold(try store.log()) {
            #expect(try await store.record(id)?.encoded == record.encoded, "\(id)")
        }
    }

    @Test func `deliveries are accepted meanwhile, and nothing is said of sessions`() async throws {
        try await fill(3_000)
        let gate = Gate()
        let store = try openStore(directory, options(gate))
        gate.waitUntilReached()
        #expect(store.isCatchingUp && store.isWritable)
        let known = try await store.ingest(try delivery("SESSION_STOP_FAILED", "s1", at: 9_000))
        let new = try await store.ingest(try delivery("SESSION_STARTED", "new", at: 9_001))
        #expect(known.position == 3_001 && new.position == 3_002)
        #expect(known.status == .unknown && known.version == 0 && !known.duplicate)
        await #expect(throws: StoreError.catchingUp) { try await store.record("s1") }
        await #expect(throws: StoreError.catchingUp) { try await store.record("new") }
        gate.letOnePass()
        gate.waitUntilReached()
        #expect(store.isCatchingUp)
        _ = try await store.ingest(try delivery("SESSION_STOPPED", "new", at: 9_002))
        gate.open()
        await caughtUp(store)
        #expect(!store.isCatchingUp && store.statistics.foldedPosition == 3_003)
        #expect(try await store.record("new")?.state.status == .stopped)
        try await expectPureFold(store)
        // From here on as ever.
        let repeated = try await store.ingest(try delivery("SESSION_STOPPED", "new", at: 9_002))
        #expect(repeated.duplicate && repeated.version == 2)
        store.close()
    }

    @Test func `a crash in the middle loses nothing`() async throws {
        try await fill(3_000)
        let gate = Gate()
        let store = try openStore(directory, options(gate))
        gate.waitUntilReached()
        gate.letOnePass()
        gate.waitUntilReached()
        _ = try await store.ingest(try delivery("SESSION_STARTED", "new", at: 9_001))
        let copy = directory.copyAsAfterCrash()
        gate.open()
        store.close()
        let reopened = try openStore(copy)
        #expect(!reopened.isCatchingUp)
        #expect(try reopened.log().count == 3_001)
        try await expectPureFold(reopened)
        #expect(try reopened.check { _ in }.differenceCount == 0)
        reopened.close()
    }

    @Test func `closing in the middle is in order`() async throws {
        try await fill(3_000)
        let gate = Gate()
        let store = try openStore(directory, options(gate))
        gate.waitUntilReached()
        _ = try await store.ingest(try delivery("SESSION_STARTED", "new", at: 9_001))
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
        let reopened = try openStore(directory)
        try await expectPureFold(reopened)
        reopened.close()
    }

    @Test func `a short tail is folded before the opening returns`() async throws {
        try await fill(90)
        let store = try openStore(directory, manualOptions { $0.tailBeforeOpeningMax = 100 })
        #expect(!store.isCatchingUp)
        try await expectPureFold(store)
        store.close()
    }
}
