import Base
import SessionModel
import Testing

@testable import Receiver

@Suite struct ReconcilerScheduleTests {
    private static let second: UInt64 = 1_000_000_000
    private let a = SessionKey("a")

    private func schedule(_ change: (inout ReconciliationSettings) -> Void = { _ in }) -> ReconciliationSchedule {
        var settings = ReconciliationSettings()
        // What is asked soon has tests of its own.
        settings.soonSeconds = 0
        change(&settings)
        return ReconciliationSchedule(settings, seed: 1)
    }

    private static let patience: [(SessionStatus, UInt64)] = [
        (.waitingToStart, 120), (.waitingToStop, 120), (.stopFailed, 120), (.started, 1800), (.stopped, 300),
        (.complete, 5), (.failed, 600), (.other("NEW"), 600),
    ]

    @Test(arguments: patience)
    func `nothing is asked before its time`(_ status: SessionStatus, _ seconds: UInt64) {
        var schedule = schedule()
        schedule.noted(a, status, now: 0)
        #expect(schedule.takeDue(now: seconds * Self.second - 1) == nil)
        #expect(schedule.takeDue(now: seconds * Self.second * 6 / 5) == a)
    }

    @Test func `news move the question`() {
        var schedule = schedule()
        schedule.noted(a, .waitingToStart, now: 0)
        schedule.noted(a, .started, now: 100 * Self.second)
        #expect(schedule.takeDue(now: 1_800 * Self.second) == nil)
        #expect(schedule.takeDue(now: 2_300 * Self.second) == a)
        #expect(schedule.takeDue(now: 9_999 * Self.second) == nil)
    }

    @Test func `the wait doubles up to its bound and the tries end`() {
        var schedule = schedule {
            $0.triesMax = 6
            $0.backOffSecondsMax = 100
        }
        var now: UInt64 = 0
        var waits: [UInt64] = []
        schedule.noted(a, .complete, now: 0)
        while let due = schedule.nextDueAt {
            waits.append((due - now) / Self.second)
            now = due
            #expect(schedule.takeDue(now: now) == a)
            schedule.ended(a, .answered(.complete), now: now)
        }
        #expect(waits.count == 6)
        for (wait, base) in zip(waits, [5, 10, 20, 40, 80, 100] as [UInt64]) {
            #expect(wait >= base * 4 / 5 && wait <= base * 6 / 5, "\(wait) is not about \(base)")
        }
        #expect(schedule.count == 0)
        #expect(schedule.givenUpCount == 1)
        // Something new begins it anew.
        schedule.noted(a, .complete, now: now)
        #expect(schedule.count == 1)
    }

    @Test func `a change of status begins the waits anew`() {
        var schedule = schedule()
        schedule.noted(a, .stopped, now: 0)
        #expect(schedule.takeDue(now: 400 * Self.second) == a)
        schedule.ended(a, .answered(.stopped), now: 400 * Self.second)
        #expect(schedule.takeDue(now: 2_000 * Self.second) == a)
        schedule.ended(a, .answered(.complete), now: 2_000 * Self.second)
        #expect(schedule.takeDue(now: 2_072 * Self.second) == a)
        schedule.ended(a, .settled, now: 2_072 * Self.second)
        #expect(schedule.count == 0)
    }

    @Test func `what is heard of a complete session never puts its question off`() {
        var schedule = schedule { $0.completeSeconds = 10 }
        schedule.noted(a, .complete, now: 0)
        for second in 1...9 as ClosedRange<UInt64> { schedule.noted(a, .complete, now: second * Self.second) }
        #expect(schedule.takeDue(now: 12 * Self.second) == a)
        schedule.ended(a, .answered(.complete), now: 12 * Self.second)
        schedule.noted(a, .complete, now: 13 * Self.second)
        #expect(schedule.takeDue(now: 26 * Self.second) == a)
    }

    @Test func `what is heard during a question is not lost`() {
        var schedule = schedule()
        schedule.noted(a, .started, now: 0)
        #expect(schedule.takeDue(now: 3_000 * Self.second) == a)
        schedule.noted(a, .stopped, now: 3_000 * Self.second)
        schedule.ended(a, .settled, now: 3_001 * Self.second)
        #expect(schedule.takeDue(now: 3_299 * Self.second) == nil)
        #expect(schedule.takeDue(now: 3_361 * Self.second) == a)
    }

    @Test func `after a downtime a session is asked about soon whatever is heard meanwhile`() {
        var schedule = schedule()
        schedule.noted(a, .started, now: 0)
        schedule.add(a, .started, at: 10 * Self.second)
        schedule.noted(a, .started, now: 11 * Self.second)
        #expect(schedule.takeDue(now: 40 * Self.second) == a)
        schedule.ended(a, .answered(.started), now: 40 * Self.second)
        #expect(schedule.takeDue(now: 1_000 * Self.second) == nil)
    }

    @Test func `open sessions are spread after a downtime`() {
        var schedule = schedule { $0.spreadSeconds = 30 }
        for number in 0..<300 { schedule.add(SessionKey("\(number)"), .started, at: 0) }
        var counts = [0, 0, 0]
        for second in 1...30 as ClosedRange<UInt64> {
            while schedule.takeDue(now: second * Self.second) != nil { counts[Int(second - 1) / 10] += 1 }
        }
        #expect(counts.reduce(0, +) == 300)
        #expect(counts.allSatisfy { $0 > 50 })
    }

    @Test func `an answer that does not come is no try`() {
        var schedule = schedule { $0.triesMax = 1 }
        schedule.noted(a, .complete, now: 0)
        var now = 100 * Self.second
        for _ in 0..<20 {
            #expect(schedule.takeDue(now: now) == a)
            schedule.ended(a, .postponed(nanoseconds: 5 * Self.second), now: now)
            #expect(schedule.takeDue(now: now + 5 * Self.second - 1) == nil)
            now += 7 * Self.second
        }
        #expect(schedule.count == 1)
        #expect(schedule.givenUpCount == 0)
    }

    @Test func `memory is bounded and what is left out is looked up again`() {
        var schedule = schedule { $0.sessionsMax = 10 }
        for number in 0..<30 { schedule.noted(SessionKey("\(number)"), .complete, now: 0) }
        #expect(schedule.count == 10)
        #expect(schedule.isIncomplete)
        #expect(!schedule.wantsMore)
        while let key = schedule.takeDue(now: 100 * Self.second) {
            schedule.ended(key, .settled, now: 100 * Self.second)
        }
        #expect(schedule.wantsMore)
        schedule.willLookUp()
        #expect(!schedule.wantsMore)
    }

    @Test func `the heap does not grow with news`() {
        var schedule = schedule()
        for second in 0..<50_000 as Range<UInt64> { schedule.noted(a, .started, now: second * Self.second) }
        #expect(schedule.heapCount < 2_000)
        #expect(schedule.takeDue(now: 60_000 * Self.second) == a)
        #expect(schedule.takeDue(now: 90_000 * Self.second) == nil)
    }

    @Test func `a refund ends it`() {
        var schedule = schedule()
        schedule.noted(a, .complete, now: 0)
        schedule.noted(a, .refunded, now: 1)
        #expect(schedule.count == 0)
    }
}

@Suite struct ReconcilerExpectationTests {
    private func expectation(_ facts: [(FactSource, String)]) throws -> SessionRecord.Expectation {
        var record = SessionRecord(sessionId: "s")
        for (index, (source, body)) in facts.enumerated() {
            let text = body.replacing("$", with: #""sessionId":"s","timestamp":"2025-01-01T00:00:0\#(index)Z""#)
            let event = try SessionEvent.decode(Array(text.utf8), source: source)
            record.apply(
                event, position: Int64(index) + 1, receivedAt: .epoch,
                place: Place(origin: .none, sequence: Int64(index) + 1))
        }
        return record.expectation
    }

    private static let complete = #"{"event":"SESSION_COMPLETE","payload":{$}}"#

    @Test func `open until complete then unsettled until paid`() throws {
        let observed = { (extra: String) in
            #"{"event":"DRIVE_API_SESSION","payload":{$,"sessionStatus":"COMPLETE"\#(extra)}}"#
        }
        #expect(try expectation([(.webhook, #"{"event":"SESSION_STARTED","payload":{$}}"#)]) == .events)
        #expect(try expectation([(.webhook, #"{"event":"SESSION_START_FAILED","payload":{$}}"#)]) == .events)
        #expect(try expectation([(.webhook, Self.complete)]) == .payment)
        #expect(try expectation([(.driveApi, observed(#","balanceStatus":"PAID""#))]) == .payment)
        #expect(try expectation([(.driveApi, observed(#","balanceStatus":"DEBT","price":{}"#))]) == .payment)
        #expect(try expectation([(.driveApi, observed(#","balanceStatus":"PROCESSING","price":{}"#))]) == .payment)
        #expect(try expectation([(.driveApi, observed(#","balanceStatus":"PAID","price":{}"#))]) == .nothing)
        #expect(try expectation([(.driveApi, observed(#","balanceStatus":"REFUND","price":{}"#))]) == .nothing)
        // The API tells of no payment: external clearing.
        #expect(try expectation([(.driveApi, observed(#","price":{}"#))]) == .nothing)
        #expect(
            try expectation([(.driveApi, #"{"event":"DRIVE_API_SESSION","payload":{$,"sessionStatus":"REFUNDED"}}"#)])
                == .nothing)
    }
}
