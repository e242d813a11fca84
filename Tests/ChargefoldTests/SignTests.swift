import Base
import Glibc
import HTTPClient
import SessionModel
import Testing

@Suite struct SignTests {
    /// With quotes that a shell would trip over.
    private let body = Array(
        #"{"event":"SESSION_STARTED","payload":{"sessionId":"S'1","timestamp":"2025-06-12T10:56:51Z","note":"it's $HOME `x` \\"}}"#
            .utf8)

    /// The headers that `sign` prints.
    private func headers(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: "\n").map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            return (String(parts[0]), String((parts.last ?? "").drop { $0 == " " }))
        }
    }

    @Test func `what it signs is verified`() throws {
        try withCommand { command throws in
            let server = try Server(command, environment: ["CHARGEFOLD_WEBHOOK_SECRET_NEXT": "the-next-secret-of-all"])
            func post(_ fields: [(name: String, value: String)]) throws -> Int {
                try server.connection.send(
                    ClientRequest(method: "POST", target: "/webhooks/session-events", fields: fields, body: body)
                ).status
            }
            let fromInput = headers(try command.succeed(["sign"], input: body).text)
            #expect(fromInput.map(\.name) == ["X-HMAC-SHA512-Signature", "X-HMAC-SHA512-SignedAt"])
            #expect(fromInput.last.flatMap { Instant(rfc3339: Array($0.value.utf8)) } != nil)
            #expect(try post(fromInput) == 200)
            Workspace.write(body, to: command.directory.file("body.json"))
            let fromFile = headers(try command.succeed(["sign", "body.json"]).text)
            #expect(fromFile.first?.value == fromInput.first?.value)
            let next = headers(
                try command.succeed(
                    ["sign", "--next"], input: body,
                    environment: ["CHARGEFOLD_WEBHOOK_SECRET_NEXT": "the-next-secret-of-all"]
                ).text)
            #expect(next.first?.value != fromInput.first?.value)
            #expect(try post(next) == 200)
            let longer = headers(try command.succeed(["sign"], input: body + [0x0A]).text)
            #expect(try post(longer) == 403, "every byte counts")
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `a known signature`() throws {
        try withCommand { command throws in
            // echo -n 'hello' | openssl dgst -sha512 -hmac key -binary | base64 -w0
            let known = "/warNnV3d4FcAI0yyOFKcFtOe/MQNRoGojthLcTHQz53V9IFJaVZO3ECDqLuFi0jEbJH6YVYYrJwEiQZZSwMkg=="
            let text = try command.succeed(
                ["sign"], input: Array("hello".utf8), environment: ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "key"]
            ).text
            #expect(headers(text).first?.value == known)
        }
    }

    @Test func `the curl command line is one that a shell takes apart rightly`() throws {
        try withCommand { command throws in
            let line = try command.succeed(["sign", "--curl", "--to", "http://localhost:1/it's/here"], input: body).text
            // A curl of our own writes its arguments down.
            let tools = command.directory.file("tools")
            mkdir(tools, 0o700)
            Workspace.write(
                "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\n' \"$word\"; done\n", to: tools + "/curl", mode: 0o700)
            let outcome = try command.run(
                ["-c", line], environment: ["PATH": tools + ":/usr/bin:/bin"], executable: "/bin/sh")
            #expect(outcome.status == 0)
            let words = outcome.text.split(separator: "\n").map(String.init)
            #expect(words.prefix(3) == ["--request", "POST", "http://localhost:1/it's/here"])
            #expect(words.contains("Content-Type: application/json"))
            #expect(words.suffix(2) == ["--data-binary", String(decoding: body, as: UTF8.self)])
            let signature = headers(try command.succeed(["sign"], input: body).text).first
            #expect(words.contains("X-HMAC-SHA512-Signature: \(signature?.value ?? "")"))
        }
    }

    @Test(.enabled(if: access("/usr/bin/curl", X_OK) == 0, "curl is not installed"))
    func `the curl command line posts the event`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let target = "http://localhost/webhooks/session-events"
            let line = try command.succeed(["sign", "--curl", "--to", target], input: body).text
            let socket = command.directory.file("http.sock")
            let outcome = try command.run(
                ["-c", line.replacing("curl ", with: "curl --silent --unix-socket '\(socket)' ", maxReplacements: 1)],
                executable: "/bin/sh")
            #expect(outcome.status == 0)
            #expect(
                outcome.text == #"{"outcome":"accepted","sessionId":"S'1","sessionStatus":"STARTED","version":1}"#)
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `without a secret it says which one is missing`() throws {
        try withCommand { command throws in
            var bare = command
            bare.environment["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"] = nil
            let outcome = try bare.run(["sign"], input: body)
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("CHARGEFOLD_WEBHOOK_SECRET_CURRENT"))
            #expect(try command.run(["sign", "--next"]).errors.contains("CHARGEFOLD_WEBHOOK_SECRET_NEXT"))
            #expect(try command.run(["sign", "/nowhere"]).status == 1)
            #expect(try command.run(["sign", "--curl"], input: [0xFF]).errors.contains("--data-binary @"))
        }
    }
}
