internal import Base

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
    package static let codingVersion: UInt8 = 1

    /// Appends the record in its stored form: the version, the origins of first deliveries, the facts in fold order,
    /// integers as variable-length quantities, and a checksum of all that. What follows from the facts is not stored.
    package func encode(into output: inout [UInt8]) {
        let start = output.count
        var writer = RecordWriter(bytes: [])
        // Moved in and out, so that nothing is copied.
        swap(&writer.bytes, &output)
        writer.bytes.append(Self.codingVersion)
        writer.write(sessionId)
        writer.write(signed: lastPosition)
        let origins = firstOrigins
        writer.write(UInt64(origins.count))
        for origin in origins { writer.write(origin) }
        writer.write(UInt64(facts.count))
        for fact in facts {
            fact.encode(into: &writer, origin: origins.firstIndex(of: fact.first.place.origin) ?? 0)
        }
        swap(&writer.bytes, &output)
        Self.appendChecksum(from: start, to: &output)
    }

    /// Where the first deliveries of facts were received, each origin once, in the order of the facts. Mostly one.
    private var firstOrigins: [Identity] {
        var origins: [Identity] = []
        for fact in facts where origins.last != fact.first.place.origin && !origins.contains(fact.first.place.origin) {
            origins.append(fact.first.place.origin)
        }
        return origins
    }

    private static func appendChecksum(from start: Int, to output: inout [UInt8]) {
        let checksum = output.withUnsafeBytes { RecordChecksum.of(.init(rebasing: $0[start...])) }
        for shift in stride(from: 0, to: 64, by: 8) {
            output.append(UInt8(truncatingIfNeeded: checksum >> UInt64(shift)))
        }
    }

    /// Content of a record with the checksum that belongs to it, for tests and fuzzing that look behind the checksum.
    package static func withChecksum(_ content: [UInt8]) -> [UInt8] {
        var output = content
        appendChecksum(from: 0, to: &output)
        return output
    }

    /// The record in its stored form.
    package var encoded: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(64 + facts.count * 64)
        encode(into: &output)
        return output
    }

    /// Reads a stored record. Never traps, whatever the bytes are.
    package init(decoding bytes: UnsafeRawBufferPointer) throws(RecordCodingError) {
        guard let version = bytes.first else { throw RecordCodingError(reason: .truncated) }
        guard version == Self.codingVersion else { throw RecordCodingError(reason: .unsupportedVersion(version)) }
        guard bytes.count > 9 else { throw RecordCodingError(reason: .truncated) }
        let content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 8)])
        var checksum: UInt64 = 0
        for index in 0..<8 { checksum |= UInt64(bytes[content.count + index]) << UInt64(index * 8) }
        guard checksum == RecordChecksum.of(content) else { throw RecordCodingError(reason: .checksumMismatch) }

        var reader = RecordReader(bytes: content, position: 1)
        self.init(sessionId: try reader.readString())
        guard SessionEvent.isValid(sessionId: sessionId, bytesMax: .max) else {
            throw RecordCodingError(reason: .invalid)
        }
        lastPosition = try reader.readSigned()
        let originCount = try reader.readCount()
        guard originCount <= content.count / Identity.byteCount else { throw RecordCodingError(reason: .invalid) }
        var origins: [Identity] = []
        for _ in 0..<originCount { origins.append(try reader.readIdentity()) }
        let count = try reader.readCount()
        // A fact has eight bytes at least: a count that the bytes can't hold must not reserve memory.
        guard count <= content.count / 8 else { throw RecordCodingError(reason: .invalid) }
        facts.reserveCapacity(count)
        var received = 0
        for _ in 0..<count {
            let fact = try Fact(decoding: &reader, sessionId: sessionId, origins: origins)
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

    package init(decoding bytes: [UInt8]) throws(RecordCodingError) {
        self = try bytes.withUnsafeBufferPointer { buffer throws(RecordCodingError) in
            try SessionRecord(decoding: UnsafeRawBufferPointer(buffer))
        }
    }
}

extension Fact {
    private static let statusByName: UInt8 = 0
    private static let statusNone: UInt8 = 1
    private static let statusOther: UInt8 = 2
    private static let statusKnown: UInt8 = 3

    /// - Parameter origin: which of the record's origins received the first delivery.
    fileprivate func encode(into writer: inout RecordWriter, origin: Int) {
        writer.bytes.append(source.rawValue)
        if let code = EventName.known.firstIndex(of: name) {
            writer.bytes.append(UInt8(code + 1))
        } else {
            writer.bytes.append(0)
            writer.write(name.text)
        }
        if status == name.status(from: source) {
            writer.bytes.append(Self.statusByName)
        } else if let status {
            if let code = SessionStatus.known.firstIndex(of: status) {
                writer.bytes.append(Self.statusKnown + UInt8(code))
            } else {
                writer.bytes.append(Self.statusOther)
                writer.write(status.name)
            }
        } else {
            writer.bytes.append(Self.statusNone)
        }
        writer.write(timestamp)
        writer.write(payload.bytes)
        writer.write(signed: position)
        writer.write(UInt64(deliveries))
        writer.write(first.receivedAt)
        // One byte of zero each, where one receiver hears everything first.
        let isFirstHere = heardAt == first.receivedAt
        writer.write(UInt64(origin) << 1 | (isFirstHere ? 0 : 1))
        writer.write(signed: first.place.sequence &- position)
        if !isFirstHere { writer.write(heardAt) }
    }

    fileprivate init(
        decoding reader: inout RecordReader, sessionId: String, origins: [Identity]
    ) throws(RecordCodingError) {
        guard let source = FactSource(rawValue: try reader.readByte()) else {
            throw RecordCodingError(reason: .invalid)
        }
        let nameCode = Int(try reader.readByte())
        let name: EventName
        if nameCode == 0 {
            name = EventName(try reader.readString())
        } else {
            guard nameCode <= EventName.known.count else { throw RecordCodingError(reason: .invalid) }
            name = EventName.known[nameCode - 1]
        }
        let status: SessionStatus?
        switch try reader.readByte() {
        case Self.statusByName: status = name.status(from: source)
        case Self.statusNone: status = nil
        case Self.statusOther: status = SessionStatus(try reader.readString())
        case let code:
            guard Int(code - Self.statusKnown) < SessionStatus.known.count else {
                throw RecordCodingError(reason: .invalid)
            }
            status = SessionStatus.known[Int(code - Self.statusKnown)]
        }
        let timestamp = try reader.readInstant()
        let payload = CanonicalJSON(canonical: try reader.readBytes())
        let userId = payload.string("userId")
        let event = SessionEvent(
            name: name, source: source, sessionId: sessionId, timestamp: timestamp, status: status,
            userId: userId?.isEmpty == true ? nil : userId, payload: payload)
        let position = try reader.readSigned()
        let deliveries = try reader.readCount()
        let receivedAt = try reader.readInstant()
        let origin = try reader.readUnsigned()
        guard let index = Int(exactly: origin >> 1), index < origins.count else {
            throw RecordCodingError(reason: .invalid)
        }
        let sequence = position &+ (try reader.readSigned())
        let heardAt = origin & 1 == 0 ? receivedAt : try reader.readInstant()
        let place = Place(origin: origins[index], sequence: sequence)
        self.init(
            event, position: position, heardAt: heardAt, first: Receipt(receivedAt: receivedAt, place: place),
            deliveries: deliveries)
    }
}
