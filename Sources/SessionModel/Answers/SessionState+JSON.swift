extension SessionState {
    /// The members of the session answer that follow from the set of facts alone. Absent values are left out, as in the
    /// Drive API.
    func writeMembers(to writer: inout JSONWriter) {
        writer.key("sessionId")
        writer.string(sessionId)
        if let userId {
            writer.key("userId")
            writer.string(userId)
        }
        if userIdConflict {
            writer.key("userIdConflict")
            writer.bool(true)
            writer.key("userIds")
            writer.beginArray()
            for userId in userIds { writer.string(userId) }
            writer.endArray()
        }
        writer.key("sessionStatus")
        writer.status(status)
        writer.member("statusSince", statusSince)
        writer.member("startTime", startTime)
        writer.member("stopTime", stopTime)
        writer.member("abandonedAt", abandonedAt)
        for entry in enrichment.entries {
            writer.key(entry.field.name)
            writer.json(entry.value)
        }
        if !fees.isEmpty {
            writer.key("fees")
            writer.beginArray()
            for fee in fees { fee.write(to: &writer) }
            writer.endArray()
        }
        writer.key("version")
        writer.integer(version)
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
            writer.key("feeType")
            writer.string(feeType)
        }
        writer.member("feeWillApplyFrom", feeWillApplyFrom)
        writer.member("timestamp", timestamp)
        writer.endObject()
    }
}

extension JSONWriter {
    mutating func member(_ name: StaticString, _ instant: Instant?) {
        guard let instant else { return }
        key(name)
        self.instant(instant)
    }

    mutating func name(_ name: EventName) {
        if case .other(let text) = name { string(text) } else { string(name.knownText) }
    }

    mutating func status(_ status: SessionStatus) {
        string(status.name)
    }
}
