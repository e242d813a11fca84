import Foundation
import Testing

/// One request (or several) as raw bytes, and the statuses that a strict server may answer with.
struct CorpusCase: Decodable, Sendable, CustomTestStringConvertible {
    struct Piece: Decodable, Sendable {
        let text: String
        let times: Int?
    }

    let name: String
    /// Bytes as characters up to U+00FF.
    let raw: [Piece]
    /// Lists of the statuses that come until the connection closes; empty for none.
    let allow: [String]
    /// Whether the server closes by itself.
    let closes: Bool
    /// What the echo handler answers when all is accepted.
    let echo: [String]?
    let head: Bool?

    var bytes: [UInt8] {
        raw.flatMap { piece in
            let bytes = piece.text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
            return Array(repeatElement(bytes, count: piece.times ?? 1).joined())
        }
    }

    var testDescription: String { name }

    static func load() throws -> [CorpusCase] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = tests.appendingPathComponent("Fixtures/HTTP/requests.ndjson")
        let decoder = JSONDecoder()
        return try Data(contentsOf: file).split(separator: 0x0A).map { try decoder.decode(CorpusCase.self, from: $0) }
    }
}
