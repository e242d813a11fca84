import Base
import Glibc
import SessionModel
import Testing

/// The event logs of Tests/Fixtures: `NAME.ndjson` with the bodies of callbacks, one a line, and `NAME.expected.json` with
/// the canonical state of every session at the end.
@Suite struct FixtureTests {
    private static let directory =
        String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.startIndex))
        + "/../Fixtures"

    static let names: [String] = {
        guard let entries = opendir(directory) else { return [] }
        defer { closedir(entries) }
        var names: [String] = []
        while let entry = readdir(entries) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".ndjson") { names.append(String(name.dropLast(".ndjson".count))) }
        }
        return names.sorted()
    }()

    static func contents(_ name: String) throws -> [UInt8] {
        let file = try #require(fopen(directory + "/" + name, "r"), "\(name) can't be opened")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    @Test func `there are logs of all kinds`() {
        #expect(Self.names.count >= 13)
        for name in [
            "normal", "local-stop", "out-of-order", "repeated", "failed-start-revives", "stop-failed-then-stopped",
            "fee-first", "unknown-event-and-fields", "complete-is-final", "user-ids-disagree", "documented-samples",
        ] {
            #expect(Self.names.contains(name))
        }
    }

    @Test(arguments: names) func `each ends in the expected state`(name: String) throws {
        let events = try Self.contents(name + ".ndjson").split(separator: UInt8(ascii: "\n"))
            .map { try SessionEvent.decode(Array($0)) }
        let expected = try #require(
            try CanonicalJSON(parsing: Self.contents(name + ".expected.json")).member("sessions"))
        var random = SeededRandom(seed: 51)
        var orders = events.count <= 5 ? permutations(events) : [events, events.reversed()]
        for _ in 0..<20 {
            var order = events
            random.shuffle(&order)
            orders.append(order)
        }
        for order in orders {
            var sessions: [String: SessionRecord] = [:]
            for (index, event) in (order + order).enumerated() {
                sessions[event.sessionId, default: SessionRecord(sessionId: event.sessionId)]
                    .apply(event, position: Int64(index + 1), receivedAt: Instant(seconds: 1_760_000_000))
            }
            var writer = JSONWriter()
            writer.beginObject()
            for (sessionId, record) in sessions {
                writer.key(sessionId)
                writer.rawJSON(record.state.canonicalJSON)
            }
            writer.endObject()
            #expect(try CanonicalJSON(parsing: writer.bytes) == expected)
        }
    }
}
