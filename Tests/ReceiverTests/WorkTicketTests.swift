import Base
import SessionModel
import Testing

@testable import SessionStore

@Suite struct WorkTicketTests {
    private let barriers = ErasureBarriers()

    private func event(_ sessionId: String, user: String? = nil) throws -> SessionEvent {
        let extra = user.map { #","userId":"\#($0)""# } ?? ""
        return try SessionEvent.decode(
            Array(
                #"{"event":"SESSION_STARTED","payload":{"sessionId":"\#(sessionId)","timestamp":"2025-01-01T00:00:00Z"\#(extra)}}"#
                    .utf8))
    }

    private func passes(_ ticket: WorkTicket, _ event: SessionEvent) -> Bool { barriers.pass(ticket, event) {} }

    @Test func `work that is older than a barrier does not pass it, other work does`() throws {
        let (of, other, nobodys) = (barriers.begin("u"), barriers.begin("v"), barriers.begin(nil))
        #expect(passes(of, try event("s")))
        barriers.raise(userId: "u")
        #expect(!passes(of, try event("s")))
        #expect(of.isBarred && !other.isBarred)
        // Whom the event names counts as well.
        #expect(!passes(nobodys, try event("s", user: "u")))
        #expect(passes(nobodys, try event("s", user: "v")))
        #expect(passes(other, try event("s")))
        let later = barriers.begin("u")
        #expect(passes(later, try event("s", user: "u")))
        barriers.raise(sessions: ["s"])
        #expect(!passes(other, try event("s")))
        #expect(passes(other, try event("t")))
    }

    @Test func `an erasure waits for what is passing`() throws {
        let ticket = barriers.begin("u")
        let event = try event("s")
        _ = barriers.pass(ticket, event) {
            barriers.raise(userId: "v")
            #expect(barriers.isPassedBeforehand)
        }
        #expect(!barriers.isPassedBeforehand)
    }

    @Test func `a barrier is there for as long as older work is`() throws {
        var old: WorkTicket? = barriers.begin("u")
        barriers.raise(userId: "u")
        let new = barriers.begin("u")
        #expect(!passes(try #require(old), try event("s")))
        old = nil
        #expect(passes(new, try event("s")))
        barriers.raise(userId: "u")
        #expect(!passes(new, try event("s")))
    }
}
