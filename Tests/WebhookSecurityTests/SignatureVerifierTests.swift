import Testing
import WebhookSecurity

@Suite struct SignatureVerifierTests {
    static let secret = "chargefold-test-secret"

    /// RFC 4231 section 4: key, data, HMAC-SHA-512.
    static let rfc4231: [(key: [UInt8], data: [UInt8], code: String)] = [
        (
            repeating(0x0B, 20), Array("Hi There".utf8),
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
        ),
        (
            Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        ),
        (
            repeating(0xAA, 20), repeating(0xDD, 50),
            "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"
        ),
        (
            Array(1...25), repeating(0xCD, 50),
            "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"
        ),
        (
            repeating(0xAA, 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
        ),
        (
            repeating(0xAA, 131),
            Array(
                ("This is a test using a larger than block-size key and a larger than block-size data. "
                    + "The key needs to be hashed before being used by the HMAC algorithm.").utf8),
            "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"
        ),
    ]

    /// `printf %s BODY | openssl dgst -sha512 -hmac chargefold-test-secret -binary | base64 -w0`
    static let openssl: [(body: String, signature: String)] = [
        ("", "Dv1avXca9H5MtX3ysrn0l2QM/cRnzeZ7FU59TquElfFjFJkHTn1hTu7jItbiF7rYh2XQ4xHHa/xe3ifqoiffpA=="),
        ("foo bar", "iCjXUg+Q5H8AKQfj8pUXa+5C+QbqTK06WvZQFR2u4O7ubaaIeUb8NsCRLPHZNkbOqorvHjz7GuGt1F8F/3Kl0w=="),
        (
            #"{"event":"SESSION_STARTED","payload":{"userId":"user1","sessionId":"L60XMxWy0oP","timestamp":"2025-06-12T10:56:51Z"}}"#,
            "ARsmgEJDsNfbaAg/ygzH9dPjzeXEMYwoECtuOUz5AdCX7NOhcPeP9+hnSqMOT9QaIstDofOflTg6B7FQU8NHXw=="
        ),
        (
            #"{"event":"SESSION_FEE_INCURRING","payload":{"sessionId":"L60XMxWy0oP","timestamp":"2025-10-15T08:52:48Z","feeWillApplyFrom":"2025-10-15T09:02:48Z","feeType":"BLOCKING"}}"#,
            "6KYEnMm4eIe61Z/KNnJEI8svt4qPmI344PiLI4b6RSE9KJOWFYDq0ewdOE6WW0z40pXXNqWlbfw8kGyGt51upA=="
        ),
    ]

    @Test(arguments: rfc4231.indices) func `agrees with RFC 4231`(index: Int) throws {
        let (key, data, code) = Self.rfc4231[index]
        let verifier = SignatureVerifier(current: try #require(SecretKey(key)))
        var decoded = [UInt8](repeating: 0, count: 64)
        let valid = verifier.sign(data).utf8.withContiguousStorageIfAvailable { text in
            decoded.withUnsafeMutableBytes { Base64.decode(UnsafeRawBufferPointer(text), into: $0) }
        }
        #expect(valid == true)
        #expect(hex(decoded) == code)
    }

    @Test(arguments: openssl.indices) func `agrees with the openssl command`(index: Int) throws {
        let (body, signature) = Self.openssl[index]
        let verifier = SignatureVerifier(current: try secretKey(Self.secret))
        #expect(verifier.sign(Array(body.utf8)) == signature)
        #expect(verifier.verify(body, signature) == .current)
        #expect(verifier.verify(body, " \t\(signature)\t ") == .current)
    }

    @Test func `tries the current secret, then the next`() throws {
        let old = try secretKey("old-secret-old-secret")
        let new = try secretKey("new-secret-new-secret")
        let body = "a body"
        let signedOld = SignatureVerifier(current: old).sign(Array(body.utf8))
        let signedNew = SignatureVerifier(current: new).sign(Array(body.utf8))
        let rotating = SignatureVerifier(current: old, next: new)
        #expect(rotating.verify(body, signedOld) == .current)
        #expect(rotating.verify(body, signedNew) == .next)
        #expect(SignatureVerifier(current: new).verify(body, signedOld) == .mismatch)
        #expect(SignatureVerifier(current: new, next: new).verify(body, signedNew) == .current)
    }

    @Test func `refuses a signature with any bit of the body or of the code changed`() throws {
        let verifier = SignatureVerifier(current: try secretKey(Self.secret))
        let (body, signature) = Self.openssl[2]
        for index in body.utf8.indices {
            var bytes = Array(body.utf8)
            bytes[body.utf8.distance(from: body.utf8.startIndex, to: index)] ^= 1
            #expect(verifier.verify(bytes, signature) == .mismatch)
        }
        for index in 0..<86 {
            var text = Array(signature.utf8)
            text[index] = text[index] == UInt8(ascii: "A") ? UInt8(ascii: "E") : UInt8(ascii: "A")
            #expect([.mismatch, .malformed].contains(verifier.verify(Array(body.utf8), text)))
        }
        #expect(verifier.verify(body + " ", signature) == .mismatch)
        #expect(verifier.verify("", signature) == .mismatch)
    }

    @Test func `tells malformed and missing signatures apart`() throws {
        let verifier = SignatureVerifier(current: try secretKey(Self.secret))
        let (body, good) = Self.openssl[1]
        let malformed: [String] = [
            "x", "\(good.dropLast())", "\(good.dropLast(2))", "\(good)=", "\(good)\(good)", "sha512=\(good)",
            "\"\(good)\"",
            String(repeating: "ab", count: 64),
            good.replacing("/", with: "_").replacing("+", with: "-"),
            // Bits beyond the 64th byte set: another text for the same bytes.
            "\(good.dropLast(3))x==",
            "\(good.dropLast(4))=\(good.suffix(3))",
            "\(good.prefix(40)) \(good.dropFirst(41))",
            String(repeating: "=", count: 88),
            String(repeating: "\u{FF}", count: 44),
        ]
        for text in malformed {
            #expect(verifier.verify(body, text) == .malformed, "\(text)")
        }
        #expect(verifier.verify(body, nil) == .missing)
        #expect(verifier.verify(body, "") == .missing)
        #expect(verifier.verify(body, " \t ") == .missing)
    }

    @Test func `a secret shows itself nowhere`() throws {
        let secret = try secretKey("do-not-show-me")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), String(describing: Optional(secret)), dumped] {
            #expect(!text.contains("show"))
        }
        #expect(SecretKey(utf8: "") == nil)
        #expect(secret.count == 14)
    }
}

@Suite struct Base64Tests {
    @Test func `round trips every length, and rejects every other length`() {
        var bytes: [UInt8] = []
        for length in 0..<70 {
            let text = bytes.withUnsafeBytes { Base64.encode($0) }
            #expect(text.utf8.count == (length + 2) / 3 * 4)
            var output = [UInt8](repeating: 0xEE, count: length)
            #expect(decode(text, &output))
            #expect(output == bytes)
            var longer = [UInt8](repeating: 0, count: length + 1)
            #expect(!decode(text, &longer))
            bytes.append(UInt8(truncatingIfNeeded: length &* 151 &+ 7))
        }
    }

    @Test func `agrees with the vectors of RFC 4648`() {
        let vectors = ["": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE="]
        for (plain, coded) in vectors {
            #expect(Array(plain.utf8).withUnsafeBytes { Base64.encode($0) } == coded)
        }
    }

    private func decode(_ text: String, _ output: inout [UInt8]) -> Bool {
        Array(text.utf8).withUnsafeBytes { text in output.withUnsafeMutableBytes { Base64.decode(text, into: $0) } }
    }
}
