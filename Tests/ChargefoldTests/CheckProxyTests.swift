import Glibc
import Testing

@Suite struct CheckProxyTests {
    @Test func `probes are taken, and leave no trace`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let outcome = try command.succeed(["check-proxy", server.url, "--seconds", "0.3", "--rate", "50"])
            #expect(outcome.text.contains("\nlost       0\n"))
            #expect(!outcome.text.contains("taken      0\n"))
            #expect(try command.succeed(["export"]).output.isEmpty)
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `what is refused, or answered by nobody, would have been lost`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let refused = try command.run(
                ["check-proxy", server.url, "--seconds", "0.2"],
                environment: ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "quite-another-secret"])
            #expect(refused.status == 1)
            #expect(refused.text.hasPrefix("taken      0\n") && refused.text.contains("answered 403: "))
            #expect(refused.errors.contains("chargefold: probes were answered 403: the secret or the agreed headers"))
            #expect(server.end(SIGTERM) == 0)
            let gone = try command.run(["check-proxy", server.url, "--seconds", "0.2"])
            #expect(gone.status == 1)
            #expect(gone.text.contains("(connectionFailed: ") && gone.errors.contains("lost: connectionFailed"))
            #expect(!gone.errors.contains("the secret"))
            #expect(try command.run(["check-proxy", "ftp://h"]).status == 64)
        }
    }

    @Test func `without a secret nothing is sent`() throws {
        try withCommand { command throws in
            let outcome = try command.run(
                ["check-proxy", "http://127.0.0.1:1"], environment: ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": ""])
            #expect(outcome.status == 1 && outcome.output.isEmpty)
            #expect(outcome.errors.hasPrefix("chargefold: no secret to sign probes with"), "\(outcome.errors)")
        }
    }
}
