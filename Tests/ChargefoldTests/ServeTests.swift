import Glibc
import HTTPClient
import Testing

@Suite struct ServeTests {
    @Test func `kill -9 loses nothing that was answered`() throws {
        try withCommand { command throws in
            let log = try command.succeed(["generate", "--sessions", "30", "--seed", "5"]).output
            let ids = try sessionIds(log)
            Workspace.write(log, to: command.directory.file("events.ndjson"))
            var before: [String: String] = [:]
            do {
                let server = try Server(command)
                let replay = try command.succeed(["replay", "events.ndjson", "--to", server.url, "--concurrency", "4"])
                #expect(replay.text.contains("refused    0\nfailed     0\n"))
                before = try server.states(ids)
                #expect(server.kill() == -SIGKILL)
            }
            #expect(before.count == ids.count)
            #expect(!before.values.contains("404"))
            let server = try Server(command)
            #expect(try server.states(ids) == before)
            #expect(server.end(SIGTERM) == 0)
            try command.succeed(["check"])
        }
    }

    @Test(arguments: [SIGTERM, SIGINT]) func `a polite signal ends it with 0`(signal: Int32) throws {
        try withCommand { command throws in
            let server = try Server(command)
            #expect(try server.get("/readyz").status == 200)
            #expect(server.end(signal) == 0)
            #expect(access(command.directory.file("http.sock"), F_OK) != 0)
        }
    }

    @Test func `a second server on the directory is told who has it`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let second = try command.run(
                ["serve"], environment: ["CHARGEFOLD_HTTP_UNIX_SOCKET": command.directory.file("other.sock")])
            #expect(second.status == 1)
            #expect(second.errors.contains("is in use by process"))
            #expect(second.errors.contains(command.directory.file("data")))
            #expect(try server.get("/healthz").status == 200)
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `an address that can't be listened on is told`() throws {
        try withCommand { command throws in
            let outcome = try command.run(
                ["serve"], environment: ["CHARGEFOLD_HTTP_UNIX_SOCKET": "/nowhere/at/all.sock"])
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("can't start"))
            #expect(outcome.errors.contains("/nowhere/at/all.sock"))
        }
    }

    @Test(arguments: [
        (["CHARGEFOLD_HTTP_PORT": "80000"], ["http.port", "0 to 65535"]),
        (["CHARGEFOLD_LOG_LEVEL": "loud"], ["log.level", "allowed"]),
        (["CHARGEFOLD_WEBHOOK_SECRT_CURRENT": "x"], ["CHARGEFOLD_WEBHOOK_SECRT_CURRENT", "did you mean"]),
        (["CHARGEFOLD_WEBHOOK_SECRET_CURRENT_FILE": "/nowhere"], ["webhook.secretCurrent"]),
        (["CHARGEFOLD_CONFIG": "/nowhere.yaml"], ["/nowhere.yaml"]),
    ]) func `a wrong configuration stops the start with the key's name`(
        extra: [String: String], expected: [String]
    ) throws {
        try withCommand { command throws in
            for arguments in [["serve"], ["serve", "--check-config"]] {
                let outcome = try command.run(arguments, environment: extra)
                #expect(outcome.status == 78)
                for text in expected { #expect(outcome.errors.contains(text), "\(outcome.errors)") }
                #expect(!outcome.errors.contains(Server.secret))
                #expect(outcome.output.isEmpty)
            }
            #expect(access(command.directory.file("data"), F_OK) != 0, "nothing was touched")
        }
    }

    @Test func `without verification it starts only when told in so many words`() throws {
        try withCommand { command throws in
            var open = command
            open.environment["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"] = nil
            let refused = try open.run(["serve"])
            #expect(refused.status == 78)
            #expect(refused.errors.contains("CHARGEFOLD_WEBHOOK_SECRET_CURRENT"))
            #expect(refused.errors.contains("webhook.allowUnverified"))
            open.environment["CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED"] = "true"
            let server = try Server(open)
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `--check-config shows what is in force, and no secrets`() throws {
        try withCommand { command throws in
            Workspace.write("http:\n  idleTimeoutSeconds: 33\n", to: command.directory.file("my.yaml"))
            let outcome = try command.succeed(["serve", "--check-config", "--config", "my.yaml"])
            #expect(outcome.text.contains("http.idleTimeoutSeconds: 33"))
            #expect(outcome.text.contains("my.yaml:2"))
            #expect(outcome.text.contains("webhook.secretCurrent: <secret of 18 bytes>"))
            for secret in [Server.secret, Server.token] { #expect(!(outcome.text + outcome.errors).contains(secret)) }
        }
    }

    @Test func `it says where its data is, wherever it was started`() throws {
        try withCommand { command throws in
            let server = try Server(command, environment: ["CHARGEFOLD_DATA_DIRECTORY": "./data"])
            #expect(server.startLog.contains(" data=\(command.directory.file("data")) "), "\(server.startLog)")
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `what this machine does not let it do is no problem of the configuration`() throws {
        try withCommand { command throws in
            Workspace.write("", to: command.directory.file("data"))
            let outcome = try command.run(["serve"])
            #expect(outcome.status == 1)
            #expect(outcome.errors.hasPrefix("chargefold: can't start, as this machine is now:\n  - data.directory"))
            let wrong = try command.run(["serve"], environment: ["CHARGEFOLD_HTTP_PORT": "x"])
            #expect(wrong.status == 78)
            #expect(wrong.errors.hasPrefix("chargefold: the configuration has a problem:\n  - http.port"))
        }
    }

    @Test func `healthcheck tells a running server from none`() throws {
        try withCommand { command throws in
            #expect(try command.run(["healthcheck"]).status == 1)
            let server = try Server(command)
            try command.succeed(["healthcheck"])
            try command.succeed(["healthcheck", "--ready", "--url", server.url])
            #expect(server.end(SIGTERM) == 0)
            let gone = try command.run(["healthcheck", "--ready"])
            #expect(gone.status == 1)
            #expect(gone.errors.hasPrefix("chargefold: "))
        }
    }

    @Test func `healthcheck is of the data directory's server and of no other`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            // By the control socket: nobody is where this configuration would let it listen.
            let elsewhere = ["CHARGEFOLD_HTTP_UNIX_SOCKET": command.directory.file("other.sock")]
            for words in [["healthcheck"], ["healthcheck", "--ready"]] {
                try command.succeed(words + ["--data-directory", "data"], environment: elsewhere)
                // Without the directory's name it is about where callbacks come in.
                #expect(try command.run(words, environment: elsewhere).status == 1)
            }
            // Another directory's server is none of those that run.
            let other = try command.run(["healthcheck", "--data-directory", command.directory.file("other")])
            #expect(other.status == 1 && other.errors.contains("none runs on"), "\(other.errors)")
            // Where it listens, whatever the directory.
            try command.succeed(
                ["healthcheck"], environment: ["CHARGEFOLD_DATA_DIRECTORY": command.directory.file("other")])
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test(arguments: [94, 95, 96, 120, 300]) func `a data directory's path may be long`(bytes: Int) throws {
        try withCommand { command throws in
            var command = command
            var path = command.directory.path
            // No name of a file has more than 255 bytes.
            while bytes - path.utf8.count > 200 {
                path += "/" + String(repeating: "p", count: 100)
                try #require(mkdir(path, 0o700) == 0)
            }
            path += "/" + String(repeating: "d", count: bytes - path.utf8.count - 1)
            command.environment["CHARGEFOLD_DATA_DIRECTORY"] = path
            let server = try Server(command)
            #expect(access(path + "/control.sock", F_OK) == 0)
            try command.succeed(["quarantine", "list"])
            #expect(server.end(SIGTERM) == 0)
            #expect(access(path + "/control.sock", F_OK) != 0)
        }
    }

    @Test func `started with its standard descriptors closed it opens no file in their place`() throws {
        try withCommand { command throws in
            let outcome = try command.run(
                ["-c", #"exec "$0" generate --sessions 1 0<&- 1>&- 2>&-"#, Command.path], executable: "/bin/sh")
            #expect(outcome.status == 0, "nobody reads it, and it does no harm")
            // /proc/self is the process that reads: `sign` opens the file that stands for its own standard error.
            let names = try command.run(
                ["-c", #"exec "$0" serve --check-config --config /proc/self/fd/2 0<&- 2>&-"#, Command.path],
                executable: "/bin/sh")
            #expect(names.status == 0, "an empty file: /dev/null")
        }
    }

    @Test func `--check-config and a start name what is in the way on this machine`() throws {
        try withCommand { command throws in
            let data = command.directory.file("data")
            func check(_ extra: [String: String], _ expected: String..., line: SourceLocation = #_sourceLocation) throws
            {
                for (arguments, status) in [(["serve", "--check-config"], Int32(78)), (["serve"], 1)] {
                    let outcome = try command.run(arguments, environment: extra)
                    #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: line)
                    for text in expected {
                        #expect(outcome.errors.contains(text), "\(outcome.errors)", sourceLocation: line)
                    }
                }
            }
            try check(["CHARGEFOLD_HTTP_HOST": "no-such-host.invalid"], "http.host", "has no address")
            try check(["CHARGEFOLD_HTTP_HOST": "192.0.2.1"], "http.host", "192.0.2.1")
            try check(
                ["CHARGEFOLD_HTTP_UNIX_SOCKET": command.directory.path], "http.unixSocket", "a directory is in the way")
            try check(
                ["CHARGEFOLD_DATA_DIRECTORY": data + "/further/down"], "data.directory", "make that directory first")
            try check(["CHARGEFOLD_DATA_DIRECTORY": "/dev/null"], "data.directory", "not a directory")
            try check(["CHARGEFOLD_DATA_DIRECTORY": "/dev/null/data"], "data.directory", "Not a directory")
            symlink("nowhere", data)
            try check([:], "data.directory", "leads nowhere")
            unlink(data)
            mkdir(data, 0o700)
            Workspace.write("", to: data + "/control.sock")
            try check([:], "data.directory", "control.sock", "a file that is no socket is in the way")
            unlink(data + "/control.sock")
            mkdir(data + "/control.sock", 0o700)
            try check([:], "control.sock", "a directory is in the way")
            rmdir(data + "/control.sock")
            try command.succeed(["serve", "--check-config"])
            #expect(access(data + "/lock", F_OK) != 0, "a check changes nothing")
        }
    }

    @Test func `files of a data directory that cannot be theirs are named`() throws {
        try withCommand { command throws in
            let data = command.directory.file("data")
            mkdir(data, 0o700)
            for name in ["lock", "ledger.sqlite", "sessions.sqlite"] {
                mkdir(data + "/" + name, 0o700)
                let outcome = try command.run(["serve", "--check-config"])
                #expect(outcome.status == 78 && outcome.errors.contains("\(name) is a directory"), "\(outcome.errors)")
                rmdir(data + "/" + name)
            }
            Workspace.write("", to: data + "/log")
            #expect(try command.run(["serve", "--check-config"]).errors.contains("log is no directory"))
            unlink(data + "/log")
            var long = command.directory.path
            while long.utf8.count < 600 {
                long += "/" + String(repeating: "p", count: 100)
                mkdir(long, 0o700)
            }
            let outcome = try command.run(
                ["serve", "--check-config"], environment: ["CHARGEFOLD_DATA_DIRECTORY": long])
            #expect(outcome.status == 78 && outcome.errors.contains("is longer by"), "\(outcome.errors)")
            let socket = command.directory.file(String(repeating: "s", count: 120))
            let named = try command.run(
                ["serve", "--check-config"], environment: ["CHARGEFOLD_HTTP_UNIX_SOCKET": socket])
            #expect(named.status == 78 && named.errors.contains("http.unixSocket"), "\(named.errors)")
        }
    }

    @Test func `a variable counts, whatever its value begins with`() throws {
        try withCommand { command throws in
            // Each makes one character of the sign before it.
            for first in ["\u{200D}", "\u{200C}", "\u{FE0F}", "\u{301}", "\u{E0061}"] {
                let secret = ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": first + "a-secret-for-the-tests"]
                let outcome = try command.succeed(["serve", "--check-config"], environment: secret)
                #expect(outcome.text.contains("webhook.secretCurrent: <secret of"))
                let port = ["CHARGEFOLD_HTTP_PORT": first + "9090"]
                #expect(try command.run(["serve", "--check-config"], environment: port).status == 78)
            }
            let script =
                #"export CHARGEFOLD_WEBHOOK_SECRET_CURRENT=$(printf 'a-secret-\351-for-the-tests'); exec "$0" "$@""#
            let outcome = try command.run(
                ["-c", script, Command.path, "serve", "--check-config"], executable: "/bin/sh")
            #expect(outcome.status == 78 && outcome.errors.contains("is not UTF-8 text"), "\(outcome.errors)")
        }
    }

    @Test func `a check beside a running server finds nothing in the way`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            try command.succeed(["serve", "--check-config"])
            #expect(server.end(SIGTERM) == 0)
        }
    }
}
