import Base
import Dispatch
import Glibc
import SessionModel
import Testing

@testable import SessionStore

/// Erasures while other things happen.
struct ErasureMeanwhileTests {
    let directory = TemporaryDirectory()

    /// What is acknowledged while old sessions are removed stays, and with it the session that it is about.
    @Test func retentionKeepsASessionOfWhichSomethingNewIsHeard() async throws {
        let late = body("SESSION_STOPPED", "s3", at: 90_000_000)
        let waiting = Guarded<SQLiteSessionStore?>(nil)
        let answered = Guarded<IngestOutcome?>(nil)
        let store = try openStore(
            directory,
            manualOptions {
                $0.erasureHook = { step in
                    // Once, between the choice of the sessions and the work.
                    guard step == .planned, let store = waiting.withLock({ $0.take() }) else { return }
                    let done = DispatchSemaphore(value: 0)
                    guard let event = try? SessionEvent.decode(late) else { return }
                    let item = Delivery(event: event, body: late, receivedAt: Instant(seconds: 1_900_000_000))
                    _ = store.append(item) { result in
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
        #expect(try store.log().map(\.position) == [4, 10])
        #expect(try await store.record("s3")?.state.status == .complete)
        #expect(try await store.record("s2") == nil)
        #expect(try store.check { _ in }.differenceCount == 0)
        store.close()
    }

    private func unverified(_ text: String) -> QuarantinedBody {
        QuarantinedBody(receivedAt: .epoch, reason: "wrong", body: Array(text.utf8), credentials: [])
    }

    /// Bodies that are in memory only, because the log is in trouble, are erased, too.
    @Test func anErasureReachesWhatIsInMemory() async throws {
        let faults = JournalFaults()
        let store = try openStore(directory, manualOptions { $0.journalHook = { faults.hook($0) } })
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 0, extra: #","userId":"victim-77""#))
        store.quarantineUnverified(unverified(#"{"userId":"victim-77"}"#))
        faults.fail(sync: EIO)
        await #expect(throws: StoreError.self) { _ = try await store.ingest(delivery("SESSION_STARTED", "c", at: 0)) }
        faults.fail()
        #expect(try await store.erase("victim-77").quarantined == 1)
        store.close()
        #expect(directory.files(holding: "victim-77") == [])
    }

    @Test func whatIsRemovedFromTheQuarantineStaysRemoved() async throws {
        let faults = JournalFaults()
        let store = try openStore(directory, manualOptions { $0.journalHook = { faults.hook($0) } })
        faults.fail(sync: EIO)
        await #expect(throws: StoreError.self) { _ = try await store.ingest(delivery("SESSION_STARTED", "c", at: 0)) }
        faults.fail()
        store.quarantineUnverified(unverified("x"))
        let listed = try store.quarantined(after: 0, limit: 10, kind: nil).map(\.id)
        #expect(listed.count == 1)
        #expect(try await store.remove(listed) == 1)
        #expect(try store.quarantined(after: 0, limit: 10, kind: nil).isEmpty)
        store.close()
    }

    /// A user who is in no quarantined body: nothing of them is written anew.
    @Test func theQuarantineIsLeftAloneWhereTheUserIsNot() async throws {
        let store = try openStore(directory)
        let ids = try await [store.quarantine(unverified("one")), store.quarantine(unverified("two"))]
        #expect(try await store.erase("nobody-5").quarantined == 0)
        #expect(try store.quarantined(after: 0, limit: 10, kind: nil).map(\.id) == ids)
        #expect(try await store.erase("one").quarantined == 1)
        #expect(try store.quarantined(after: 0, limit: 10, kind: nil).map(\.id) == Array(ids.dropFirst()))
        store.close()
    }
}
