import Base
import Testing

@testable import Receiver

private func segments(_ path: String) -> [String]? {
    Array(path.utf8).withUnsafeBytes { bytes in
        PathSegments(bytes).map { found in (0..<found.count).map { String(decoding: found[$0], as: UTF8.self) } }
    }
}

@Suite struct PathSegmentsTests {
    @Test(arguments: [
        ("/", [""]), ("/a", ["a"]), ("/a/", ["a", ""]), ("//", ["", ""]),
        ("/v1/sessions/x%2Fy", ["v1", "sessions", "x%2Fy"]),
        ("/1/2/3/4/5/6/7", ["1", "2", "3", "4", "5", "6", "7"]), ("///////7", ["", "", "", "", "", "", "7"]),
    ]) func `splits at every slash`(path: String, expected: [String]) {
        #expect(segments(path) == expected)
    }

    @Test(arguments: ["", "*", "a", "a/b", "/1/2/3/4/5/6/7/8", "/1/2/3/4/5/6/7/", "////////"])
    func `has nothing for what no resource can have`(path: String) {
        #expect(segments(path) == nil)
    }

    @Test func `leaves the first one away`() {
        let path = Array("/drive/v1/users".utf8)
        path.withUnsafeBytes { bytes in
            let rest = PathSegments(bytes)?.withoutFirst
            #expect(rest?.count == 2)
            #expect(rest?[0].equals("v1") == true)
            #expect(rest?[1].equals("users") == true)
        }
    }

    @Test func `bytes are compared in full`() {
        Array("Text/JSON".utf8).withUnsafeBytes { bytes in
            #expect(bytes.equals("Text/JSON"))
            #expect(!bytes.equals("text/json"))
            #expect(!bytes.equals("Text/JSO"))
            #expect(!bytes.equals("Text/JSONx"))
            #expect(bytes.equalsIgnoringCase("text/json"))
            #expect(!bytes.equalsIgnoringCase("text/jso"))
            #expect(bytes.beginsIgnoringCase("text/"))
            #expect(bytes.endsIgnoringCase("/json"))
            #expect(!bytes.endsIgnoringCase("/jsonx"))
            #expect(!bytes.beginsIgnoringCase("text/json "))
        }
        for byte in UInt8.min...UInt8.max {
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            #expect(ASCII.lowercased(byte) == (isUpper ? byte + 32 : byte))
        }
    }
}
