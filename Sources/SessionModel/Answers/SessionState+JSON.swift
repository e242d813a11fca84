internal import Base

extension SessionState {
    /// The members of the session answer that follow from the set of facts alone. Absent values are left out, as in the
    /// Drive API.
    ///
    /// - Parameter now: for the duration of a session that runs; nil leaves it out.
    func writeMembers(to writer: inout JSONWriter, now: Instant? = nil) {
        writer.field("sessionId", sessionId)
        if let userId {
            writer.field("userId", userId)
        }
        if userIdConflict {
            writer.field("userIdConflict", true)
            writer.key("userIds")
            writer.beginArray()
            for userId in userIds { writer.string(userId) }
            writer.endArray()
        }
        writer.key("sessionStatus")
        writer.status(status)
        writer.field("statusSince", statusSince)
        writer.field("startTime", startTime)
        writer.field("stopTime", stopTime)
        writer.field("abandonedAt", abandonedAt)
        var duration = enrichment[.duration] == nil ? self.duration(at: now) : nil
        func writeDuration() {
            guard let text = duration else { return }
            writer.field("duration", text)
            duration = nil
        }
        for entry in enrichment.entries {
            if entry.field.rawValue > Enrichment.Field.duration.rawValue { writeDuration() }
            writer.key(entry.field.name)
            writer.json(entry.value)
        }
        writeDuration()
        if !fees.isEmpty {
            writer.key("fees")
            writer.beginArray()
            for fee in fees { fee.write(to: &writer) }
            writer.endArray()
        }
        writer.field("version", version)
    }

    /// The state as one JSON object: byte-identical for every order of arrival and any repeats of the same facts.
    package var canonicalJSON: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writeMembers(to: &writer)
        writer.endObject()
        return writer.bytes
    }
}

extension FeeNotice {
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        if let feeType {
            writer.field("feeType", feeType)
        }
        writer.field("feeWillApplyFrom", feeWillApplyFrom)
        writer.field("timestamp", timestamp)
        writer.endObject()
    }
}

extension JSONWriter {
    mutating func name(_ name: EventName) {
        if case .other(let text) = name { string(text) } else { string(name.knownText) }
    }

    mutating func status(_ status: SessionStatus) {
        string(status.name)
    }
}
