import Base
import Dispatch
import HTTPClient
import SessionIndex
import SessionModel
import Testing

@testable import Receiver

/// What streams may take of memory, with bounds so small that they are passed.
@Suite struct LiveBoundsTests {
    private static let targets = ["/v1/sessions/S1/events", "/v1/users/u1/events", "/v1/events"]

    private func withServer(
        _ change: (inout LiveOptions) -> Void = { _ in }, _ body: (RunningServer, TestClock) throws -> Void
    ) throws {
        let clock = TestClock()
        var live = LiveOptions.manual
        change(&live)
        try withApplication(clock: { clock.now }, live: live) { server throws in try body(server, clock) }
    }

    @Test(arguments: targets)
    func `streams go on from the log when changes come faster than they can be told`(target: String) throws {
        try withServer({ $0.queueBytesMax = 4_096 }) { server, clock throws in
            try server.report("SESSION_STARTED", "S1", at: 0, extra: #","userId":"u1""#)
            let stream = try EventStream(server, target).opened()
            server.features.hub.settle()
            let waited = Waiting<Int>()
            _ = server.features.hub.wait(
                LiveWaiter(
                    key: SessionKey("S1"), version: 30, endsAtMicroseconds: .max,
                    grant: .everything, isOurs: { _ in true }
                ) { ending in
                    if case .changed(let record) = ending { waited.give(record.state.version) } else { waited.give(0) }
                })
            // Callbacks are answered all the same.
            server.features.hub.queue.suspend()
            for second in 1...40 { try server.report("SESSION_X", "S1", at: Int64(second)) }
            server.features.hub.queue.resume()
            var versions = try stream.next(40).map(\.version)
            #expect(waited.wait() == 41)
            for second in 41...60 { try server.report("SESSION_X", "S1", at: Int64(second)) }
            versions += try stream.next(20).map(\.version)
            #expect(versions == Array(2...61))
            withExtendedLifetime(clock) {}
        }
    }

    /// Each session has to be made again for each of its changes.
    @Test(arguments: targets)
    func `a resume is whole without room for sessions half told`(target: String) throws {
        try withServer({
            $0.resumptionBytesMax = 1
            $0.resumptionRowsMax = 7
        }) { server, clock throws in
            let fee = testTime.adding(seconds: 30).rfc3339
            for second in 0..<40 as Range<Int64> {
                clock.advance(seconds: 1)
                let ids = target.contains("sessions") ? ["S1"] : ["S1", "S2", "S3"]
                for id in ids {
                    try server.report("SESSION_X", id, at: second, extra: #","userId":"u1""#)
                    guard second == 5 else { continue }
                    try server.report("SESSION_FEE_INCURRING", id, at: second, extra: #","feeWillApplyFrom":"\#(fee)""#)
                }
            }
            let count = target.contains("sessions") ? 1 : 3
            let events = try EventStream(server, target, after: "0").next(42 * count)
            #expect(events.filter { $0.type == "fee-applies" }.count == count)
            for id in ["S1", "S2", "S3"].prefix(count) {
                let ofSession = events.filter { $0.session?.string("sessionId") == id && $0.type != "fee-applies" }
                #expect(ofSession.map(\.version) == Array(1...41))
            }
            let ids = events.compactMap(\.id)
            // The same from the middle on.
            let again = try EventStream(server, target, after: ids[20 * count]).next(42 * count - 20 * count - 1)
            #expect(again == Array(events[(20 * count + 1)...]))
        }
    }

    /// Neither an index of what waits nor the first pieces of the log know of a session that has changed since.
    @Test func `what time alone changed is told though the session changes many rows later`() throws {
        try withServer({ $0.resumptionRowsMax = 7 }) { server, clock throws in
            for id in ["S0", "S2"] {
                let fee = testTime.adding(seconds: 10).rfc3339
                try server.report(
                    "SESSION_FEE_INCURRING", id, at: 0, extra: #","userId":"u1","feeWillApplyFrom":"\#(fee)""#)
            }
            let stream = try EventStream(server, "/v1/events").opened()
            let begin = stream.lastEventId
            for second in 1...100 as ClosedRange<Int64> {
                clock.advance(seconds: 1)
                try server.report("SESSION_X", "S1", at: second)
            }
            try server.report("SESSION_COMPLETE", "S0", at: 101)
            try server.report("SESSION_COMPLETE", "S0", at: 101, extra: #","note":"another""#)
            let live = try stream.next(104)
            #expect(live.filter { $0.type == "fee-applies" }.count == 2)
            #expect(try EventStream(server, "/v1/events", after: begin).next(104) == live)
        }
    }

    @Test func `what all streams hold back together is bounded, and resumed`() throws {
        try withServer({ $0.heldBytesMax = 1 }) { server, _ throws in
            try server.report("SESSION_STARTED", "S1", at: 0, extra: #","userId":"u1""#)
            let padding = String(repeating: "x", count: 20_000)
            for second in 1...60 as ClosedRange<Int64> {
                try server.report("SESSION_X", "S1", at: second, extra: #","site":"\#(padding)""#)
            }
            // More than the sockets take: it is still catching up when the next change comes.
            let stream = try EventStream(server, "/v1/sessions/S1/events", after: "0")
            var versions = [try stream.next()?.version]
            try server.report("SESSION_X", "S1", at: 61)
            server.features.hub.settle()
            while let event = try stream.next() { versions.append(event.version) }
            #expect(versions == Array(1...61))
            let again = try EventStream(server, "/v1/sessions/S1/events", after: stream.lastEventId)
            #expect(try again.next(1).map(\.version) == [62])
        }
    }

    @Test func `who leaves while it resumes is forgotten`() throws {
        try withServer { server, _ throws in
            let padding = String(repeating: "x", count: 20_000)
            for second in 0..<60 as Range<Int64> {
                try server.report("SESSION_X", "S1", at: second, extra: #","site":"\#(padding)""#)
            }
            var stream: EventStream? = try EventStream(server, "/v1/sessions/S1/events", after: "0")
            #expect(try stream?.next()?.version == 1)
            stream = nil
            while server.features.hub.listenerCount > 0 { _ = try server.get("/healthz") }
            // Let go of a moment later, on another queue.
            while try BackgroundExecutor.wait(for: { [records = server.features.hub.missedRecords] in
                await records.bytes
            }) > 0 { _ = try server.get("/healthz") }
        }
    }

    @Test func `an event lists the latest notices and says how many there are`() throws {
        try withServer { server, clock throws in
            let stream = try EventStream(server, "/v1/events").opened()
            for second in 1...50 as ClosedRange<Int64> {
                let start = testTime.adding(seconds: 1_000 + second).rfc3339
                try server.report("SESSION_FEE_INCURRING", "S1", at: second, extra: #","feeWillApplyFrom":"\#(start)""#)
            }
            let live = try stream.next(50)
            #expect(live.map { $0.session?.member("fees")?.elements.count } == (1...50).map { min($0, 32) })
            #expect(live.last?.session?.member("feesTotal")?.integer == 50)
            #expect(live.first?.session?.member("feesTotal") == nil)
            clock.advance(seconds: 2_000)
            server.features.hub.tick()
            let due = try stream.next(50)
            #expect(due.allSatisfy { $0.type == "fee-applies" && $0.data.member("fees")?.elements.count == 1 })
            #expect(try EventStream(server, "/v1/events", after: "0").next(100) == live + due)
        }
    }
}
