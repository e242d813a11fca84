import Base
import SessionModel
import Testing

@Suite struct CanonicalJSONTests {
    /// A random value, and a writer that gives it another text form each time.
    private indirect enum Value {
        case null, bool(Bool)
        /// digits × 10^exponent
        case number(isNegative: Bool, digits: Int, exponent: Int)
        case string([Unicode.Scalar])
        case array([Value])
        case object([(name: [Unicode.Scalar], value: Value)])

        static func random(_ random: inout SeededRandom, depth: Int) -> Value {
            switch random.below(depth > 3 ? 4 : 6) {
            case 0: return .null
            case 1: return .bool(random.chance(0.5))
            case 2:
                let magnitude = random.pick([10, 1000, 1_000_000_000])
                return .number(
                    isNegative: random.chance(0.3), digits: random.below(magnitude), exponent: random.below(60) - 30)
            case 3: return .string(scalars(&random))
            case 4: return .array((0..<random.below(5)).map { _ in .random(&random, depth: depth + 1) })
            default:
                var members: [(name: [Unicode.Scalar], value: Value)] = []
                for _ in 0..<random.below(7) {
                    let name = scalars(&random)
                    if members.contains(where: { $0.name == name }) { continue }
                    members.append((name, .random(&random, depth: depth + 1)))
                }
                return .object(members)
            }
        }

        private static func scalars(_ random: inout SeededRandom) -> [Unicode.Scalar] {
            let choices: [Unicode.Scalar] = [
                "a", "b", "Z", "\"", "\\", "/", "\n", "\u{1}", "é", "e", "\u{301}", "€", "😀", " ",
            ]
            return (0..<random.below(5)).map { _ in random.pick(choices) }
        }

        func text(_ random: inout SeededRandom) -> String {
            switch self {
            case .null: return "null"
            case .bool(let value): return value ? "true" : "false"
            case .number(let isNegative, let digits, let exponent):
                return (isNegative ? "-" : "") + Self.number(digits, exponent, &random)
            case .string(let scalars): return Self.string(scalars, &random)
            case .array(let values):
                return "[" + values.map { Self.space(&random) + $0.text(&random) }.joined(separator: " ,") + "]"
            case .object(let members):
                var members = members
                random.shuffle(&members)
                let texts = members.map {
                    Self.space(&random) + Self.string($0.name, &random) + Self.space(&random) + ":"
                        + $0.value.text(&random)
                }
                return "{" + texts.joined(separator: ",") + Self.space(&random) + "}"
            }
        }

        private static func space(_ random: inout SeededRandom) -> String {
            random.pick(["", "", " ", "\n\t", "\r\n"])
        }

        private static func number(_ digits: Int, _ exponent: Int, _ random: inout SeededRandom) -> String {
            var text = String(digits)
            var exponent = exponent
            let zeros = random.below(4)
            text += String(repeating: "0", count: zeros)
            exponent -= zeros
            let fraction = random.below(text.count)
            if fraction > 0, digits != 0 {
                text.insert(".", at: text.index(text.endIndex, offsetBy: -fraction))
                exponent += fraction
            } else if digits == 0 {
                text = "0"
            }
            if exponent == 0, random.chance(0.5) { return text }
            return text + random.pick(["e", "E"]) + (exponent >= 0 ? random.pick(["", "+"]) : "") + String(exponent)
        }

        private static func string(_ scalars: [Unicode.Scalar], _ random: inout SeededRandom) -> String {
            var text = "\""
            for scalar in scalars {
                let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
                if mustEscape || random.chance(0.3) {
                    for unit in String(scalar).utf16 {
                        let hexadecimal = String(unit, radix: 16, uppercase: random.chance(0.5))
                        text += "\\u" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
                    }
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
            return text + "\""
        }
    }

    @Test func `every text of a value has the same canonical text`() throws {
        var random = SeededRandom(seed: 21)
        for _ in 0..<3000 {
            let value = Value.random(&random, depth: 0)
            let canonical = try CanonicalJSON(parsing: value.text(&random))
            for _ in 0..<3 {
                let text = value.text(&random)
                #expect(try CanonicalJSON(parsing: text) == canonical, "\(text)")
            }
            #expect(try CanonicalJSON(parsing: canonical.bytes) == canonical)
        }
    }

    @Test func `different values have different texts`() throws {
        let texts = [
            "1", "-1", "1.1", "\"1\"", "true", "null", "[]", "{}", "[1]", "{\"1\":1}", "\"é\"", "\"e\u{301}\"", "1e30",
            "1e31",
            "1e-30", "\"\"", "\"null\"", "[[]]", "[{}]", "0.1", "1.00000000000000000000000001", "9007199254740992",
            "9007199254740993",
        ]
        let canonical = Set(try texts.map { try CanonicalJSON(parsing: $0) })
        #expect(canonical.count == texts.count)
    }

    @Test func `members are read`() throws {
        let json = try CanonicalJSON(
            parsing: #"{"b":"x\"y","a":[1,{"a":2}],"t":"2025-06-12T10:56:51Z","n":null,"o":{"c":"}"},"é":1}"#)
        #expect(json.member("a")?.text == #"[1,{"a":2}]"#)
        #expect(json.string("b") == "x\"y")
        #expect(json.string("a") == nil)
        #expect(json.member("o")?.string("c") == "}")
        #expect(try json.instant("t") == instant("2025-06-12T10:56:51Z"))
        #expect(json.member("n")?.text == "null")
        #expect(json.member("zz") == nil)
        #expect(try CanonicalJSON(parsing: "[1]").member("a") == nil)
    }

    @Test func `large objects are not quadratic`() throws {
        // Half a megabyte of members in the wrong order; a quadratic check would compare names ten billion times.
        let members = (0..<100_000).reversed().map { "\"k\($0)\":0" }
        let json = try CanonicalJSON(parsing: "{" + members.joined(separator: ",") + "}")
        #expect(json.bytes.count > 500_000)
        let repeated = "{" + (members + ["\"k5\":1"]).joined(separator: ",") + "}"
        #expect(throws: JSONError.self) { try CanonicalJSON(parsing: repeated) }
    }

    @Test func `altered texts never trap`() {
        var random = SeededRandom(seed: 22)
        for _ in 0..<20_000 {
            var bytes = Array(Value.random(&random, depth: 0).text(&random).utf8)
            for _ in 0...random.below(3) where !bytes.isEmpty {
                let index = random.below(bytes.count)
                switch random.below(3) {
                case 0: bytes[index] = UInt8(random.below(256))
                case 1: bytes.remove(at: index)
                default: bytes.insert(random.pick(Array("\"\\{}[],:0e-u".utf8)), at: index)
                }
            }
            guard let canonical = try? CanonicalJSON(parsing: bytes) else { continue }
            #expect(throws: Never.self) { try CanonicalJSON(parsing: canonical.bytes) }
        }
    }

    @Test func `the writer escapes and separates`() throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("a\"\u{1}" as String)
        writer.beginArray()
        writer.integer(Int64.min)
        writer.integer(0)
        writer.bool(true)
        writer.null()
        writer.string("\n\"\\/\u{7f}é\u{1f}")
        writer.beginObject()
        writer.endObject()
        writer.endArray()
        writer.key("z")
        writer.instant(Instant(seconds: 0))
        writer.endObject()
        let expected =
            #"{"a\"\u0001":[-9223372036854775808,0,true,null,"\n\"\\/\#u{7f}é\u001f",{}],"z":"1970-01-01T00:00:00Z"}"#
        #expect(text(writer.bytes) == expected)
        #expect(try CanonicalJSON(parsing: writer.bytes).bytes == writer.bytes)
    }
}
