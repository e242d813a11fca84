import SessionModel
import Testing

/// Texts in the manner of the JSONTestSuite (Nicolas Seriot, "Parsing JSON is a minefield"), written by hand.
@Suite struct JSONCorpusTests {
    @Test(arguments: [
        ("[]", "[]"), (" [ ] ", "[]"), ("{}", "{}"), ("\t{\n}\r ", "{}"), ("null", "null"), ("true", "true"),
        ("false", "false"), ("\"\"", "\"\""), ("[null, true ,false]", "[null,true,false]"), ("[[[]]]", "[[[]]]"),
        ("{\"a\":{\"b\":[{}]}}", "{\"a\":{\"b\":[{}]}}"), ("{\"\":0}", "{\"\":0}"), ("[\"\u{7f}\"]", "[\"\u{7f}\"]"),
        ("\"\u{2028}\u{2029}\u{FEFF}\"", "\"\u{2028}\u{2029}\u{FEFF}\""), ("\"\\/\"", "\"/\""),
        ("\"\\u0041\"", "\"A\""), ("\"\\u00e9\\u20ac\"", "\"é€\""), ("\"\\uD83D\\ude00\"", "\"😀\""),
        ("\"\\uDBFF\\uDFFF\"", "\"\u{10FFFF}\""), ("\"\\u0000\\u001F\"", "\"\\u0000\\u001f\""),
        ("\"\\u0008\\u000c\\u000a\\u000d\\u0009\"", "\"\\b\\f\\n\\r\\t\""),
        ("\"\\u0022\\u005c\\u002f\"", "\"\\\"\\\\/\""),
        ("\"\\\"\\\\\\b\\f\\n\\r\\t\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\""), ("\"\\uFFFF\\uE000\"", "\"\u{FFFF}\u{E000}\""),
        ("{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"), ("{\"a\":1,\"A\":2,\"\":3}", "{\"\":3,\"A\":2,\"a\":1}"),
        ("{\"é\":1,\"z\":2,\"e\\u0301\":3}", "{\"e\u{301}\":3,\"z\":2,\"é\":1}"),
        // By the bytes of the names, not of their escaped text: U+0001 comes before the exclamation mark.
        ("{\"!\":1,\"\\u0001\":2,\"\\\\\":3,\"\\\"\":4}", "{\"\\u0001\":2,\"!\":1,\"\\\"\":4,\"\\\\\":3}"),
        ("{\"ab\":1,\"a\\n\":2,\"a\":3}", "{\"a\":3,\"a\\n\":2,\"ab\":1}"),
    ])
    func `sound texts are accepted`(text: String, canonical: String) throws {
        #expect(try CanonicalJSON(parsing: text).text == canonical)
    }

    /// RFC 8259, section 8.1: whoever reads may ignore it.
    @Test func `one byte order mark before a text is ignored, and nothing else of the kind`() throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        #expect(try CanonicalJSON(parsing: mark + Array(" {}".utf8)).text == "{}")
        for text in [
            mark, mark + mark + [0x7B, 0x7D], [0x20] + mark + [0x7B, 0x7D], [0x7B, 0x7D] + mark, [0xEF, 0xBB],
        ] {
            #expect(throws: JSONError.self) { try CanonicalJSON(parsing: text) }
        }
        for text in [[0xFE, 0xFF, 0, 0x7B, 0, 0x7D], [0xFF, 0xFE, 0x7B, 0, 0x7D, 0]] as [[UInt8]] {
            #expect(throws: JSONError.self, "UTF-16") { try CanonicalJSON(parsing: text) }
        }
    }

    @Test(arguments: [
        ("0", "0"), ("-0", "0"), ("0.0", "0"), ("-0.0e99", "0"), ("0e999999999999999999999", "0"), ("1", "1"),
        ("1.0", "1"), ("1e0", "1"), ("10e-1", "1"), ("0.1e1", "1"), ("100E-2", "1"), ("1.000000000000000000000", "1"),
        ("-1.50", "-1.5"), ("123e2", "12300"), ("12.34e1", "123.4"), ("12.34e+2", "1234"), ("0.00001", "0.00001"),
        ("0.000001", "0.000001"), ("0.0000001", "1e-7"), ("1.5e-7", "1.5e-7"), ("1e20", "100000000000000000000"),
        ("1e21", "1e21"), ("1E+21", "1e21"), ("10e20", "1e21"), ("0.1e22", "1e21"),
        ("999999999999999999999", "999999999999999999999"), ("1000000000000000000000", "1e21"),
        ("12345678901234567890123", "1.2345678901234567890123e22"), ("1e999999999", "1e999999999"),
        ("-12e-999999999", "-1.2e-999999998"), ("0.1e1000000000", "1e999999999"),
        ("3.141592653589793238462643383279502884197", "3.141592653589793238462643383279502884197"),
        ("9007199254740993", "9007199254740993"), ("9007199254740993.0", "9007199254740993"),
    ])
    func `numbers are exact decimals`(text: String, canonical: String) throws {
        #expect(try CanonicalJSON(parsing: text).text == canonical)
        #expect(try CanonicalJSON(parsing: canonical).text == canonical)
        #expect(try CanonicalJSON(parsing: "[\(text) , \(text)]").text == "[\(canonical),\(canonical)]")
    }

    @Test(arguments: [
        "", " ", "[", "]", "{", "}", "[1,", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "{1:2}", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\" 1}", "{a:1}", "{'a':1}", "{\"a\":1}}", "[]]", "[] []", "1 2",
        "nul", "nulll", "True", "NULL", "undefined", "NaN", "Infinity", "-Infinity", "01", "-01", "00", "+1", "-", ".5",
        "5.", "1.e5", "1e", "1e+", "1e-", "1.2.3", "0x10", "1_000", "--1", "1e1.5", "- 1", "１", "\"", "\"a", "\"\\\"",
        "\"\\a\"", "\"\\x41\"", "\"\\u12\"", "\"\\u123g\"", "\"\\U0041\"", "\"\n\"", "\"\t\"", "\"\u{0}\"",
        "\"\u{1f}\"",
        "'a'", "// c\n1", "/* c */1", "[1]//", "[\u{A0}1]", "[\u{b}1]", "[\u{c}1]", "{\"a\":1;\"b\":2}",
        "[\"a\",\n4\n,1,", "{\"a\":\"b\"}#", "<null>", "[1\u{0}]", "a", "\\u0041", "[\"\\\u{1F600}\"]",
    ])
    func `wrong syntax is refused`(text: String) {
        #expect(throws: JSONError.self) { try CanonicalJSON(parsing: text) }
        #expect(reason(of: Array(text.utf8)) == .syntax)
    }

    @Test(
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF],
            [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE],
            [0xFF],
        ] as [[UInt8]])
    func `invalid UTF-8 is refused`(bytes: [UInt8]) {
        #expect(reason(of: [0x22] + bytes + [0x22]) == .invalidUTF8)
        #expect(reason(of: Array("{\"".utf8) + bytes + Array("\":1}".utf8)) == .invalidUTF8)
    }

    @Test(arguments: [
        "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800a\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"",
        "\"\\udc00\\ud800\"", "{\"\\uDFFF\":1}", "\"\\ud800\\\"\"",
    ])
    func `lone surrogates are refused`(text: String) {
        #expect(reason(of: Array(text.utf8)) == .loneSurrogate)
    }

    @Test(arguments: [
        #"{"a":1,"a":1}"#, #"{"a":1,"b":2,"a":3}"#, #"{"a":1,"\u0061":1}"#, #"{"":1,"":1}"#, #"[{"x":{"k":1,"k":2}}]"#,
        #"{"\n":1,"\u000a":2}"#, #"{"é":1,"\u00e9":2}"#, #"{"z":1,"b":2,"a":3,"b":4}"#,
    ])
    func `duplicate keys are refused`(text: String) {
        #expect(reason(of: Array(text.utf8)) == .duplicateKey)
    }

    @Test(arguments: [
        (#"{"a":1,"a":1}"#, 7), (#" { "b" : [{"x":1}, 2] , "a":"b" ,  "\u0062": 3, "c": 4 }"#, 35),
        (#"[{"x":{"z":1,"k":{"z":0},"k":2}}]"#, 25), (#"{"z":1,"b":2,"a":3,"b":4,"y":{}}"#, 19),
    ]) func `a duplicate key is told by where it stands again`(text: String, byteOffset: Int) {
        let error = #expect(throws: JSONError.self) { try CanonicalJSON(parsing: Array(text.utf8)) }
        #expect(error?.reason == .duplicateKey && error?.byteOffset == byteOffset)
    }

    @Test(arguments: ["1e1000000000", "-1e-1000000000", "10e999999999", "1e99999999999999999999999", "0.01e-999999999"])
    func `numbers out of range are refused`(text: String) {
        #expect(reason(of: Array(text.utf8)) == .numberOutOfRange)
    }

    @Test func `depth is bounded`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(try CanonicalJSON(parsing: nested(64)).text == nested(64))
        #expect(reason(of: Array(nested(65).utf8)) == .tooDeep)
        #expect(reason(of: Array(String(repeating: "[", count: 1_000_000).utf8)) == .tooDeep)
        #expect(reason(of: Array(String(repeating: "{\"a\":", count: 100_000).utf8)) == .tooDeep)
    }

    private func reason(of bytes: [UInt8]) -> JSONError.Reason? {
        do throws(JSONError) {
            _ = try CanonicalJSON(parsing: bytes)
            return nil
        } catch {
            #expect((0...bytes.count).contains(error.byteOffset))
            return error.reason
        }
    }
}
