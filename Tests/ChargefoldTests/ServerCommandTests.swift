import Base
import Glibc
import SessionModel
import Testing

@Suite struct ServerCommandTests {
    /// A started session of `user1`.
    private func start(_ id: String, _ command: Command, _ server: Server) throws {
        let body =
            #"{"event":"SESSION_STARTED","payload":{"sessionId":"\#(id)","userId":"user1","timestamp":"2025-06-12T10:00:00Z"}}"#
        try command.succeed(["replay", "-", "--to", server.url, "--quiet"], input: Array(body.utf8))
    }

    /// The ids of a list of sessions.
    private func ids(_ outcome: Command.Outcome) throws -> [String] {
        let sessions = try CanonicalJSON(parsing: outcome.output).member("sessions")?.elements ?? []
        return sessions.compactMap { $0.string("sessionId") }
    }

    @Test func `sessions lists everybody's where no condition is given`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            try start("S1", command, server)
            try start("S2", command, server)
            #expect(Set(try ids(command.succeed(["sessions"]))) == ["S1", "S2"])
            #expect(try ids(command.succeed(["sessions", "--limit", "1"])).count == 1)
            #expect(try ids(command.succeed(["sessions", "--user", "nobody"])).isEmpty)
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `secrets are shown to people, and with --json to programs, in a line`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            #expect(try command.succeed(["secrets"]).text.hasPrefix("CURRENT: 0 callbacks verified"))
            let answer = try command.succeed(["secrets", "--json"]).output
            #expect(try lines(answer).count == 1 && CanonicalJSON(parsing: answer).string("rotation") == "none")
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test(arguments: [
        (["downtime", "--limit", "0"], "limit must be a whole number from 1 to 1000."),
        (["sessions", "--limit", "501"], "limit must be a whole number from 1 to 500."),
        (["sessions", "--status", "COMPLET"], "Did you mean COMPLETE?"),
        (["sessions", "--older-than", "long"], "olderThan must be a duration, such as 10m."),
    ]) func `what the server can't take is named`(words: [String], detail: String) throws {
        try withCommand { command throws in
            let server = try Server(command)
            let outcome = try command.run(words)
            #expect(outcome.status == 64 && outcome.errors.hasSuffix(detail + "\n"), "\(outcome.errors)")
            #expect(server.end(SIGTERM) == 0)
        }
    }
}
