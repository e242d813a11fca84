import SessionModel
import Testing

/// An event log of Tests/Fixtures: `NAME.ndjson`, and `NAME.expected.json` with the state of every session at the end.
struct Fixture: CustomTestStringConvertible, Sendable {
    let name: String
    let bodies: [[UInt8]]
    let expected: [UInt8]

    var testDescription: String { name }

    private static let directory =
        String(#filePath.prefix(upTo: #filePath.lastIndex(of: "/") ?? #filePath.startIndex)) + "/../../Fixtures"

    static let all: [Fixture] = TestDirectory.names(directory).filter { $0.hasSuffix(".ndjson") }.map { file in
        let name = String(file.dropLast(".ndjson".count))
        return Fixture(
            name: name,
            bodies: TestDirectory.read(directory + "/" + file).split(separator: UInt8(ascii: "\n")).map { Array($0) },
            expected: TestDirectory.read(directory + "/\(name).expected.json"))
    }

    /// The ids of the sessions that the log is about.
    func sessionIds() throws -> Set<String> {
        Set(try bodies.map { try SessionEvent.decode($0).sessionId })
    }

    /// In order, reversed, and shuffled.
    var orders: [[[UInt8]]] {
        var random = SeededRandom(seed: 7)
        return [bodies, bodies.reversed()]
            + (0..<3).map { _ in
                var order = bodies
                random.shuffle(&order)
                return order
            }
    }
}

/// A session's answer without what depends on its deliveries, its last members, and without the duration of one that runs.
func stateOnly(_ answer: [UInt8]) throws -> [UInt8] {
    let text = String(decoding: answer, as: UTF8.self)
    let start = try #require(text.firstRange(of: ",\"lastFact\":"), "no account of the last fact in \(text)")
    #expect(text[start.upperBound...].contains("\"deliveries\":"))
    let isRunning = ["STARTED", "WAITING_TO_STOP", "STOP_FAILED"].contains {
        text.contains(#""sessionStatus":"\#($0)""#)
    }
    let state = text[..<start.lowerBound] + "}"
    return Array((isRunning ? state.replacing(/"duration":"[^"]*",/, with: "") : state).utf8)
}
