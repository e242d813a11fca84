import Base
import Dispatch
import Ledger
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

/// Erasures while other things happen.
struct ErasureMeanwhileTests {
    let directory = TemporaryDirectory()

    /// What is acknowledged while old sessions are removed stays, and with it the session that it is about.
    @Test func `retention keeps a session of which something new is heard`() async throws {
        let late = body("SESSION_STOPPED", "s3", at: 90_000_000)
        let waiting = Locked<DiskSessionStore?>(nil)
        let answered = Locked<IngestOutcome?>(nil)
        let store = try openStore(
            directory,
            manualOptions {
                $0.erasureHook = { step in
                    // Once, between the choice of the sessions and the work.
                    guard step == .planned, let store = waiting.withLock({ $0.take() }) else { return }
                    let done = DispatchSemaphore(value: 0)
                    guard let event = try? SessionEvent.decode(late) else { return }
                    let item = Delivery(event: event, body: late, receivedAt: Instant(seconds: 1_900_000_000))
                    store.append(item) { result in
                        answered.withLock { $0 = try? result.get() }
                        done.signal()
                    }
                    done.wait()
                }
            })
        for index in 0..<9 { _ = try await store.ingest(try delivery("SESSION_COMPLETE", "s\(index)", at: 0)) }
        try store.flush()
        waiting.withLock { $0 = store }
        let report = try await store.removeEnded(before: Instant(seconds: 1_780_000_000))
        #expect(report.sessions == 8 && report.deliveriesRemoved == 8)
        let outcome = try #require(answered.withLock { $0 })
        #expect(outcome.version == 2)
        #expect(try store.entries().map(\.position) == [4, 10])
        #expect(try await store.record("s3")?.state.status == .complete)
        #expect(try await store.record("s2") == nil)
        #expect(try store.check { _ in }.differenceCount == 0)
        store.close()
    }

    private func unverified(_ text: String) -> QuarantinedBody {
        QuarantinedBody(receivedAt: .epoch, reason: "wrong", body: Array(text.utf8), credentials: [])
    }

    /// A user who is in no quarantined body: nothing of them is written anew.
    @Test func `the quarantine is left alone where the user is not`() async throws {
        let store = try openStore(directory)
        let ids = try await [
            store.ledger.quarantineVerified(unverified("one")), store.ledger.quarantineVerified(unverified("two")),
        ]
        #expect(try await store.erase("nobody-5").quarantined == 0)
        #expect(try await store.ledger.quarantined(after: 0, limit: 10, kind: nil).map(\.id) == ids)
        #expect(try await store.erase("one").quarantined == 1)
        #expect(try await store.ledger.quarantined(after: 0, limit: 10, kind: nil).map(\.id) == Array(ids.dropFirst()))
        store.close()
    }
}
