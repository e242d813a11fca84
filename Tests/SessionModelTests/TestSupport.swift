import Base
import SessionModel
import Testing

func instant(_ text: String) throws -> Instant {
    try #require(Instant(rfc3339: text))
}

func event(_ json: String, source: FactSource = .webhook) throws -> SessionEvent {
    try SessionEvent.decode(Array(json.utf8), source: source)
}

/// A callback of session `S1`; `extras` are further members of the payload, with a leading comma.
func callback(_ name: String, _ timestamp: String, extras: String = #","userId":"user1""#) throws -> SessionEvent {
    try event(#"{"event":"\#(name)","payload":{"sessionId":"S1","timestamp":"\#(timestamp)"\#(extras)}}"#)
}

func text(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self)
}

/// Applies events in this order; each is received a second after the one before.
func record(
    _ events: [SessionEvent], receivedFrom first: Instant = Instant(seconds: 1_800_000_000)
) throws -> SessionRecord {
    var record = SessionRecord(sessionId: try #require(events.first).sessionId)
    for (index, event) in events.enumerated() {
        record.apply(event, position: Int64(index + 1), receivedAt: first.adding(seconds: Int64(index)))
    }
    return record
}

extension SessionRecord {
    /// Of the one receiver there is: its log is all that it has received.
    @discardableResult
    mutating func apply(_ event: SessionEvent, position: Int64, receivedAt: Instant) -> Application {
        apply(
            event, position: position, receivedAt: receivedAt, place: Place(origin: .none, sequence: position))
    }
}

/// All orders of up to a handful of elements.
func permutations<Element>(_ elements: [Element]) -> [[Element]] {
    guard elements.count > 1 else { return [elements] }
    return elements.indices.flatMap { index in
        var rest = elements
        let element = rest.remove(at: index)
        return permutations(rest).map { [element] + $0 }
    }
}
