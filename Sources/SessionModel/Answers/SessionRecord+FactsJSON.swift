extension SessionRecord {
    /// The answer of `GET /v1/sessions/{sessionId}/facts`: every fact in fold order, and why it did or did not decide.
    package var factsJSON: [UInt8] {
        var writer = JSONWriter(capacity: 256 + facts.count * 384)
        let decision = decisionReason
        writer.beginObject()
        writer.field("sessionId", sessionId)
        writer.key("sessionStatus")
        writer.status(state.status)
        writer.field("version", state.version)
        writer.key("decision")
        writer.beginObject()
        writer.reason(decision)
        writer.endObject()
        writer.key("facts")
        writer.beginArray()
        for (index, fact) in facts.enumerated() {
            writer.beginObject()
            fact.writeMembers(to: &writer)
            writer.field("decided", index == state.decidingIndex)
            writer.reason(reason(ofFactAt: index, decision: decision))
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}

extension Fact {
    func writeMembers(to writer: inout JSONWriter) {
        writer.key("event")
        writer.name(name)
        if let status {
            writer.key("status")
            writer.status(status)
        }
        writer.field("source", source.name)
        writer.field("timestamp", timestamp)
        writer.field("receivedAt", receivedAt)
        writer.field("deliveries", deliveries)
        writer.key("payload")
        writer.json(payload)
    }
}

extension JSONWriter {
    fileprivate mutating func reason(_ reason: DecisionReason) {
        key("reason")
        string(reason.rawValue)
        key("explanation")
        string(reason.explanation)
    }
}
