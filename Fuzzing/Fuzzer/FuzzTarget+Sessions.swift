import Base
import SessionModel

extension FuzzTarget {
    /// An event that decodes is folded without harm, and means the same when it is written down again.
    @Sendable static func event(_ bytes: UnsafeRawBufferPointer) {
        let event: SessionEvent
        do throws(EventError) {
            event = try SessionEvent.decode(bytes)
        } catch {
            precondition(!error.detail.isEmpty)
            return
        }
        guard let again = try? SessionEvent.decode(body(of: event)) else { preconditionFailure("own form refused") }
        precondition(again == event, "own form means something else")
        var record = SessionRecord(sessionId: event.sessionId)
        precondition(apply(event, to: &record, position: 1) == .accepted)
        precondition(apply(again, to: &record, position: 2) == .duplicate)
        check(record)
    }

    private static func body(of event: SessionEvent) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("event")
        writer.string(event.name.text)
        writer.key("payload")
        writer.beginObject()
        writer.key("sessionId")
        writer.string(event.sessionId)
        writer.key("timestamp")
        writer.instant(event.timestamp)
        writer.endObject()
        writer.endObject()
        var text = writer.bytes
        // The rest of the payload, spliced in as it is: `{"a":1}` after `…,"timestamp":"…"`.
        let members = event.payload.bytes.dropFirst().dropLast()
        if !members.isEmpty { text.insert(contentsOf: [UInt8(ascii: ",")] + members, at: text.count - 2) }
        return text
    }

    /// A stored record reads back as it was written, behind a right checksum too.
    @Sendable static func record(_ bytes: UnsafeRawBufferPointer) {
        let (bytes, sessionId) = (Array(bytes), "S")
        if let record = try? SessionRecord(sessionId: sessionId, decoding: bytes) { check(record) }
        let sealed = SessionRecord.withChecksum(bytes, sessionId: sessionId)
        if let record = try? SessionRecord(sessionId: sessionId, decoding: sealed) { check(record) }
    }

    private static func check(_ record: SessionRecord) {
        let encoded = record.encoded()
        guard let again = try? SessionRecord(sessionId: record.sessionId, decoding: encoded) else {
            preconditionFailure("own form refused")
        }
        precondition(again.encoded() == encoded, "not canonical")
        precondition(again.state == record.state, "another state after reading back")
        // A payload is not parsed again when a record is read: the checksum vouches for it, and a forged one could be
        // anything. What must hold is that it does no harm.
        let (answer, facts) = (record.sessionJSON(), record.factsJSON)
        guard record.facts.allSatisfy({ (try? CanonicalJSON(parsing: $0.payload.bytes)) == $0.payload }) else { return }
        precondition((try? CanonicalJSON(parsing: answer)) != nil, "an answer that is no JSON")
        precondition((try? CanonicalJSON(parsing: facts)) != nil, "facts that are no JSON")
    }

    /// Any events, in any order, any number of times: the state is that of the set. The bytes choose the events, two
    /// each, from an alphabet small enough for ties.
    @Sendable static func fold(_ bytes: UnsafeRawBufferPointer) {
        let names = EventNames.all
        var events: [SessionEvent] = []
        for index in stride(from: 0, to: min(bytes.count - 1, 64), by: 2) {
            let (first, second) = (Int(bytes[index]), Int(bytes[index + 1]))
            let extra = second >> 4 & 3 == 0 ? "" : #","userId":"u\#(second >> 4 & 3)""#
            let fee = second >> 6 == 0 ? "" : #","feeWillApplyFrom":"2025-06-12T10:0\#(second >> 6):00Z""#
            let text = """
                {"event":"\(names[first % names.count])","payload":{"sessionId":"S","timestamp":\
                "2025-06-12T10:00:0\(second & 7).\(second >> 3 & 1)Z"\(extra)\(fee)}}
                """
            guard let event = try? SessionEvent.decode(Array(text.utf8)) else { preconditionFailure(text) }
            events.append(event)
        }
        guard !events.isEmpty else { return }
        // The bytes choose as well who received each, and when.
        let deliveries = events.enumerated().map { index, event in
            let choice = Int(bytes[2 * index]) / names.count
            return Received(
                event: event, receivedAt: Instant(seconds: 1_750_000_000 + Int64(choice % 4)),
                place: Place(origin: Identity(high: 0, low: UInt64(choice / 4 % 3)), sequence: Int64(index + 1)))
        }
        let forward = record(of: deliveries)
        check(forward)
        let turned = Int(bytes[0]) % events.count
        for order in [deliveries.reversed(), Array(deliveries[turned...] + deliveries[..<turned])] {
            let other = record(of: order)
            precondition(other.sessionJSON() == forward.sessionJSON(), "depends on the order")
            precondition(other.factsJSON == forward.factsJSON, "depends on the order")
            precondition(other.orderedBy == forward.orderedBy, "depends on the order")
        }
        let repeated = record(of: deliveries + deliveries)
        precondition(repeated.state == forward.state, "depends on repeats")
        precondition(repeated.received == 2 * forward.received, "miscounted")
        precondition(repeated.arrivedLate == forward.arrivedLate, "depends on repeats")
    }

    private struct Received {
        let event: SessionEvent
        let receivedAt: Instant
        let place: Place
    }

    private static func record(of deliveries: [Received]) -> SessionRecord {
        var record = SessionRecord(sessionId: "S")
        for (index, one) in deliveries.enumerated() {
            record.apply(one.event, position: Int64(index + 1), receivedAt: one.receivedAt, place: one.place)
        }
        return record
    }

    private static func apply(
        _ event: SessionEvent, to record: inout SessionRecord, position: Int64
    ) -> SessionRecord.Application {
        record.apply(
            event, position: position, receivedAt: event.timestamp,
            place: Place(origin: .none, sequence: position))
    }
}

private enum EventNames {
    static let all = [
        "SESSION_STARTED", "SESSION_START_FAILED", "SESSION_STOPPED", "SESSION_STOP_FAILED", "SESSION_COMPLETE",
        "SESSION_COMPLETED", "SESSION_FAILED", "SESSION_FEE_INCURRING", "OTHER",
    ]
}
