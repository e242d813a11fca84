package import Base

/// A stored record that can't be read: cut off, altered, or of a newer version.
package struct RecordCodingError: Error, Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        case truncated
        case unsupportedVersion(UInt8)
        case checksumMismatch
        /// A value that no record can have.
        case invalid
    }

    package let reason: Reason

    package init(reason: Reason) {
        self.reason = reason
    }
}

extension SessionRecord {
    /// The first byte of every encoded record.
    package static let codingVersion: UInt8 = 2

    /// Appends the record in its stored form: the version, the origins of first deliveries, the facts in fold order, each by
    /// what differs from the fact before it and from what is usual, and a checksum. Integers are variable-length quantities.
    /// What follows from the facts is not stored, and neither is the session's id, which the checksum covers all the same:
    /// who keeps the record keeps it under its id.
    /// - Parameter home: the receiver that keeps the record. Of deliveries that came there first it is not written either.
    package func encode(into output: inout [UInt8], home: Identity) {
        let start = output.count
        var writer = RecordWriter(bytes: [])
        // Moved in and out, so that nothing is copied.
        swap(&writer.bytes, &output)
        writer.bytes.append(Self.codingVersion)
        writer.write(signed: lastPosition)
        let origins = firstOrigins(home)
        writer.write(UInt64(origins.count - 1))
        for origin in origins.dropFirst() { writer.write(origin) }
        writer.write(UInt64(facts.count))
        var last: Fact?
        for fact in facts {
            fact.encode(
                into: &writer, after: last, lastPosition: lastPosition,
                origin: origins.firstIndex(of: fact.first.place.origin) ?? 0)
            last = fact
        }
        swap(&writer.bytes, &output)
        Self.appendChecksum(sessionId, home, from: start, to: &output)
    }

    /// The home, and where else the first deliveries of facts were received, each origin once, in the order of the facts.
    private func firstOrigins(_ home: Identity) -> [Identity] {
        var origins = [home]
        for fact in facts where !origins.contains(fact.first.place.origin) { origins.append(fact.first.place.origin) }
        return origins
    }

    /// Covers whose record it is, and where it is kept: bytes of another session or of another receiver are refused.
    private static func checksum(_ content: UnsafeRawBufferPointer, _ sessionId: String, _ home: Identity) -> UInt64 {
        var sessionId = sessionId
        let seed = sessionId.withUTF8 { RecordChecksum.of(UnsafeRawBufferPointer($0)) } ^ home.high ^ home.low
        return RecordChecksum.of(content, seed: seed)
    }

    private static func appendChecksum(
        _ sessionId: String, _ home: Identity, from start: Int, to output: inout [UInt8]
    ) {
        let checksum = output.withUnsafeBytes { Self.checksum(.init(rebasing: $0[start...]), sessionId, home) }
        for shift in stride(from: 0, to: 64, by: 8) {
            output.append(UInt8(truncatingIfNeeded: checksum >> UInt64(shift)))
        }
    }

    /// Content of a record with the checksum that belongs to it, for tests and fuzzing that look behind the checksum.
    package static func withChecksum(_ content: [UInt8], sessionId: String, home: Identity = .none) -> [UInt8] {
        var output = content
        appendChecksum(sessionId, home, from: 0, to: &output)
        return output
    }

    /// The record in its stored form.
    package func encoded(home: Identity = .none) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(64 + facts.count * 64)
        encode(into: &output, home: home)
        return output
    }

    /// Reads a stored record. Never traps, whatever the bytes are.
    package init(
        sessionId: String, decoding bytes: UnsafeRawBufferPointer, home: Identity
    ) throws(RecordCodingError) {
        guard let version = bytes.first else { throw RecordCodingError(reason: .truncated) }
        guard version == Self.codingVersion else { throw RecordCodingError(reason: .unsupportedVersion(version)) }
        guard bytes.count > 9 else { throw RecordCodingError(reason: .truncated) }
        let content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 8)])
        var checksum: UInt64 = 0
        for index in 0..<8 { checksum |= UInt64(bytes[content.count + index]) << UInt64(index * 8) }
        guard checksum == Self.checksum(content, sessionId, home) else {
            throw RecordCodingError(reason: .checksumMismatch)
        }

        var reader = RecordReader(bytes: content, position: 1)
        self.init(sessionId: sessionId)
        lastPosition = try reader.readSigned()
        let originCount = try reader.readCount()
        guard originCount <= content.count / Identity.byteCount else { throw RecordCodingError(reason: .invalid) }
        var origins = [home]
        for _ in 0..<originCount { origins.append(try reader.readIdentity()) }
        let count = try reader.readCount()
        // A count that the bytes can't hold must not reserve memory.
        guard count <= content.count / Fact.encodedBytesMin else { throw RecordCodingError(reason: .invalid) }
        facts.reserveCapacity(count)
        var received = 0
        for _ in 0..<count {
            let fact = try Fact(
                decoding: &reader, after: facts.last, sessionId: sessionId, lastPosition: lastPosition, origins: origins
            )
            // Far from where a sum, or one more delivery, could overflow.
            guard fact.deliveries >= 1, fact.deliveries <= Int.max / 2 - received else {
                throw RecordCodingError(reason: .invalid)
            }
            received += fact.deliveries
            if let last = facts.last, Fact.foldOrder(last, fact) >= 0 { throw RecordCodingError(reason: .invalid) }
            facts.append(fact)
        }
        guard reader.isAtEnd else { throw RecordCodingError(reason: .invalid) }
        foldAll()
    }

    package init(sessionId: String, decoding bytes: [UInt8], home: Identity = .none) throws(RecordCodingError) {
        self = try bytes.withUnsafeBufferPointer { buffer throws(RecordCodingError) in
            try SessionRecord(sessionId: sessionId, decoding: UnsafeRawBufferPointer(buffer), home: home)
        }
    }
}

/// What of a stored fact is not as usual, and so follows. The top three bits are the fact's source.
private struct FactFlags: OptionSet {
    let rawValue: UInt8

    /// The payload is not that of the fact before.
    static let payload = FactFlags(rawValue: 1)
    /// The status is not the one that the name says.
    static let status = FactFlags(rawValue: 2)
    /// It was delivered more than once.
    static let deliveries = FactFlags(rawValue: 4)
    /// The first delivery came elsewhere, or its sequence is not the position.
    static let place = FactFlags(rawValue: 8)
    /// What was heard first here is not the first delivery.
    static let heardAt = FactFlags(rawValue: 16)
    private static let all: UInt8 = 31

    init(rawValue: UInt8) { self.rawValue = rawValue & Self.all }

    static func source(of byte: UInt8) -> FactSource? { FactSource(rawValue: byte >> 5) }

    func byte(_ source: FactSource) -> UInt8 { rawValue | source.rawValue << 5 }
}

extension Fact {
    private static let statusNone: UInt8 = 0
    private static let statusOther: UInt8 = 1
    private static let statusKnown: UInt8 = 2

    /// Flags, name, two instants of two bytes at least, position.
    fileprivate static let encodedBytesMin = 7

    /// - Parameters:
    ///   - previous: the fact before it in the record.
    ///   - lastPosition: of the record.
    ///   - origin: which of the record's origins received the first delivery; 0 is the home.
    fileprivate func encode(into writer: inout RecordWriter, after previous: Fact?, lastPosition: Int64, origin: Int) {
        var flags: FactFlags = []
        if payload != previous?.payload { flags.insert(.payload) }
        if status != name.status(from: source) { flags.insert(.status) }
        if deliveries != 1 { flags.insert(.deliveries) }
        if origin != 0 || first.place.sequence != position { flags.insert(.place) }
        if heardAt != first.receivedAt { flags.insert(.heardAt) }
        writer.bytes.append(flags.byte(source))
        if let code = EventName.known.firstIndex(of: name) {
            writer.bytes.append(UInt8(code + 1))
        } else {
            writer.bytes.append(0)
            writer.write(name.text)
        }
        writer.write(timestamp, since: previous?.timestamp ?? .epoch)
        writer.write(first.receivedAt, since: timestamp)
        writer.write(signed: lastPosition &- position)
        if flags.contains(.payload) { writer.write(payload.bytes) }
        if flags.contains(.status) { write(status, to: &writer) }
        if flags.contains(.deliveries) { writer.write(UInt64(deliveries)) }
        if flags.contains(.place) {
            writer.write(UInt64(origin))
            writer.write(signed: first.place.sequence &- position)
        }
        if flags.contains(.heardAt) { writer.write(heardAt, since: first.receivedAt) }
    }

    private func write(_ status: SessionStatus?, to writer: inout RecordWriter) {
        guard let status else { return writer.bytes.append(Self.statusNone) }
        if let code = SessionStatus.known.firstIndex(of: status) {
            writer.bytes.append(Self.statusKnown + UInt8(code))
        } else {
            writer.bytes.append(Self.statusOther)
            writer.write(status.name)
        }
    }

    private static func readStatus(_ reader: inout RecordReader) throws(RecordCodingError) -> SessionStatus? {
        switch try reader.readByte() {
        case statusNone: return nil
        case statusOther: return SessionStatus(try reader.readString())
        case let code:
            guard Int(code - statusKnown) < SessionStatus.known.count else { throw RecordCodingError(reason: .invalid) }
            return SessionStatus.known[Int(code - statusKnown)]
        }
    }

    fileprivate init(
        decoding reader: inout RecordReader, after previous: Fact?, sessionId: String, lastPosition: Int64,
        origins: [Identity]
    ) throws(RecordCodingError) {
        let byte = try reader.readByte()
        let flags = FactFlags(rawValue: byte)
        guard let source = FactFlags.source(of: byte) else { throw RecordCodingError(reason: .invalid) }
        let nameCode = Int(try reader.readByte())
        let name: EventName
        if nameCode == 0 {
            name = EventName(try reader.readString())
        } else {
            guard nameCode <= EventName.known.count else { throw RecordCodingError(reason: .invalid) }
            name = EventName.known[nameCode - 1]
        }
        let timestamp = try reader.readInstant(since: previous?.timestamp ?? .epoch)
        let receivedAt = try reader.readInstant(since: timestamp)
        let position = lastPosition &- (try reader.readSigned())
        let payload: CanonicalJSON
        let userId: String?
        if flags.contains(.payload) {
            payload = CanonicalJSON(canonical: try reader.readBytes())
            let named = payload.string("userId")
            userId = named?.isEmpty == true ? nil : named
        } else {
            guard let previous else { throw RecordCodingError(reason: .invalid) }
            (payload, userId) = (previous.payload, previous.userId)
        }
        let status = flags.contains(.status) ? try Self.readStatus(&reader) : name.status(from: source)
        let deliveries = flags.contains(.deliveries) ? try reader.readCount() : 1
        var place = Place(origin: origins[0], sequence: position)
        if flags.contains(.place) {
            let origin = try reader.readCount()
            guard origin < origins.count else { throw RecordCodingError(reason: .invalid) }
            place = Place(origin: origins[origin], sequence: position &+ (try reader.readSigned()))
        }
        let heardAt = flags.contains(.heardAt) ? try reader.readInstant(since: receivedAt) : receivedAt
        let event = SessionEvent(
            name: name, source: source, sessionId: sessionId, timestamp: timestamp, status: status, userId: userId,
            payload: payload)
        self.init(
            event, position: position, heardAt: heardAt, first: Receipt(receivedAt: receivedAt, place: place),
            deliveries: deliveries)
    }
}
