import Glibc
import HTTPClient
import SessionModel
import Testing

@Suite struct QuarantineCommandTests {
    private let body = Array(
        #"{"event":"SESSION_STARTED","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:00:00Z"}}"#.utf8)

    /// The lines of an output, each as the named members.
    private func entries(_ outcome: Command.Outcome, _ names: [StaticString]) -> [String] {
        lines(outcome.output).map { line in
            let json = try? CanonicalJSON(parsing: line)
            return names.compactMap { json?.string($0) ?? json?.member($0)?.text }.joined(separator: " ")
        }
    }

    /// Posts what can't be taken: a verified `{}`, and the body under another secret.
    private func fill(_ command: Command, _ server: Server) throws {
        #expect(try command.run(["replay", "-", "--to", server.url], input: Array("{}".utf8)).status == 1)
        let other = ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "quite-another-secret"]
        #expect(try command.run(["replay", "-", "--to", server.url], input: body, environment: other).status == 1)
    }

    @Test(arguments: [true, false]) func `list, show, retry and drop, with a server and without`(isRunning: Bool) throws
    {
        try withCommand { command throws in
            let server = try Server(command)
            try fill(command, server)
            if !isRunning { #expect(server.end(SIGTERM) == 0) }
            defer { if isRunning { _ = server.end(SIGTERM) } }

            let list = try command.succeed(["quarantine", "list"])
            #expect(
                entries(list, ["id", "kind", "reason", "bodyBytes"]) == [
                    "1 verified MISSING_EVENT 2", "2 unverified SIGNATURE_MISMATCH \(body.count)",
                ])
            #expect(!list.text.contains("SESSION_STARTED"))
            let shown = try command.succeed(["quarantine", "show", "2"])
            #expect(entries(shown, ["id", "body"]) == ["2 " + String(decoding: body, as: UTF8.self)])
            let absent = try command.run(["quarantine", "show", "3"])
            #expect(absent.status == 1 && absent.errors == "chargefold: there is no entry 3\n", "\(absent.errors)")
            let retried = try command.run(["quarantine", "retry", "--all"])
            #expect(retried.status == 1)
            #expect(
                entries(retried, ["id", "outcome", "reason"]) == [
                    "1 refused MISSING_EVENT", "2 refused SIGNATURE_MISMATCH",
                ])
            let dropped = try command.run(["quarantine", "drop", "3", "1"])
            #expect(dropped.status == 1 && dropped.text == "1 dropped\n")
            #expect(dropped.errors == "chargefold: there is no entry 3\n", "\(dropped.errors)")
            #expect(entries(try command.succeed(["quarantine"]), ["id"]) == ["2"])
            #expect(try command.succeed(["quarantine", "drop", "--all"]).text == "1 dropped\n")
            #expect(try command.succeed(["quarantine", "list"]).output.isEmpty)
            #expect(try command.succeed(["quarantine", "drop", "--all"]).text == "0 dropped\n")
        }
    }

    @Test func `once the secret is right, what was refused is taken`() throws {
        try withCommand { command throws in
            do {
                let server = try Server(command)
                try fill(command, server)
                #expect(server.end(SIGTERM) == 0)
            }
            var right = command
            right.environment["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"] = "quite-another-secret"
            let retried = try right.run(["quarantine", "retry", "2", "7"])
            #expect(retried.status == 1)
            #expect(entries(retried, ["id", "outcome", "sessionId"]) == ["2 accepted S1", "7 unknown"])
            let server = try Server(right)
            #expect(try server.states(["S1"])["S1"]?.contains(#""sessionStatus":"STARTED""#) == true)
            #expect(entries(try right.succeed(["quarantine", "list"]), ["id"]) == ["1"])
            #expect(server.end(SIGTERM) == 0)
        }
    }
}
