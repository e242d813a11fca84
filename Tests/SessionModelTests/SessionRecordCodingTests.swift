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

    private func decoded(_ bytes: [UInt8]) throws -> SessionRecord {
        try SessionRecord(sessionId: "S1", decoding: bytes)
    }

    @Test func `other origins are written once and a sequence as its distance from the position`() throws {
        let (home, other) = (Identity(high: 1, low: 2), Identity(high: 3, low: 4))
        func bytes(_ places: (Int64) -> Place) throws -> Int {
            var record = SessionRecord(sessionId: "S1")
            for index in 1...8 as ClosedRange<Int64> {
                record.apply(
                    try callback("SESSION_STARTED", "2025-06-12T10:00:0\(index)Z"), position: 1000 + index,
                    receivedAt: Instant(seconds: 1_800_000_000 + index), place: places(index))
            }
            return record.encoded(home: home).count
        }
        let usual = try bytes { Place(origin: home, sequence: 1000 + $0) }
        #expect(try bytes { Place(origin: home, sequence: 990 + $0) } == usual + 8 * 2)
        #expect(try bytes { Place(origin: home, sequence: 1 + $0) } == usual + 8 * 3)
        #expect(try bytes { Place(origin: other, sequence: 1000 + $0) } == usual + 16 + 8 * 2)
        #expect(try bytes { Place(origin: $0 < 5 ? home : other, sequence: 1000 + $0) } == usual + 16 + 4 * 2)
    }

    @Test func `a payload like the one before is not written again`() throws {
        func bytes(_ extras: (Int) -> String) throws -> Int {
            var record = SessionRecord(sessionId: "S1")
            for index in 1...3 {
                record.apply(
                    try callback("SESSION_STARTED", "2025-06-12T10:00:0\(index)Z", extras: extras(index)),
                    position: Int64(index), receivedAt: Instant(seconds: 1_750_000_000),
                    place: Place(origin: .none, sequence: Int64(index)))
            }
            return record.encoded().count
        }
        #expect(try bytes { #","n":\#($0)"# } - bytes { _ in #","n":1"# } == 2 * (1 + #"{"n":1}"#.utf8.count))
    }

    @Test func `a record of another session or of another receiver is refused`() throws {
        let (record, home) = (try sample(), Identity(high: 7, low: 8))
        let bytes = record.encoded(home: home)
        #expect(try SessionRecord(sessionId: "S1", decoding: bytes, home: home).encoded(home: home) == bytes)
        for (id, receiver) in [("S2", home), ("S1", Identity.none)] {
            #expect(throws: RecordCodingError(reason: .checksumMismatch)) {
                try SessionRecord(sessionId: id, decoding: bytes, home: receiver)
            }
        }
    }

    @Test func `it reads back exactly`() throws {
        let record = try sample()
        let copy = try decoded(record.encoded())
        #expect(copy.encoded() == record.encoded())
        #expect(copy.state == record.state)
        #expect(copy.sessionJSON() == record.sessionJSON())
        #expect(copy.factsJSON == record.factsJSON)
        #expect(copy.lastPosition == 9)
        #expect(copy.received == 8)
        #expect(copy.duplicates == 2)
        #expect(copy.facts.map(\.first) == record.facts.map(\.first))
        #expect(copy.facts.map(\.heardAt) == record.facts.map(\.heardAt))
        #expect(record.encoded().first == SessionRecord.codingVersion)

        var appended: [UInt8] = [1, 2, 3]
        record.encode(into: &appended, home: .none)
        #expect(Array(appended[3...]) == record.encoded())
        let empty = SessionRecord(sessionId: "S1")
        #expect(try decoded(empty.encoded()).state == empty.state)
    }

    @Test func `every truncation is refused`() throws {
        let bytes = try sample().encoded()
        for count in 0..<bytes.count {
            #expect(throws: RecordCodingError.self) { try decoded(Array(bytes[..<count])) }
        }
    }

    @Test func `every single change is refused`() throws {
        let bytes = try sample().encoded()
        for index in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << UInt8(bit)
                #expect(throws: RecordCodingError.self) { try decoded(altered) }
            }
        }
        var newer = bytes
        let version = SessionRecord.codingVersion + 1
        newer[0] = version
        #expect(throws: RecordCodingError(reason: .unsupportedVersion(version))) { try decoded(newer) }
        #expect(throws: RecordCodingError.self) { try decoded(bytes + [0]) }
    }

    /// Behind a checksum that is right, the bytes may still be anything.
    @Test func `altered content with a valid checksum never traps`() throws {
        let bytes = try sample().encoded()
        var random = SeededRandom(seed: 41)
        var accepted = 0
        for _ in 0..<20_000 {
            var content = Array(bytes.dropLast(8))
            for _ in 0...random.below(4) {
                content[1 + random.below(content.count - 1)] = random.chance(0.3) ? 0xFF : UInt8(random.below(256))
            }
            if random.chance(0.2) { content.removeLast(random.below(content.count - 1)) }
            if let record = try? SessionRecord(
                sessionId: "S1", decoding: SessionRecord.withChecksum(content, sessionId: "S1"))
            {
                accepted += 1
                _ = record.sessionJSON()
                _ = record.factsJSON
                _ = Anomaly.all(of: record, now: .latest)
            }
        }
        #expect(accepted > 0)
    }
}
