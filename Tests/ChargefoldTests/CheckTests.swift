import CSQLite
import Glibc
import Testing

@Suite struct CheckTests {
    /// Runs SQL on the derived rows, behind the product's back.
    private func tamper(_ command: Command, _ sql: String) throws {
        var database: OpaquePointer?
        defer { sqlite3_close(database) }
        try #require(sqlite3_open(command.directory.file("data/sessions.sqlite"), &database) == SQLITE_OK)
        try #require(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK)
        try #require(sqlite3_changes(database) == 1)
    }

    private func withSessions(_ body: (Command) throws -> Void) throws {
        try withCommand { command throws in
            let server = try Server(command)
            let events = ["S1", "S2", "S3"].map { id in
                #"{"event":"SESSION_STARTED","payload":{"sessionId":"\#(id)","timestamp":"2025-06-12T10:00:00Z"}}"#
            }
            try command.succeed(
                ["replay", "-", "--to", server.url], input: Array(events.joined(separator: "\n").utf8))
            #expect(server.end(SIGTERM) == 0)
            try body(command)
        }
    }

    @Test func `rows as the log has them are fine`() throws {
        try withSessions { command throws in
            #expect(try command.succeed(["check"]).text == "3 deliveries, 3 sessions, 0 differ\n")
            #expect(try command.succeed(["check", "--quiet"]).text.isEmpty)
        }
    }

    @Test(arguments: [
        ("UPDATE sessions SET tie = 7 WHERE session_id = 'S2'", "different: S2"),
        ("UPDATE sessions SET record = x'00' WHERE session_id = 'S3'", "different: S3"),
        ("UPDATE sessions SET user_id = 'mallory' WHERE session_id = 'S1'", "different: S1"),
        ("DELETE FROM sessions WHERE session_id = 'S1'", "missing: S1"),
        ("UPDATE sessions SET session_id = 'S9' WHERE session_id = 'S1'", "surplus: S9"),
    ]) func `rows that were tampered with are found`(sql: String, expected: String) throws {
        try withSessions { command throws in
            try tamper(command, sql)
            let outcome = try command.run(["check"])
            #expect(outcome.status == 1)
            #expect(outcome.text.contains("\n" + expected + "\n"), "\(outcome.text)")
            // As its help says: without the rows, they are made again.
            for name in ["sessions.sqlite", "sessions.sqlite-wal", "sessions.sqlite-shm"] {
                unlink(command.directory.file("data/" + name))
            }
            #expect(try command.succeed(["check"]).text == "3 deliveries, 3 sessions, 0 differ\n")
        }
    }

    @Test func `it wants the directory to itself`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let outcome = try command.run(["check"])
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("stop it first"))
            #expect(server.end(SIGTERM) == 0)
        }
    }
}
