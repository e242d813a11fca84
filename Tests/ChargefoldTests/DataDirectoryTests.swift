import Base
import Glibc
import HTTPClient
import Testing

@Suite struct DataDirectoryTests {
    private func event(_ name: String, _ id: String, _ second: Int) -> String {
        #"{"event":"\#(name)","payload":{"sessionId":"\#(id)","userId":"u","timestamp":"2025-06-12T10:00:\#(second + 10)Z"}}"#
    }

    /// Some sessions with repeats and late events, in a log.
    private func withSessions(_ body: (Command) throws -> Void) throws {
        try withCommand { command throws in
            let server = try Server(command)
            let events = (0..<40).map {
                event(["SESSION_STARTED", "SESSION_STOPPED"][$0 % 2], "S\($0 % 7)", ($0 * 7) % 40)
            }
            try command.succeed(
                ["replay", "-", "--to", server.url, "--repeat", "0.3"],
                input: Array(events.joined(separator: "\n").utf8))
            #expect(server.end(SIGTERM) == 0)
            try body(command)
        }
    }

    /// The whole answer for each session.
    private func answers(_ command: Command) throws -> [String] {
        let server = try Server(command)
        defer { #expect(server.end(SIGTERM) == 0) }
        return try (0..<7).map {
            // How long a session has run depends on when it is asked.
            String(decoding: try server.get("/v1/sessions/S\($0)").body, as: UTF8.self)
                .replacing(/"duration":"[^"]*",/, with: "")
        }
    }

    @Test(arguments: [
        ["export"], ["check"], ["quarantine", "list"], ["backup", "copy"],
    ]) func `in the wrong place a tool says so and makes nothing`(words: [String]) throws {
        try withCommand { command throws in
            let outcome = try command.run(words)
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("there is no data directory at"))
            #expect(outcome.output.isEmpty)
            #expect(!FileSystem.exists(command.directory.file("data")))
            #expect(!FileSystem.exists(command.directory.file("copy")))
            // Nor in a directory of somebody else's.
            let elsewhere = command.directory.file("elsewhere")
            #expect(FileSystem.makeDirectory(elsewhere) == 0)
            #expect(try command.run(words + ["--data-directory", elsewhere]).status == 1)
            #expect(FileSystem.names(in: elsewhere).isEmpty)
        }
    }

    @Test func `who may not look into a data directory is told that, and not that there is none`() throws {
        try withSessions { command throws in
            let data = command.directory.file("data")
            let server = try Server(command)
            // Root may look everywhere: another user asks then.
            let isRoot = geteuid() == 0
            #expect(chmod(command.directory.path, 0o755) == 0 && chmod(data, isRoot ? 0o700 : 0) == 0)
            defer { chmod(data, 0o700) }
            let other = isRoot ? ["--reuid=65534", "--regid=65534", "--clear-groups", Command.path] : []
            for words in [
                ["export"], ["check"], ["quarantine"], ["backup", "/nowhere/copy"],
                ["session", "S1"], ["secrets"], ["healthcheck", "--data-directory", data],
            ] {
                let outcome = try command.run(other + words, executable: isRoot ? "/usr/bin/setpriv" : Command.path)
                #expect(outcome.status == 1 && outcome.output.isEmpty)
                #expect(
                    outcome.errors == "chargefold: \(data) cannot be read: Permission denied; run this as its owner\n",
                    "\(words): \(outcome.errors)")
            }
            #expect(chmod(data, 0o700) == 0)
            #expect(server.end(SIGTERM) == 0)
            // Nor is a log that cannot be read a lost one.
            #expect(chmod(data, 0o755) == 0 && chmod(data + "/log", isRoot ? 0o700 : 0) == 0)
            let outcome = try command.run(other + ["export"], executable: isRoot ? "/usr/bin/setpriv" : Command.path)
            #expect(chmod(data + "/log", 0o700) == 0)
            #expect(
                outcome.errors == "chargefold: \(data)/log cannot be read: Permission denied; run this as its owner\n",
                "\(outcome.errors)")
        }
    }

    @Test func `without a server it is said that there is none, and of no port`() throws {
        try withSessions { command throws in
            let data = command.directory.file("data")
            let gone = try command.run(["session", "S1"])
            #expect(gone.status == 1)
            #expect(gone.errors.hasPrefix("chargefold: the server can't be reached: none runs on \(data)"))
            _ = try Server(command).kill()
            // Its socket is still there.
            let killed = try command.run(["secrets"])
            #expect(killed.errors == "chargefold: the server can't be reached: none runs on \(data)\n")
            let path = command.directory.file("http.sock")
            let asked = try command.run(["healthcheck", "--url", "unix:" + path])
            #expect(asked.errors == "chargefold: unix:\(path): Connection refused\n", "\(asked.errors)")
        }
    }

    @Test func `what is exported and imported is the same, to the byte`() throws {
        try withSessions { command throws in
            let before = try answers(command)
            let exported = try command.succeed(["export"]).output
            Workspace.write(try command.succeed(["export", "--gzip"]).output, to: command.directory.file("log.gz"))
            let copy = ["--data-directory", command.directory.file("copy")]
            let count = lines(exported).count
            #expect(count > 40)
            #expect(
                try command.succeed(["import", "log.gz"] + copy).text
                    == "\(count) deliveries: \(command.directory.file("copy"))\n")
            var other = command
            other.environment["CHARGEFOLD_DATA_DIRECTORY"] = command.directory.file("copy")
            #expect(try answers(other) == before)
            #expect(try other.succeed(["check", "--quiet"]).text.isEmpty)
            // Once is enough.
            let again = try command.run(["import", "-"] + copy, input: exported)
            #expect(again.status == 1)
            #expect(again.errors.contains("is not empty"))
        }
    }

    @Test func `an import that fails leaves nothing behind`() throws {
        try withSessions { command throws in
            for input in ["", "\n"] {
                let empty = command.directory.file("of-nothing")
                let outcome = try command.run(["import", "-", "--data-directory", empty], input: Array(input.utf8))
                #expect(outcome.status == 1, "\(outcome.errors)")
                #expect(!FileSystem.exists(empty))
            }
            let exported = try command.succeed(["export"]).output
            let copy = command.directory.file("copy")
            let outcome = try command.run(
                ["import", "-", "--data-directory", copy], input: exported + Array("nonsense\n".utf8))
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("line \(lines(exported).count + 1) is no delivery"))
            #expect(!FileSystem.exists(copy))
        }
    }

    @Test func `a backup without a server, and its restoration`() throws {
        try withSessions { command throws in
            let before = try answers(command)
            try command.succeed(["backup", "copy"])
            #expect(try command.run(["backup", "copy"]).status == 1)
            #expect(try command.run(["restore", "copy"]).errors.contains("is not empty"))
            #expect(try command.run(["restore", "no-copy"]).errors.contains("there is no backup at no-copy"))
            #expect(try command.run(["restore", "data"]).errors.contains("data is no complete backup"))
            let restored = command.directory.file("restored")
            try command.succeed(["restore", "copy", "--data-directory", restored])
            var other = command
            other.environment["CHARGEFOLD_DATA_DIRECTORY"] = restored
            #expect(try answers(other) == before)
        }
    }

    @Test func `files are the owner's alone, whoever makes them`() throws {
        try withSessions { command throws in
            #expect(chmod(command.directory.file("data/sessions.sqlite"), 0o644) == 0)
            try command.succeed(["check", "--quiet"])
            try command.succeed(["quarantine", "list"])
            try command.succeed(["backup", "copy"])
            try command.succeed(["restore", "copy", "--data-directory", command.directory.file("restored")])
            for folder in ["data", "data/log", "copy", "copy/log", "restored", "restored/log"] {
                for name in FileSystem.names(in: command.directory.file(folder)) {
                    let path = command.directory.file(folder + "/" + name)
                    var status = stat()
                    #expect(stat(path, &status) == 0)
                    #expect(status.st_mode & 0o077 == 0, "\(path)")
                }
            }
        }
    }
}
