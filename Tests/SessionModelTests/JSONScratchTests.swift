import Testing

@testable import SessionModel

/// What short texts do without memory of their own must come out the same for long ones.
@Suite struct JSONScratchTests {
    @Test(arguments: [0, 1, 7, 8, 9, 15, 16, 17, 40]) func `every byte is escaped where it must be`(length: Int) {
        for byte in UInt8.min..<0x80 {
            for place in 0..<max(length, 1) {
                var content = [UInt8](repeating: UInt8(ascii: "x"), count: max(length, 1))
                content[place] = byte
                let mustBeEscaped = byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
                #expect(content.withUnsafeBytes { JSONText.needsEscapes($0) } == mustBeEscaped, "\(byte) at \(place)")
                let text = String(decoding: content, as: UTF8.self)
                var writer = JSONWriter(capacity: 1)
                writer.string(text)
                #expect((writer.bytes.count > content.count + 2) == mustBeEscaped)
                #expect((try? CanonicalJSON(parsing: writer.bytes))?.string == text)
            }
        }
        #expect(!Array("äöü🔌漢字 – ÿ\u{7F}\u{80}".utf8).withUnsafeBytes { JSONText.needsEscapes($0) })
    }

    @Test(arguments: [0, 1, 10, 1000, 1020, 1021, 1022, 1023, 1024, 1025, 5000])
    func `a text is the same whether or not it fits the scratch memory`(length: Int) {
        let text = String(repeating: "s", count: length)
        let bytes = JSONWriter.bytes { writer in
            writer.beginArray()
            writer.string(text)
            writer.integer(7)
            writer.endArray()
        }
        #expect(String(decoding: bytes, as: UTF8.self) == "[\"\(text)\",7]")
    }

    @Test(arguments: [1, 2, 15, 16, 17, 18, 100, 1000])
    func `objects with many members are put in order`(count: Int) throws {
        let names = (0..<count).map { "n\($0 * 7919 % 10_007)" }
        let object =
            "{" + names.map { "\"\($0)\":{\"b\":[{\"d\":1,\"c\":2}],\"a\":\"\($0)\"}" }.joined(separator: ",") + "}"
        let sorted = names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
        let expected =
            "{" + sorted.map { "\"\($0)\":{\"a\":\"\($0)\",\"b\":[{\"c\":2,\"d\":1}]}" }.joined(separator: ",") + "}"
        #expect(try CanonicalJSON(parsing: object).text == expected)
        let twice = object.dropLast() + ",\"\(names[0])\":0}"
        #expect(throws: JSONError.self) { try CanonicalJSON(parsing: String(twice)) }
    }

    @Test(arguments: [10, 900, 1100, 60_000]) func `events of every size are decoded alike`(padding: Int) throws {
        let filler = String(repeating: "p", count: padding)
        let body = """
            {"payload":{"z":"\(filler)","userId":"u","timestamp":"2025-06-12T10:56:51Z","sessionId":"S"},"event":"SESSION_STARTED"}
            """
        let event = try SessionEvent.decode(Array(body.utf8))
        #expect(event.sessionId == "S")
        #expect(event.payload.text == #"{"userId":"u","z":"\#(filler)"}"#)
    }
}
