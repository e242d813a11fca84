import Receiver
import Testing

@Suite struct ConfigurationEnvironmentTests {
    private static let secret = [
        "CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "a-secret-for-the-tests", "CHARGEFOLD_API_TOKEN": "a-token-for-the-tests",
    ]

    /// What kubelet sets for a Service of that name with the ports `http` and `dns`.
    private static func links(_ service: String, _ address: String = "10.0.0.7") -> [String: String] {
        let name = service.uppercased().replacing("-", with: "_")
        let host = address.contains(":") ? "[\(address)]" : address
        var links = [
            "SERVICE_HOST": address, "SERVICE_PORT": "8080", "SERVICE_PORT_HTTP": "8080", "SERVICE_PORT_DNS_UDP": "53",
            "PORT": "tcp://\(host):8080",
        ]
        for (port, kind) in [("8080", "TCP"), ("53", "UDP"), ("9", "SCTP")] {
            let prefix = "PORT_\(port)_\(kind)"
            links[prefix] = "\(kind.lowercased())://\(host):\(port)"
            links[prefix + "_PROTO"] = kind.lowercased()
            links[prefix + "_PORT"] = port
            links[prefix + "_ADDR"] = address
        }
        return Dictionary(uniqueKeysWithValues: links.map { ("\(name)_\($0)", $1) })
    }

    @Test(arguments: [
        "chargefold", "chargefold-http", "chargefold-metrics", "chargefold-webhook", "chargefold-data-directory",
        "chargefold-sandbox", "chargefold-config", "chargefold-port", "chargefold-service", "chargefold-a-b-c-8",
    ]) func `what Kubernetes sets for any Service is passed over with one line`(service: String) throws {
        for address in ["10.0.0.7", "fd00::7"] {
            let loaded = try load(Self.links(service, address) + Self.secret)
            #expect(loaded.configuration.http.port == 8080)
            #expect(loaded.report.contains("http.port: 8080"))
            #expect(loaded.warnings.count == 1)
            let warning = try #require(loaded.warnings.first).description
            #expect(warning.hasPrefix("environment CHARGEFOLD_"))
            #expect(warning.contains("like 16 more of the kind"))
            #expect(warning.contains("enableServiceLinks"))
            // As people switch them off one by one.
            let empty = Self.links(service, address).mapValues { _ in "" }
            #expect(try load(empty + Self.secret).configuration.http.port == 8080)
        }
    }

    @Test func `a link does not hide what the file says`() throws {
        let file = try TemporaryFile("http: { port: 9000 }")
        let loaded = try load(Self.links("chargefold-http") + Self.secret, file)
        #expect(loaded.configuration.http.port == 9000)
        #expect(try load(["CHARGEFOLD_HTTP_PORT": "8081"] + Self.secret).configuration.http.port == 8081)
    }

    @Test(arguments: [
        ("CHARGEFOLD_HTP_PORT", "8080"), ("CHARGEFOLD_HTTP_PORT_8080", "tcp://10.0.0.7:8080"),
        ("CHARGEFOLD_SERVICE_HOST", "my host"), ("CHARGEFOLD_SERVICE_PORT", "http"), ("CHARGEFOLD_SERVICE", "10.0.0.7"),
        ("CHARGEFOLD_PORT_80_HTTP", "x"), ("CHARGEFOLD_PORT", "80"),
    ]) func `a name of ours that is misspelt is no link`(name: String, value: String) {
        #expect(problems([name: value] + Self.secret).count == 1)
    }

    @Test func `an optional variable that is empty counts as not set`() throws {
        let empty = [
            "CHARGEFOLD_WEBHOOK_SECRET_NEXT": "", "CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": "",
            "CHARGEFOLD_HTTP_PORT": "",
            "CHARGEFOLD_HTTP_UNIX_SOCKET": "", "CHARGEFOLD_API_TOKENS": "", "CHARGEFOLD_LOG_LEVEL": "",
            "CHARGEFOLD_API_ALLOW_ANONYMOUS_READS": "", "CHARGEFOLD_HTTP_UNIX_SOCKET_MODE": "", "CHARGEFOLD_CONFIG": "",
        ]
        let loaded = try load(empty + Self.secret)
        #expect(loaded.report == (try load(Self.secret)).report)
        #expect(loaded.warnings.isEmpty)
        let file = try TemporaryFile("http: { port: 9000 }")
        #expect(try load(empty + Self.secret, file).configuration.http.port == 9000)
    }

    @Test func `an empty secret does not turn verification off unseen`() throws {
        #expect(problems(["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": ""]).count == 1)
        let loaded = try load([
            "CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "",
            "CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS": "X-A: long-enough-value",
            "CHARGEFOLD_API_TOKEN": "a-token-for-the-tests",
        ])
        #expect(loaded.warnings.map(\.key) == ["webhook.secretCurrent"])
        #expect(loaded.warnings.first?.description.contains("is empty") == true)
    }

    // MARK: What nobody sees in a secret

    @Test(arguments: [
        ("a-secret-for-the-tests ", "white space"), (" a-secret-for-the-tests", "white space"),
        ("\na-secret-for-the-tests", "2 lines"), ("a-secret-for-\nthe-tests", "2 lines"),
        ("a-secret-for-\r\nthe-tests", "2 lines"), ("\u{A0}a-secret-for-the-tests", "U+00A0"),
        ("a-secret-for-the-tests\u{A0}", "white space"), ("\u{FEFF}a-secret-for-the-tests", "U+FEFF"),
        ("a-secret-for-the-tests\u{200B}", "U+200B"), ("a-secret\u{200B}-for-the-tests", "U+200B"),
        ("a-secret-for-the-tests\u{0}", "U+0000"), ("a-secret-for-the-tests\u{7F}", "U+007F"),
        ("a-secret-for-the-tests\u{2060}", "U+2060"), ("a-secret-for-the-tests\u{AD}", "U+00AD"),
        ("a-secret-for-the-tests\u{200E}", "U+200E"), ("a-secret-for-the-tests\u{3000}", "U+3000"),
        ("a-secret-for-the-tests\u{85}x", "U+0085"), ("a-secret-for-the-tests\u{85}", "white space"),
        ("a-secret-for-the-tests\u{B}", "white space"), ("a-secret-for-the-tests\u{2028}", "white space"),
        ("a-secret-for-the-tests\t", "white space"),
    ]) func `what stands unseen in a secret is warned of, from a file, the variable and the configuration alike`(
        secret: String, expected: String
    ) throws {
        let file = try TemporaryFile(secret + "\n")
        let escaped = secret.unicodeScalars.map {
            "\\U" + String(UInt64($0.value) + 0x1_0000_0000, radix: 16).dropFirst()
        }
        let yaml = try TemporaryFile("webhook: { secretNext: \"\(escaped.joined())\" }")
        var warnings = [
            try load(Self.secret + ["CHARGEFOLD_WEBHOOK_SECRET_NEXT_FILE": file.path]).warnings,
            try load(Self.secret, yaml).warnings,
        ]
        // No variable can hold NUL.
        if !secret.contains("\0") {
            warnings.append(try load(Self.secret + ["CHARGEFOLD_WEBHOOK_SECRET_NEXT": secret]).warnings)
        }
        for found in warnings {
            #expect(found.allSatisfy { $0.key == "webhook.secretNext" })
            let text = found.map(\.description).joined(separator: "\n")
            #expect(text.contains(expected))
            #expect(!text.contains("for-the-tests"))
        }
    }

    @Test(arguments: ["another-for-the-tests", "two words and a tab\tin it", "das-gehe\u{ED}mnis-\u{1F511}"])
    func `what can be seen is nobody's mistake, nor is the end of a file's line`(secret: String) throws {
        for end in ["", "\n", "\r\n", "\n\n"] {
            let file = try TemporaryFile(secret + end)
            #expect(try load(Self.secret + ["CHARGEFOLD_WEBHOOK_SECRET_NEXT_FILE": file.path]).warnings.isEmpty)
        }
    }

    @Test func `lists of secrets are looked at as well`() throws {
        let headers = try TemporaryFile("X-One: a-long-enough-value\u{200B}\n\n X-Two : another-long-value \n")
        let loaded = try load(Self.secret + ["CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS_FILE": headers.path])
        #expect(loaded.warnings.map(\.key) == ["webhook.authorizationHeaders"])
        #expect(loaded.warnings.first?.description.contains("U+200B (zero-width space)") == true)
    }
}
