import Base
import SessionIndex
import SessionModel
import Testing

@testable import Receiver

/// The order of live events, without sockets and clock.
@Suite struct TimelineTests {
    private let settings = GuidanceSettings()

    private func start() -> Timeline { Timeline(settings: settings, cursor: .start, mark: .start) }

    private func event(_ name: String, at seconds: Int64, _ extra: String = "") throws -> SessionEvent {
        try SessionEvent.decode(
            Callback.body(name, "S1", at: testTime.adding(seconds: seconds).rfc3339, extra: extra))
    }

    private func fee(at seconds: Int64, from: Int64, _ type: String = "BLOCKING") throws -> SessionEvent {
        let start = testTime.adding(seconds: from).rfc3339
        return try event("SESSION_FEE_INCURRING", at: seconds, #","feeType":"\#(type)","feeWillApplyFrom":"\#(start)""#)
    }

    /// A session that is told fact by fact, each a second after the one before.
    private struct Session {
        var record = SessionRecord(sessionId: "S1")
        var position: Int64 = 0

        mutating func apply(_ event: SessionEvent) -> FoldedChange? {
            position += 1
            let at = testTime.adding(seconds: position)
            let before = record.before
            let place = Place(origin: .none, sequence: position)
            guard record.apply(event, position: position, receivedAt: at, place: place) == .accepted else { return nil }
            return FoldedChange(
                SessionChange(record, since: before, event, at: at), position: position, receivedAt: at,
                seal: UInt64(position) << 32, place: place)
        }

        mutating func change(_ event: SessionEvent) throws -> FoldedChange {
            let change = apply(event)
            return try #require(change)
        }
    }

    @Test func `notices with many due times are a timer each and one session`() throws {
        var timeline = start()
        var session = Session()
        var told = 0
        for index in 0..<3_000 {
            let change = try session.change(try fee(at: 0, from: 10_000 + Int64(index), "\(index)"))
            timeline.apply(change) { told += $0.outline.state.fees.count <= SessionOutline.listedMax ? 1 : 0 }
        }
        #expect(told == 3_000)
        #expect(timeline.timerCount == 3_000)
        #expect(timeline.waitingCount == 1)
        var due: [Instant] = []
        timeline.advance(to: .end(of: testTime.adding(seconds: 20_000).microsecondsSince1970)) { due.append($0.at) }
        #expect(due == (0..<3_000).map { testTime.adding(seconds: 10_000 + $0) })
        #expect(timeline.timerCount == 0)
        #expect(timeline.waitingCount == 0)
    }

    @Test func `notices of one instant are told together, as many as an event lists`() throws {
        var timeline = start()
        var session = Session()
        for index in 0..<100 {
            let change = try session.change(try fee(at: 0, from: 10_000, "\(1_000 + index)"))
            timeline.apply(change) { _ in }
        }
        var told: [LiveEvent] = []
        timeline.advance(to: .end(of: .max)) { told.append($0) }
        #expect(told.count == 1)
        #expect(told.first?.fees?.total == 100)
        #expect(told.first?.fees?.notices.map(\.feeType) == (68..<100).map { "\(1_000 + $0)" })
    }

    @Test func `void timers do not pile up`() throws {
        var timeline = start()
        for index in 0..<5_000 {
            var session = Session()
            session.record = SessionRecord(sessionId: "S\(index)")
            let at = testTime.adding(seconds: 1)
            let request = try SessionEvent.decode(
                Array(
                    #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S\#(index)","timestamp":"\#(at.rfc3339)","#
                        .utf8) + Array(#""sessionStatus":"WAITING_TO_START"}}"#.utf8), source: .driveApi)
            timeline.apply(try session.change(request)) { _ in }
            let complete = try SessionEvent.decode(Callback.body("SESSION_COMPLETE", "S\(index)", at: at.rfc3339))
            timeline.apply(try session.change(complete)) { _ in }
        }
        #expect(timeline.waitingCount == 0)
        #expect(timeline.timerCount <= 1_025)
    }

    @Test func `a fee of a session that has stopped is told only if it goes on`() throws {
        for goesOn in [true, false] {
            var timeline = start()
            var session = Session()
            var events = [try fee(at: 0, from: 60), try event("SESSION_STOPPED", at: 1)]
            if goesOn { events.append(try event("SESSION_STARTED", at: 2)) }
            for event in events { timeline.apply(try session.change(event)) { _ in } }
            var kinds: [LiveEvent.Kind] = []
            timeline.advance(to: .end(of: .max)) { kinds.append($0.kind) }
            #expect(kinds == (goesOn ? [.feeApplies] : []))
        }
    }

    /// Whoever knows nothing of the session up to its stop learns of the fees with the fact that makes it go on.
    @Test func `a fee is known again to who began to listen after the stop`() throws {
        var session = Session()
        for event in [try fee(at: 0, from: 60), try event("SESSION_STOPPED", at: 1)] { _ = session.apply(event) }
        var timeline = start()
        timeline.apply(try session.change(try event("SESSION_STARTED", at: 2))) { _ in }
        var kinds: [LiveEvent.Kind] = []
        timeline.advance(to: .end(of: .max)) { kinds.append($0.kind) }
        #expect(kinds == [.feeApplies])
    }

    /// From each id on, the replay tells what was told live, byte for byte.
    @Test(arguments: 1...6) func `a replay tells what was told live`(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<60 {
            var session = Session()
            var timeline = start()
            var told: [LiveEvent] = []
            for _ in 0..<random.between(3, 14) {
                let second = Int64(random.below(20))
                let event =
                    switch random.below(6) {
                    case 0, 1: try fee(at: second, from: Int64(random.below(30)), random.pick(["A", "B"]))
                    case 2: try event("SESSION_STOPPED", at: second)
                    case 3: try event("SESSION_STARTED", at: second, #","n":\#(random.below(3))"#)
                    case 4: try event("SESSION_X", at: second, #","n":\#(random.below(3))"#)
                    default: try event(random.pick(["SESSION_COMPLETE", "SESSION_START_FAILED"]), at: second)
                    }
                if let change = session.apply(event) { timeline.apply(change) { told.append($0) } }
            }
            let end = TimeMark.end(of: testTime.adding(seconds: 60).microsecondsSince1970)
            timeline.advance(to: end) { told.append($0) }
            for index in told.indices {
                let id = told[index].id
                var missed = MissedRecord(session.record, from: id.position)
                let received = testTime.adding(seconds: id.position).microsecondsSince1970
                var again = Timeline(settings: settings, cursor: id.cursor, mark: id.mark ?? .end(of: received))
                missed.track(in: &again)
                var replayed: [LiveEvent] = []
                for position in (id.position + 1)..<max(session.position + 1, id.position + 1) {
                    guard let (change, at) = missed.advance(to: position) else { continue }
                    again.apply(
                        FoldedChange(
                            change, position: position, receivedAt: at, seal: UInt64(position) << 32,
                            place: Place(origin: .none, sequence: position))
                    ) { replayed.append($0) }
                }
                again.advance(to: end) { replayed.append($0) }
                #expect(replayed.map(\.bytes) == told[(index + 1)...].map(\.bytes))
            }
        }
    }
}
