extension SessionEvent {
    /// Decodes the body of a callback, or of a record of another source in the log: all have the same envelope
    /// `{"event":…,"payload":{"sessionId":…,"timestamp":…,…}}`.
    ///
    /// Lenient where it can be: further members, unknown names and a `userId` that is no string are no errors. Strict
    /// where leniency would make the fold ambiguous: names that appear twice, text that is not UTF-8, timestamps that
    /// are not RFC 3339.
    ///
    /// - Parameter body: valid only during the call; nothing of it is kept.
    package static func decode(
        _ body: UnsafeRawBufferPointer, source: FactSource = .webhook, limits: EventLimits = EventLimits()
    ) throws(EventError) -> SessionEvent {
        guard body.count <= limits.bodyBytesMax else { throw EventError(.bodyTooLarge) }
        // The canonical text is needed for a moment only; that of a callback is short enough for the stack.
        return try withUnsafeTemporaryAllocation(
            byteCount: body.count + JSONCanonicalizer.surplusBytes, alignment: 1
        ) { (scratch) throws(EventError) in
            var canonicalizer = JSONCanonicalizer(body, depthMax: limits.depthMax, scratch: scratch)
            do throws(JSONError) {
                try canonicalizer.parseDocument()
            } catch {
                throw EventError(error)
            }
            return try decode(JSONReader(canonicalizer.output.contents), source: source, limits: limits)
        }
    }

    package static func decode(
        _ body: [UInt8], source: FactSource = .webhook, limits: EventLimits = EventLimits()
    ) throws(EventError) -> SessionEvent {
        try body.withUnsafeBufferPointer { buffer throws(EventError) in
            try decode(UnsafeRawBufferPointer(buffer), source: source, limits: limits)
        }
    }

    private static func decode(
        _ reader: JSONReader, source: FactSource, limits: EventLimits
    ) throws(EventError) -> SessionEvent {
        guard reader.isObject else { throw EventError(.notAnObject) }
        var event: Range<Int>?
        var payload: Range<Int>?
        reader.forEachMember(in: 0..<reader.text.count) { key, value in
            if reader.matches(key, "event") {
                event = value
            } else if reader.matches(key, "payload") {
                payload = value
            }
            return true
        }
        guard let event else { throw EventError(.missingEvent) }
        guard reader.isString(event), event.count > 2 else { throw EventError(.invalidEvent) }
        guard let payload else { throw EventError(.missingPayload) }
        guard reader.text[payload.lowerBound] == UInt8(ascii: "{") else { throw EventError(.invalidPayload) }

        let members = PayloadMembers(reader, payload)
        guard let sessionId = members.sessionId else { throw EventError(.missingSessionId) }
        guard sessionId.count - 2 <= limits.sessionIdBytesMax * 6, let sessionId = reader.string(in: sessionId),
            isValid(sessionId: sessionId, bytesMax: limits.sessionIdBytesMax)
        else { throw EventError(.invalidSessionId) }
        guard let timestamp = members.timestamp else { throw EventError(.missingTimestamp) }
        guard let instant = reader.instant(in: timestamp) else { throw EventError(.invalidTimestamp) }

        let name = eventName(reader, event)
        var status = name.status(from: source)
        if source == .driveApi || source == .cdr {
            status = members.sessionStatus.flatMap { reader.string(in: $0) }.map { SessionStatus($0) }
            if source == .driveApi, status == nil { throw EventError(.missingSessionStatus) }
        }
        let userId = members.userId.flatMap { reader.string(in: $0) }
        return SessionEvent(
            name: name, source: source, sessionId: sessionId, timestamp: instant, status: status,
            userId: userId?.isEmpty == true ? nil : userId, payload: CanonicalJSON(canonical: members.rest))
    }

    private static func eventName(_ reader: JSONReader, _ range: Range<Int>) -> EventName {
        let content = UnsafeRawBufferPointer(rebasing: reader.text[range.lowerBound + 1..<range.upperBound - 1])
        return EventName(known: content) ?? .other(reader.string(in: range) ?? "")
    }

    /// Whether a session can have this id: 1 to `bytesMax` bytes, no control characters (C0, DEL, C1).
    package static func isValid(sessionId: String, bytesMax: Int = EventLimits().sessionIdBytesMax) -> Bool {
        var sessionId = sessionId
        return sessionId.withUTF8 { bytes in
            guard !bytes.isEmpty, bytes.count <= bytesMax else { return false }
            var previous: UInt8 = 0
            for byte in bytes {
                if byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte < 0xA0) { return false }
                previous = byte
            }
            return true
        }
    }
}

/// What one pass over the payload finds.
private struct PayloadMembers {
    var sessionId: Range<Int>?
    var timestamp: Range<Int>?
    var userId: Range<Int>?
    var sessionStatus: Range<Int>?
    /// The canonical payload without `sessionId` and `timestamp`.
    var rest: [UInt8] = []

    init(_ reader: JSONReader, _ payload: Range<Int>) {
        rest.reserveCapacity(payload.count)
        rest.append(UInt8(ascii: "{"))
        reader.forEachMember(in: payload) { key, value in
            if reader.matches(key, "sessionId") {
                sessionId = value
                return true
            }
            if reader.matches(key, "timestamp") {
                timestamp = value
                return true
            }
            if reader.matches(key, "userId") {
                userId = value
            } else if reader.matches(key, "sessionStatus") {
                sessionStatus = value
            }
            if rest.count > 1 { rest.append(UInt8(ascii: ",")) }
            rest.append(contentsOf: reader.text[key.lowerBound..<value.upperBound])
            return true
        }
        rest.append(UInt8(ascii: "}"))
    }
}
