import DriveAPI
import EventLog
import HTTPServer
import Ledger
import Logging
import Receiver
import SessionModel
import SessionStore
import Testing
import WebhookSecurity

@Suite struct ConfigurationTests {
    private static let secret = ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "a-secret-for-the-tests"]

    @Test func `the defaults are those of the contract`() throws {
        let loaded = try load(Self.secret)
        let configuration = loaded.configuration
        #expect(configuration.http.host == "127.0.0.1")
        #expect(configuration.http.port == 8080)
        #expect(configuration.data.directory == "./data")
        #expect(configuration.webhook.bodyBytesMax == 65_536)
        #expect(configuration.webhook.signedAtFreshnessSeconds == 0)
        #expect(configuration.guidance.startTimeoutSeconds == 120)
        #expect(configuration.guidance.connectorCooldownSeconds == 60)
        #expect(configuration.guidance.failedStartWaitSeconds == 60)
        #expect(configuration.guidance.stopFailedGraceSeconds == 180)
        #expect(configuration.shutdown.deadlineSeconds == 10)
        #expect(configuration.api.tokenSet.isEmpty)
        #expect(loaded.path == nil)
    }

    @Test func `the environment goes before the file, and the file before the defaults`() throws {
        let file = try TemporaryFile(
            """
            http:
              host: "::1"
              port: 9000
              idleTimeoutSeconds: 5
            webhook:
              secretCurrent: from-the-file-0123
              quarantine:
                unverifiedBytesMax: 4 MiB
            log: { level: debug, format: json }
            """)
        let loaded = try load(["CHARGEFOLD_HTTP_PORT": "9001", "CHARGEFOLD_LOG_LEVEL": "WARNING"], file)
        #expect(loaded.configuration.http.host == "::1")
        #expect(loaded.configuration.http.port == 9001)
        #expect(loaded.configuration.http.limits.idleTimeoutSeconds == 5)
        #expect(loaded.configuration.store.ledger.unverifiedBytesMax == 4 << 20)
        #expect(loaded.configuration.log.level == .warning)
        #expect(loaded.configuration.log.format == .json)
        #expect(loaded.path == file.path)
        let report = loaded.report
        #expect(report.lines(with: "http.host:").first?.hasSuffix("# \(file.path):2") == true)
        #expect(report.lines(with: "http.port: 9001").first?.hasSuffix("# environment CHARGEFOLD_HTTP_PORT") == true)
        #expect(report.lines(with: "http.workers: 0").first?.hasSuffix("# default") == true)
        #expect(!report.contains("from-the-file"))
        #expect(report.contains("webhook.secretCurrent: <secret of 18 bytes>"))
    }

    @Test func `the file can be named by the environment, and must then exist`() throws {
        let file = try TemporaryFile("webhook: { allowUnverified: yes }")
        let loaded = try ReceiverConfiguration.load(
            environment: ["CHARGEFOLD_CONFIG": file.path], use: .server, defaultPath: nil)
        #expect(loaded.configuration.webhook.allowUnverified)
        #expect(
            problems(["CHARGEFOLD_CONFIG": "/nowhere/at-all.yaml"] + Self.secret) == [
                "/nowhere/at-all.yaml: can't be opened: No such file or directory"
            ])
        let absent = try ReceiverConfiguration.load(
            environment: Self.secret, use: .server, defaultPath: "/nowhere/at-all.yaml")
        #expect(absent.path == nil)
    }

    @Test func `all problems are told at once, with place and remedy`() throws {
        let file = try TemporaryFile(
            """
            http:
              prot: 80
              port: eighty
            webhook:
              secretCurrent: from-the-file-0123
              bodyBytesMax: 12
            gudiance:
              startTimeoutSeconds: 1
            log: verbose
            """)
        let found = problems(["CHARGEFOLD_LOG_FORMAT": "xml", "CHARGEFOLD_WEBHOOK_SECRET": "x"], file)
        #expect(
            found == [
                "http.port (\(file.path):3): \"eighty\" is not allowed; allowed: a whole number from 0 to 65535",
                "webhook.bodyBytesMax (\(file.path):6): \"12\" is not allowed; allowed: a whole number from 1024 to 16777216 (bytes), with KiB, MiB or GiB after it if you like",
                "log.format (environment CHARGEFOLD_LOG_FORMAT): \"xml\" is not allowed; allowed: text or json",
                "CHARGEFOLD_WEBHOOK_SECRET (environment CHARGEFOLD_WEBHOOK_SECRET): is no key of ours; did you mean CHARGEFOLD_WEBHOOK_SECRET_CURRENT?",
                "gudiance.startTimeoutSeconds (\(file.path):8): is no key of ours; did you mean guidance.startTimeoutSeconds?",
                "http.prot (\(file.path):2): is no key of ours; did you mean http.port?",
                "log (\(file.path):9): is a section and takes no value; its keys are level, format",
            ])
    }

    @Test(arguments: [
        ("CHARGEFOLD_HTTP_PROT", "CHARGEFOLD_HTTP_PORT"), ("CHARGEFOLD_PORT_HTTP", nil),
        ("CHARGEFOLD_WEBHOOK_SECRET_CURENT", "CHARGEFOLD_WEBHOOK_SECRET_CURRENT"),
        ("CHARGEFOLD_WEBHOOK_SECRET", "CHARGEFOLD_WEBHOOK_SECRET_CURRENT"), ("CHARGEFOLD_HTTP", nil),
        ("CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FIEL", "CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE"),
        ("CHARGEFOLD_DATA_DIR", "CHARGEFOLD_DATA_DIRECTORY"), ("CHARGEFOLD_TOKEN", "CHARGEFOLD_API_TOKEN"),
        ("CHARGEFOLD_DIRECTORY", "CHARGEFOLD_DATA_DIRECTORY"), ("CHARGEFOLD_", nil),
    ]) func `unknown variables are refused, with what may have been meant`(name: String, meant: String?) {
        let found = problems([name: "x"] + Self.secret)
        #expect(found.count == 1)
        #expect(found.first?.contains("is no key of ours") == true)
        if let meant { #expect(found.first?.hasSuffix("did you mean \(meant)?") == true, "\(found)") }
    }

    @Test func `what only follows from something that could not be read is not said`() throws {
        let broken = try TemporaryFile("webhook: {\n  secretCurrent: from-the-file-0123\nhttp: ]")
        #expect(problems([:], broken).count == 1)
        #expect(problems(["CHARGEFOLD_CONFIG": "/nowhere/at-all.yaml"]).count == 1)
        #expect(problems(["CHARGEFOLD_WEBHOOK_SECRET_NEXT": "short"], broken).count == 1)
        let next = ["CHARGEFOLD_WEBHOOK_SECRET_NEXT": "another-secret-here"]
        for (name, value) in [
            ("CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE", "/nowhere/secret"), ("CHARGEFOLD_WEBHOOK_SECRET_CURENT", "x"),
        ] {
            let found = problems([name: value] + next)
            #expect(found.count == 1 && found.first?.contains(value == "x" ? name : "/nowhere") == true, "\(found)")
        }
        // What could be read is said all the same.
        #expect(problems(next).map { $0.contains("needs webhook.secretCurrent") } == [true])
        let socket = ["CHARGEFOLD_HTTP_HOST": "none", "CHARGEFOLD_HTTP_UNIX_SOKET": "/run/x"]
        #expect(problems(socket + Self.secret).count == 1)
        let short = ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "short", "CHARGEFOLD_WEBHOOK_ALLOW_SHORT_SECRETS": "maybe"]
        #expect(problems(short).count == 1)
    }

    @Test func `the sandbox's variables may stand in the same environment`() throws {
        #expect(try load(["CHARGEFOLD_SANDBOX_SECRET": "x"] + Self.secret).path == nil)
    }

    @Test(arguments: [
        ["CHARGEFOLD_DRIVE_API_BASE_URL": "ftp://x"], ["CHARGEFOLD_DRIVE_API_BASE_URL": "https://x/drive?a=b"],
        ["CHARGEFOLD_DRIVE_API_RECEIPT_PATH": "/v1/{sessionId}"],
        ["CHARGEFOLD_DRIVE_API_RETRY_PAYMENT_PATH": "POST /v1/{session}"],
        ["CHARGEFOLD_DRIVE_API_API_KEY": "shown nowhere"], ["CHARGEFOLD_DRIVE_API_CONCURRENCY": "0"],
    ]) func `what can't work with the Drive API is told before the start`(environment: [String: String]) {
        let found = problems(environment + Self.secret)
        #expect(found.count == 1)
        #expect(found.first?.contains(environment.keys.first ?? "?") == true)
        #expect(!found.joined().contains("shown nowhere"))
    }

    @Test func `the Drive API's settings follow the configuration, and need a key`() throws {
        #expect(try load(Self.secret).configuration.driveApi.apiKey == nil)
        let loaded = try load(
            [
                "CHARGEFOLD_DRIVE_API_API_KEY": "k", "CHARGEFOLD_DRIVE_API_BASE_URL": "http://example.org/drive",
                "CHARGEFOLD_DRIVE_API_CALLS_PER_SECOND_MAX": "7", "CHARGEFOLD_DRIVE_API_TOTAL_TIMEOUT_SECONDS": "9",
                "CHARGEFOLD_DRIVE_API_RECEIPT_PATH": "POST /r/{sessionId}",
            ] + Self.secret)
        let settings = loaded.configuration.driveApi
        #expect(settings.callsPerSecond == 7)
        #expect(settings.totalSeconds == 9)
        #expect(settings.receiptPath.description == "POST /r/{sessionId}")
        #expect(settings.retryPaymentPath == .retryPayment)
        // Not https, and not this machine.
        #expect(loaded.warnings.contains { $0.key == "driveApi.baseURL" })
    }

    @Test func `a file that is no mapping, or no YAML, is refused without being quoted`() throws {
        for text in ["- a\n- b", "webhook: [secret-shown", "webhook:\n\tsecretCurrent: secret-shown", "a: 1\na: 2"] {
            let found = problems(Self.secret, try TemporaryFile(text))
            #expect(found.count == 1)
            #expect(!found.joined().contains("secret-shown"))
        }
        let nested = try TemporaryFile("http:\n  port: [80, 81]\n  host: { a: b }\n  workers:\n")
        #expect(problems(Self.secret, nested).count == 3)
    }

    @Test(arguments: ["", "\n\n", "# nothing\n", "---\n# nothing", "http:\n  #port: 1\nlog:\n"])
    func `a file without values is fine`(text: String) throws {
        #expect(try load(Self.secret, try TemporaryFile(text)).configuration.http.port == 8080)
    }

    @Test(arguments: [
        ("CHARGEFOLD_HTTP_PORT", "65536"), ("CHARGEFOLD_HTTP_PORT", "-1"), ("CHARGEFOLD_HTTP_PORT", "80.0"),
        ("CHARGEFOLD_HTTP_PORT", "0x50"), ("CHARGEFOLD_HTTP_PORT", "1 KiB"),
        ("CHARGEFOLD_HTTP_PORT", "99999999999999999999"), ("CHARGEFOLD_HTTP_HOST", "a\nb"),
        ("CHARGEFOLD_WEBHOOK_BODY_BYTES_MAX", "9999999999999GiB"), ("CHARGEFOLD_WEBHOOK_BODY_BYTES_MAX", "KiB"),
        ("CHARGEFOLD_HTTP_UNIX_SOCKET_MODE", "0888"), ("CHARGEFOLD_HTTP_UNIX_SOCKET_MODE", "1777"),
        ("CHARGEFOLD_API_ALLOW_ANONYMOUS_READS", "maybe"), ("CHARGEFOLD_LOG_LEVEL", "loud"),
        ("CHARGEFOLD_HTTP_HOST", "none"),
    ]) func `wrong values are refused`(name: String, value: String) {
        let found = problems([name: value] + Self.secret)
        #expect(found.count == 1)
        #expect(found.first?.contains(name) == true)
    }

    @Test func `values may be written as people write them`() throws {
        let loaded = try load(
            [
                "CHARGEFOLD_WEBHOOK_BODY_BYTES_MAX": "128KiB", "CHARGEFOLD_STORE_QUEUE_COUNT_MAX": "10_000",
                "CHARGEFOLD_API_ALLOW_ANONYMOUS_READS": "On", "CHARGEFOLD_HTTP_UNIX_SOCKET_MODE": "0o600",
                "CHARGEFOLD_HTTP_HOST": "none", "CHARGEFOLD_HTTP_UNIX_SOCKET": "/run/x.sock",
            ] + Self.secret
        ).configuration
        #expect(loaded.webhook.bodyBytesMax == 131_072)
        #expect(loaded.store.log.queueCountMax == 10_000)
        #expect(loaded.api.allowAnonymousReads)
        #expect(loaded.http.unixSocketMode == 0o600)
        #expect(!loaded.http.listensOnTCP)
    }

    @Test func `near misses count swaps as one step`() {
        #expect(NearMissProbe.suggestion("http.prot") == "http.port")
        #expect(NearMissProbe.suggestion("webhook.secret") == "webhook.secretCurrent")
    }
}

/// The suggestion for one misspelt key, as a user sees it.
private enum NearMissProbe {
    static func suggestion(_ name: String) -> String? {
        let parts = name.split(separator: ".")
        guard parts.count == 2, let file = try? TemporaryFile("\(parts[0]):\n  \(parts[1]): 1") else { return nil }
        let message = problems(["CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "true"], file).first
        return message?.split(separator: "did you mean ").last.map { String($0.dropLast()) }
    }
}
