import Base
import DriveAPI
import SessionModel
import Testing

@Suite struct ObservationTests {
    private static let start: Int64 = 1_750_000_000

    private func api(_ json: String) throws -> DriveSession {
        try #require(DriveSession(CanonicalJSON(parsing: json)))
    }

    private func observation(
        _ session: DriveSession, at seconds: Int64, nanoseconds: Int32 = 0, record: SessionRecord? = nil
    ) throws -> SessionEvent {
        let sentAt = Instant(seconds: Self.start + seconds, nanoseconds: nanoseconds)
        let body = session.observationBody(sessionId: "s1", userId: "u1", sentAt: sentAt, record: record)
        return try SessionEvent.decode(body, source: .driveApi)
    }

    private func callback(_ name: String, at seconds: Int64, fraction: String = "") throws -> SessionEvent {
        let time = Instant(seconds: Self.start + seconds).rfc3339.dropLast() + fraction + "Z"
        return try SessionEvent.decode(
            Array(#"{"event":"\#(name)","payload":{"sessionId":"s1","userId":"u1","timestamp":"\#(time)"}}"#.utf8))
    }

    private func record(_ events: SessionEvent...) -> SessionRecord {
        var record = SessionRecord(sessionId: "s1")
        for (index, event) in events.enumerated() {
            record.apply(
                event, position: Int64(index + 1), receivedAt: event.timestamp,
                place: Place(origin: .none, sequence: Int64(index + 1)))
        }
        return record
    }

    private static let complete =
        #"{"sessionStatus":"COMPLETE","balanceStatus":"PROCESSING","duration":"PT15M","sessionId":"s1","userId":null,"new":{"b":1,"a":2}}"#

    @Test func `everything is kept, and the user is the one asked about`() throws {
        let event = try observation(api(Self.complete), at: 5, nanoseconds: 900_000_000)
        #expect(event.name == .driveApiSession)
        #expect(event.status == .complete)
        #expect(event.userId == "u1")
        #expect(event.timestamp == Instant(seconds: Self.start + 5, nanoseconds: 900_000_000))
        #expect(
            event.payload.text
                == #"{"balanceStatus":"PROCESSING","duration":"PT15M","new":{"a":2,"b":1},"sessionStatus":"COMPLETE","userId":"u1"}"#
        )
    }

    @Test func `a running session's duration is no news`() throws {
        let first = try observation(
            api(#"{"sessionStatus":"STARTED","duration":"PT12S","sessionId":"s1"}"#), at: 60)
        let known = record(try callback("SESSION_STARTED", at: 10), first)
        let second = try observation(
            api(#"{"sessionStatus":"STARTED","duration":"PT99S","sessionId":"s1"}"#), at: 120)
        #expect(first.payload == second.payload)
        #expect(!known.isNews(second))
        #expect(record(try callback("SESSION_STARTED", at: 10)).isNews(second))
    }

    @Test func `a new balance is news, and decides over the old one`() throws {
        let before = try observation(api(Self.complete), at: 60)
        let after = try observation(api(Self.complete.replacing("PROCESSING", with: "PAID")), at: 70)
        var known = record(before)
        #expect(!known.isNews(try observation(api(Self.complete), at: 65)))
        #expect(known.isNews(after))
        known.apply(
            after, position: 2, receivedAt: after.timestamp, place: Place(origin: .none, sequence: 2))
        #expect(known.state.enrichment.string(.balanceStatus) == "PAID")
        // Whatever the order of arrival.
        #expect(record(after, before).state == known.state)
    }

    @Test func `what the API contradicts is news again, but not against COMPLETE`() throws {
        let started = try observation(api(#"{"sessionStatus":"STARTED"}"#), at: 60)
        let failed = try callback("SESSION_START_FAILED", at: 70)
        let later = try observation(api(#"{"sessionStatus":"STARTED"}"#), at: 80)
        #expect(record(started, failed).isNews(later))
        let earlier = try observation(api(#"{"sessionStatus":"STARTED"}"#), at: 65)
        #expect(!record(started, failed).isNews(earlier))
        #expect(!record(started, try callback("SESSION_COMPLETE", at: 70)).isNews(later))
    }

    @Test func `a complete session is no news of one that is refunded`() throws {
        let complete = try observation(api(#"{"sessionStatus":"COMPLETE"}"#), at: 60)
        let refunded = try observation(api(#"{"sessionStatus":"REFUNDED"}"#), at: 70)
        #expect(record(complete).isNews(refunded))
        let known = record(refunded, complete)
        #expect(known.state.status == .refunded)
        #expect(!known.isNews(try observation(api(#"{"sessionStatus":"REFUNDED"}"#), at: 80)))
        // Neither does it count again that the API has said so before.
        let again = try observation(api(#"{"sessionStatus":"COMPLETE"}"#), at: 65)
        #expect(!record(complete, try callback("SESSION_COMPLETE", at: 61)).isNews(again))
    }

    @Test func `an observation is no news where a later fact decides, whenever the status began`() throws {
        let started = try observation(api(#"{"sessionStatus":"STARTED"}"#), at: 50)
        let between = try observation(api(#"{"sessionStatus":"STARTED"}"#), at: 65)
        let stopped = record(
            started, try callback("SESSION_STOPPED", at: 60), try callback("SESSION_STOPPED", at: 70, fraction: ".5"))
        #expect(stopped.state.statusSince == Instant(seconds: Self.start + 60))
        #expect(!stopped.isNews(between))
        #expect(stopped.isNews(try observation(api(#"{"sessionStatus":"STARTED"}"#), at: 75)))
    }

    @Test func `what happens in the second of the observation decides over it`() throws {
        let observed = try observation(api(#"{"sessionStatus":"STARTED"}"#), at: 60, nanoseconds: 200_000_000)
        #expect(record(observed, try callback("SESSION_STOPPED", at: 60)).state.status == .stopped)
        // Where callbacks have fractions, the observation keeps its own.
        let exact = record(try callback("SESSION_STARTED", at: 60, fraction: ".1"))
        let stopped = try observation(
            api(#"{"sessionStatus":"STOPPED"}"#), at: 60, nanoseconds: 200_000_000, record: exact)
        #expect(record(try callback("SESSION_STARTED", at: 60, fraction: ".1"), stopped).state.status == .stopped)
    }

    @Test func `the later of two answers about a payment within a second counts, with a status and without`() throws {
        for paid in [Self.complete.replacing("PROCESSING", with: "PAID"), #"{"balanceStatus":"PAID"}"#] {
            let debt = try observation(
                api(Self.complete.replacing("PROCESSING", with: "DEBT")), at: 60, nanoseconds: 100_000_000)
            let later = try observation(api(paid), at: 60, nanoseconds: 900_000_000, record: record(debt))
            let known = record(debt, later)
            #expect(known.state.enrichment.string(.balanceStatus) == "PAID" && known.state.status == .complete)
        }
    }

    @Test func `a status that nobody knows survives`() throws {
        let event = try observation(api(#"{"sessionStatus":"SUSPENDED_BY_GRID"}"#), at: 60)
        #expect(record(event).state.status == .other("SUSPENDED_BY_GRID"))
    }
}
