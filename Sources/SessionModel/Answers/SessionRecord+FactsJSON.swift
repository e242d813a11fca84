extension SessionRecord {
    /// The answer of `GET /v1/sessions/{sessionId}/facts`: every fact in fold order, and why it did or did not decide.
    package var factsJSON: [UInt8] {
        var writer = JSONWriter(capacity: 256 + facts.count * 384)
        let decision = decisionReason
        writer.beginObject()
        writer.key("sessionId")
        writer.string(sessionId)
        writer.key("sessionStatus")
        writer.status(state.status)
        writer.key("version")
        writer.integer(state.version)
        writer.key("decision")
        writer.beginObject()
        writer.reason(decision)
        writer.endObject()
        writer.key("facts")
        writer.beginArray()
        for (index, fact) in facts.enumerated() {
            writer.beginObject()
            fact.writeMembers(to: &writer)
            writer.key("decided")
            writer.bool(index == state.decidingIndex)
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
        writer.key("source")
        writer.string(source.name)
        writer.member("timestamp", timestamp)
        writer.member("receivedAt", receivedAt)
        writer.key("deliveries")
        writer.integer(deliveries)
        writer.key("payload")
        writer.json(payload)
        writer.key("position")
        writer.integer(position)
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
