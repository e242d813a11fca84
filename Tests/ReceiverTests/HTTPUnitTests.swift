import Base
import HTTPClient
import SessionModel
import Testing

@testable import Receiver

/// Calls `body` with the bytes of a header's value or a path, nil for none.
private func bytes<Result>(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return Array(text.utf8).withUnsafeBytes { body($0) }
}

@Suite struct PercentEncodingTests {
    @Test(arguments: [
        ("", ""), ("abc", "abc"), ("a%20b", "a b"), ("%41%7a%5A", "AzZ"), ("%C3%BC", "ü"), ("a+b", "a+b"), ("%2B", "+"),
        ("%25%32%30", "%20"), ("ü", "ü"), ("%00", "\u{0}"),
    ]) func `decodes`(encoded: String, decoded: String) {
        #expect(PercentEncoding.decode(Array(encoded.utf8)) == decoded)
    }

    @Test(arguments: ["%", "%4", "a%", "%G0", "%0G", "%%41", "% 41", "%FF", "%C3", "%C3%28", "%ED%A0%80", "%-1"])
    func `refuses what is no encoding, or no UTF-8`(encoded: String) {
        #expect(PercentEncoding.decode(Array(encoded.utf8)) == nil)
    }

    @Test func `a plus is a space in queries only`() {
        #expect(PercentEncoding.decode(Array("a+b%2B".utf8), plusIsSpace: true) == "a b+")
    }

    @Test(arguments: ["", "abc-._~XYZ019", "a b/c?d#e%f&g=h+i", "ü🔌\u{0}\n", "漢字"])
    func `encodes so that it decodes to the same`(text: String) {
        let encoded = PercentEncoding.encode(text)
        #expect(encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") })
        #expect(PercentEncoding.decode(Array(encoded.utf8)) == text)
    }

    @Test func `only unreserved characters stay`() {
        #expect(PercentEncoding.encode("a/b c\u{7}") == "a%2Fb%20c%07")
    }
}

@Suite struct QueryParametersTests {
    private func parse(_ text: String?) -> QueryParameters? { bytes(text) { QueryParameters($0) } }

    @Test func `names and values`() throws {
        let query = try #require(parse("a=1&b=x%20y&c=p+q&d&e=&%66=g%3Dh=i"))
        #expect(query["a"] == "1")
        #expect(query["b"] == "x y")
        #expect(query["c"] == "p q")
        #expect(query["d"]?.isEmpty == true)
        #expect(query["e"]?.isEmpty == true)
        #expect(query["f"] == "g=h=i")
        #expect(query["g"] == nil)
        #expect(Set(query.names) == ["a", "b", "c", "d", "e", "f"])
    }

    @Test(arguments: [nil, "", "&", "&&"]) func `no query is no parameters`(text: String?) {
        #expect(parse(text)?.names.isEmpty == true)
    }

    @Test(arguments: ["a=1&a=2", "a=1&%61=1", "a=%", "%zz=1", "a=%FF"]) func `refuses what is ambiguous`(text: String) {
        #expect(parse(text) == nil)
    }

    @Test(arguments: [
        ("n=1", 1), ("n=10", 10), ("n=0", nil), ("n=11", nil), ("n=", nil), ("n=x", nil), ("n=1.0", nil),
        ("n=1e0", nil),
        ("n=99999999999999999999", nil),
    ]) func `numbers in their range`(text: String, value: Int64?) throws {
        let query = try #require(parse(text))
        #expect(query.integer("n", in: 1...10) == .some(value))
        #expect(query.integer("m", in: 1...10) == Int64??.none)
    }
}

@Suite struct HeaderValueTests {
    @Test(arguments: [
        ("gzip", true), ("GZIP", true), ("x-gzip", true), ("br, gzip", true), ("gzip;q=0.001", true),
        ("gzip ; q=1", true),
        ("*", true), ("*;q=0.1", true), ("identity, *", true), ("gzip;q=0", false), ("gzip;q=0.000", false),
        ("gzip;q=0, *", false), ("*, gzip;q=0", false), ("*;q=0", false), ("br", false), ("", false), (",", false),
        ("gzipped", false), ("gzip;q=x", false), (nil, false),
        (";*", false), (";gzip", false), (" ;q=1;*", false),
    ]) func `Accept-Encoding`(value: String?, allows: Bool) {
        #expect(bytes(value) { AcceptEncoding.allowsGzip($0) } == allows)
    }

    @Test(arguments: [
        ("application/json", true), ("APPLICATION/JSON", true), ("application/json;charset=utf-8", true),
        ("\tapplication/json ; x=y", true), ("application/problem+json", true), ("text/json", true), (nil, true),
        ("", false), ("text/plain", false), ("application/json+xml", false), ("application/", false), ("+json", false),
        ("text/x+json", false), ("application/jsonx", false),
    ]) func `Content-Type`(value: String?, isJSON: Bool) {
        #expect(bytes(value) { MediaType.isJSON($0) } == isJSON)
    }

    @Test func `Content-Encoding`() {
        for value in [nil, "", " ", "identity", "Identity"] {
            #expect(bytes(value) { MediaType.contentCoding($0) } == .identity)
        }
        for value in ["gzip", "x-gzip", " GZip\t"] { #expect(bytes(value) { MediaType.contentCoding($0) } == .gzip) }
        for value in ["br", "gzip,gzip", "gzip;q=1", "deflate"] {
            #expect(bytes(value) { MediaType.contentCoding($0) } == nil)
        }
    }

    @Test func `entity tags compare weakly`() {
        #expect(EntityTag.text(version: 12, digest: 0x00C0_FFEE) == #"W/"12-00c0ffee""#)
        for version in [0, 1, 9, 10, 99, 100, 1_234_567_890, Int.max] {
            #expect(EntityTag.text(version: version, digest: .max) == "W/\"\(version)-ffffffff\"")
        }
        let tag = #"W/"12""#
        for value in [#"W/"12""#, #""12""#, "*", " * ", #""1",W/"12""#, "\t\"12\"\t"] {
            #expect(EntityTag.isMatched(by: Array(value.utf8), tag: tag), "\(value)")
        }
        for value in ["", "12", #""1""#, #""112""#, #"W/"120""#, #"w/"12""#, #""12"#, "**", #"W/W/"12""#, ","] {
            #expect(!EntityTag.isMatched(by: Array(value.utf8), tag: tag), "\(value)")
        }
    }
}

@Suite struct ProblemTests {
    @Test func `the whole object`() {
        let problem = Problem(418, "teapot", "It's a \"teapot\".").with(detail: "Short\nand stout").with(
            member: "code", "T")
        #expect(
            String(decoding: problem.body, as: UTF8.self)
                == #"{"type":"urn:chargefold:problem:teapot","title":"It's a \"teapot\".","status":418,"#
                + #""detail":"Short\nand stout","code":"T"}"#)
        #expect(
            String(decoding: Problem(404, "x", "X").body, as: UTF8.self)
                == #"{"type":"urn:chargefold:problem:x","title":"X","status":404}"#)
    }

    @Test func `a selection says of what`() {
        #expect(QuarantineSelection(json: Array(#"{"ids":[3,1]}"#.utf8))?.ids == [3, 1])
        #expect(QuarantineSelection(json: Array(#"{"ids":[]}"#.utf8))?.ids?.isEmpty == true)
        #expect(QuarantineSelection(json: Array(#"{"all":true}"#.utf8)).map { $0.ids == nil } == true)
        #expect(QuarantineSelection(json: Array(#"{"all":"true"}"#.utf8)) == nil)
    }
}
