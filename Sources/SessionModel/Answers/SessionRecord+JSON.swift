package import Base

extension SessionRecord {
    /// The answer of `GET /v1/sessions/{sessionId}`.
    ///
    /// - Parameter extras: writes further members (guidance, anomalies) behind the others.
    package func sessionJSON(extras: (inout JSONWriter) -> Void = { _ in }) -> [UInt8] {
        var writer = JSONWriter(capacity: 1024)
        write(to: &writer, extras: extras)
        return writer.bytes
    }

    /// Writes the session as one object, as a document or within one.
    ///
    /// - Parameter now: for the duration of a session that runs.
    package func write(to writer: inout JSONWriter, now: Instant? = nil, extras: (inout JSONWriter) -> Void = { _ in })
    {
        writer.beginObject()
        state.writeMembers(to: &writer, now: now)
        if let last = facts.last {
            writer.key("lastFact")
            writer.beginObject()
            writer.key("event")
            writer.name(last.name)
            writer.field("timestamp", last.timestamp)
            writer.field("receivedAt", last.receivedAt)
            writer.field("source", last.source.name)
            writer.endObject()
        }
        writer.key("deliveries")
        writer.beginObject()
        writer.field("received", received)
        writer.field("duplicates", duplicates)
        writer.field("arrivedLate", arrivedLate)
        writer.endObject()
        extras(&writer)
        writer.endObject()
    }
}
