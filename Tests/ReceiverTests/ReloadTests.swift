import Base
import Glibc
import HTTPClient
import Logging
import SessionModel
import Testing
import WebhookSecurity

@testable import Receiver

/// Reading the configuration again.
@Suite struct ReloadTests {
    /// What has been applied.
    private final class Applied: Sendable {
        let credentials = Locked<[(secret: String, tokens: [String], ended: [String])]>([])
        let level = Locked(Logger.Level.info)
        let isSuccessful = Locked<Bool?>(nil)

        var target: ConfigurationReloader.Target {
            ConfigurationReloader.Target(
                replaceCredentials: { [self] configuration, ended in
                    let secret =
                        configuration.webhook.secretCurrent.map {
                            $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                        }
                    credentials.withLock {
                        $0.append((secret ?? "", configuration.api.allTokens.map(\.name), ended.sorted()))
                    }
                },
                setLogLevel: { [self] level in self.level.withLock { $0 = level } },
                noteReload: { [self] success in isSuccessful.withLock { $0 = success } })
        }
    }

    private let directory = TestDirectory()

    private func write(_ name: String, _ text: String) {
        let descriptor = open(directory.file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    }

    private func fill() {
        write("secret", "the-first-webhook-secret")
        write("tokens", "app:the-first-token-of-the-app\nother:the-other-token-of-it")
        write("configuration", "webhook:\n  secretCurrentFile: \(directory.file("secret"))\nlog:\n  level: info\n")
    }

    private func reloader(_ applied: Applied, _ log: LogCapture) throws -> ConfigurationReloader {
        let environment = ["CHARGEFOLD_API_TOKENS_FILE": directory.file("tokens")]
        let path = directory.file("configuration")
        let read: ConfigurationReloader.Read = { () throws(ConfigurationError) in
            try ReceiverConfiguration.load(path: path, environment: environment, use: .server, defaultPath: nil)
        }
        return ConfigurationReloader(try read(), applied.target, logger: log.logger(), read: read)
    }

    @Test func `a changed file counts at the next look, and no look changes anything without one`() async throws {
        fill()
        let (applied, log) = (Applied(), LogCapture(in: directory))
        let reloader = try reloader(applied, log)
        await reloader.look()
        #expect(applied.credentials.withLock { $0.isEmpty })
        write("secret", "the-second-webhook-secret")
        await reloader.look()
        await reloader.look()
        #expect(applied.credentials.withLock { $0.map(\.secret) } == ["the-second-webhook-secret"])
        #expect(log.lines("the configuration was read again").map { $0.string("changed") } == ["webhook.secretCurrent"])
    }

    @Test func `tokens that are gone or are others have ended, those that stay have not`() async throws {
        fill()
        let (applied, log) = (Applied(), LogCapture(in: directory))
        let reloader = try reloader(applied, log)
        write("tokens", "app:the-second-token-of-the-app\nother:the-other-token-of-it\nmore:one-more-token-of-ours")
        await reloader.look()
        write("tokens", "app:the-second-token-of-the-app:act")
        await reloader.look()
        #expect(applied.credentials.withLock { $0.map(\.ended) } == [["app"], ["app", "more", "other"]])
        #expect(applied.credentials.withLock { $0.last?.tokens } == ["app"])
    }

    @Test func `an error keeps everything, and is told once`() async throws {
        fill()
        let (applied, log) = (Applied(), LogCapture(in: directory))
        let reloader = try reloader(applied, log)
        write("secret", "the-second-webhook-secret")
        write("tokens", "app:with a space")
        await reloader.look()
        await reloader.look()
        #expect(applied.credentials.withLock { $0.isEmpty })
        let lines = log.lines("the configuration is wrong, and everything stays as it was")
        #expect(lines.count == 1)
        #expect(lines.first?.string("level") == "error")
        #expect(applied.isSuccessful.withLock { $0 } == false)
        write("tokens", "app:put-right-again-at-last")
        await reloader.look()
        #expect(applied.credentials.withLock { $0.map(\.secret) } == ["the-second-webhook-secret"])
    }

    @Test func `the log's level counts, and what needs a restart is named`() async throws {
        fill()
        let (applied, log) = (Applied(), LogCapture(in: directory))
        let reloader = try reloader(applied, log)
        write(
            "configuration",
            "webhook:\n  secretCurrentFile: \(directory.file("secret"))\nlog:\n  level: debug\nhttp:\n  port: 9\n")
        await reloader.reload(because: "a test")
        #expect(applied.level.withLock { $0 } == .debug)
        #expect(applied.isSuccessful.withLock { $0 } == true)
        #expect(applied.credentials.withLock { $0.isEmpty })
        let line = try #require(log.lines("the configuration was read again").first)
        #expect(line.string("changed") == "log.level")
        #expect(line.string("needRestart") == "http.port")
    }

    @Test func `a secret that is wrong here is told, until callbacks are let in`() throws {
        try withApplication({ $0.api.adminToken = try Callback.key("token-of-an-operator") }) { server throws in
            func use() throws -> CanonicalJSON {
                try #require(try server.get("/v1/secrets", token: "token-of-an-operator").json)
            }
            #expect(try use().member("wrong")?.bool == false)
            for id in ["a", "b"] {
                let answer = try server.post(Callback.body("SESSION_STARTED", id), secret: "a-secret-of-another-time")
                #expect(answer.status == 403)
            }
            #expect(try use().member("wrong")?.bool == true)
            #expect(try use().member("refused")?.member("callbacks")?.integer == 2)
            #expect(try use().member("refused")?.string("lastRefusedAt") != nil)
            _ = try server.post(Callback.body("SESSION_STARTED", "c"))
            #expect(try use().member("wrong")?.bool == false)
        }
    }

    @Test func `a stranger beside callbacks that a header alone verifies is no wrong secret`() throws {
        let clock = TestClock()
        try withApplication(
            clock: { clock.now },
            { configuration in
                configuration.webhook.secretCurrent = nil
                configuration.webhook.authorizationHeaders = [
                    NamedSecret(name: "X-Callback-Key", value: try Callback.key("the-agreed-value"))
                ]
                configuration.api.adminToken = try Callback.key("token-of-an-operator")
            }
        ) { server throws in
            func post(_ id: String, _ value: String) throws -> Int {
                clock.advance(seconds: 1)
                let body = Callback.body("SESSION_STARTED", id)
                return try server.post(body, secret: nil, fields: [(name: "X-Callback-Key", value: value)]).status
            }
            func isWrong() throws -> Bool? {
                try server.get("/v1/secrets", token: "token-of-an-operator").json?.member("wrong")?.bool
            }
            #expect(try post("a", "the-agreed-value") == 200 && isWrong() == false)
            #expect(try post("b", "of-a-stranger-s-own") == 403 && isWrong() == true)
            #expect(try post("c", "the-agreed-value") == 200 && isWrong() == false)
        }
    }

    @Test func `which secret verifies is counted and told`() throws {
        let clock = TestClock()
        try withApplication(
            clock: { clock.now },
            { configuration in
                configuration.webhook.secretNext = try Callback.key("the-next-webhook-secret")
                configuration.api.adminToken = try Callback.key("token-of-an-operator")
            }
        ) { server throws in
            func rotation() throws -> String? {
                try server.get("/v1/secrets", token: "token-of-an-operator").json?.string("rotation")
            }
            #expect(try rotation() == "waiting")
            _ = try server.post(Callback.body("SESSION_STARTED", "a"))
            _ = try server.post(Callback.body("SESSION_STARTED", "b"))
            #expect(try rotation() == "waiting")
            _ = try server.post(Callback.body("SESSION_STARTED", "c"), secret: "the-next-webhook-secret")
            let metrics = String(decoding: try server.get("/metrics").body, as: UTF8.self)
            #expect(metrics.contains("chargefold_callbacks_verified_total{secret=\"current\"} 2\n"))
            #expect(metrics.contains("chargefold_callbacks_verified_total{secret=\"next\"} 1\n"))
            let lines = server.log.lines("callbacks are signed with a secret that was not seen before")
            #expect(lines.map { $0.string("secret") } == ["CURRENT", "NEXT"])

            // One callback under NEXT is not all of them.
            func report(_ id: String, after seconds: Int64, secret: String) throws {
                clock.advance(seconds: seconds)
                _ = try server.post(Callback.body("SESSION_STARTED", id), secret: secret)
            }
            #expect(try rotation() == "waiting")
            try report("d", after: 599, secret: "the-next-webhook-secret")
            #expect(try rotation() == "waiting")
            try report("e", after: 1, secret: "the-next-webhook-secret")
            #expect(try rotation() == "through")

            // Reading the configuration again forgets nothing of secrets that stay.
            func reload(_ current: String, _ next: String?) throws {
                let webhook = try testConfiguration(TestDirectory()) {
                    $0.webhook.secretCurrent = try Callback.key(current)
                    $0.webhook.secretNext = try next.map { try Callback.key($0) }
                }.webhook
                let access = server.features.credentials.now.access
                server.features.replaceCredentials(
                    Credentials(authenticator: webhook.authenticator, access: access), ended: [])
            }
            try reload(Callback.secret, "the-next-webhook-secret")
            #expect(try rotation() == "through")
            let last = server.features.secretUse.next.lastMicroseconds
            try reload("the-next-webhook-secret", nil)
            #expect(try rotation() == "none")
            #expect(server.features.secretUse.current.lastMicroseconds == last)
            #expect(server.features.secretUse.next.lastMicroseconds == nil)
        }
    }
}
