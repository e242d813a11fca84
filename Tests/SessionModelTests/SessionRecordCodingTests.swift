import Base
import SessionModel
import Testing

@Suite struct SessionRecordCodingTests {
    private func sample() throws -> SessionRecord {
        var record = try record([
            callback("SESSION_STARTED", "2025-06-12T10:00:00.123456789Z"),
            callback("SESSION_DANCED", "0000-01-01T00:00:00Z", extras: #","n":[1,{"é":"\u0000"}]"#),
            callback("SESSION_FEE_INCURRING", "2025-06-12T10:01:00Z", extras: #","feeType":"BLOCKING""#),
            event(
                #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"9999-12-31T23:59:59Z","sessionStatus":"MELTED"}}"#,
                source: .driveApi),
            event(
                #"{"event":"CHARGE_DETAIL_RECORD","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:02:00Z","sessionStatus":"COMPLETE"}}"#,
                source: .cdr),
            SessionEvent.decode(
                SessionEvent.clientBody(
                    .start, sessionId: "S1", userId: "u", connectorId: "c", at: Instant(seconds: 5)),
                source: .client),
            callback("SESSION_STARTED", "2025-06-12T10:00:00.123456789Z"),
        ])
        // Received before what was heard first here, by another receiver.
        record.apply(
            try callback("SESSION_STARTED", "2025-06-12T10:00:00.123456789Z"), position: 9,
            receivedAt: Instant(seconds: 1_700_000_000, nanoseconds: 5),
            place: Place(origin: Identity(high: .max, low: 1), sequence: .min))
        return record
    }

    @Test func anOriginIsWrittenOnceAndASequenceAsItsDistanceFromThePosition() throws {
        func bytes(_ places: (Int64) -> Place) throws -> Int {
            var record = SessionRecord(sessionId: "S1")
            for index in 1...8 as ClosedRange<Int64> {
                record.apply(
                    try callback("SESSION_STARTED", "2025-06-12T10:00:0\(index)Z"), position: 1000 + index,
                    receivedAt: Instant(seconds: 1_800_000_000 + index), place: places(index))
            }
            return record.encoded.count
        }
        let own = Identity(high: 1, low: 2)
        let usual = try bytes { Place(origin: own, sequence: 1000 + $0) }
        #expect(try bytes { Place(origin: .none, sequence: 1000 + $0) } == usual)
        #expect(try bytes { Place(origin: own, sequence: 990 + $0) } == usual)
        #expect(try bytes { Place(origin: own, sequence: 1 + $0) } == usual + 8)
        #expect(try bytes { Place(origin: $0 < 5 ? own : .none, sequence: 1000 + $0) } == usual + 16)
    }

    @Test func readsBackExactly() throws {
        let record = try sample()
        let copy = try SessionRecord(decoding: record.encoded)
        #expect(copy.encoded == record.encoded)
        #expect(copy.state == record.state)
        #expect(copy.sessionJSON() == record.sessionJSON())
        #expect(copy.factsJSON == record.factsJSON)
        #expect(copy.lastPosition == 9)
        #expect(copy.received == 8)
        #expect(copy.duplicates == 2)
        #expect(copy.facts.map(\.first) == record.facts.map(\.first))
        #expect(copy.facts.map(\.heardAt) == record.facts.map(\.heardAt))
        #expect(record.encoded.first == SessionRecord.codingVersion)

        var appended: [UInt8] = [1, 2, 3]
        record.encode(into: &appended)
        #expect(Array(appended[3...]) == record.encoded)
        let empty = SessionRecord(sessionId: "S1")
        #expect(try SessionRecord(decoding: empty.encoded).state == empty.state)
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = try sample().encoded
        for count in 0..<bytes.count {
            #expect(throws: RecordCodingError.self) { try SessionRecord(decoding: Array(bytes[..<count])) }
        }
    }

    @Test func everySingleChangeIsRefused() throws {
        let bytes = try sample().encoded
        for index in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << UInt8(bit)
                #expect(throws: RecordCodingError.self) { try SessionRecord(decoding: altered) }
            }
        }
        var newer = bytes
        newer[0] = 2
        #expect(throws: RecordCodingError(reason: .unsupportedVersion(2))) { try SessionRecord(decoding: newer) }
        #expect(throws: RecordCodingError.self) { try SessionRecord(decoding: bytes + [0]) }
    }

    /// Behind a checksum that is right, the bytes may still be anything.
    @Test func alteredContentWithAValidChecksumNeverTraps() throws {
        let bytes = try sample().encoded
        var random = SeededRandom(seed: 41)
        var accepted = 0
        for _ in 0..<20_000 {
            var content = Array(bytes.dropLast(8))
            for _ in 0...random.below(4) {
                content[1 + random.below(content.count - 1)] = random.chance(0.3) ? 0xFF : UInt8(random.below(256))
            }
            if random.chance(0.2) { content.removeLast(random.below(content.count - 1)) }
            if let record = try? SessionRecord(decoding: SessionRecord.withChecksum(content)) {
                accepted += 1
                _ = record.sessionJSON()
                _ = record.factsJSON
                _ = Anomaly.all(of: record, now: .latest)
            }
        }
        #expect(accepted > 0)
    }
}
