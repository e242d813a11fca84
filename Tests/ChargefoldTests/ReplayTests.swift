import Compression
import Glibc
import HTTPClient
import SessionModel
import Testing

@Suite struct ReplayTests {
    /// The figures of a summary by their names.
    private func summary(_ text: String) -> [String: String] {
        var figures: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            figures[String(parts[0])] = String((parts.last ?? "").drop { $0 == " " })
        }
        return figures
    }

    @Test func `the summary counts every answer, and the exit code is 0 when all is well`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let log = try command.succeed(["generate", "--sessions", "20", "--repeated", "0"]).output
            let count = lines(log).count
            Workspace.write(log, to: command.directory.file("log.ndjson"))
            Workspace.write(try gzip(log), to: command.directory.file("log.ndjson.gz"))
            let first = summary(try command.succeed(["replay", "log.ndjson", "--to", server.url]).text)
            #expect(first["accepted"] == "\(count)")
            #expect(first["duplicate"] == "0")
            #expect(first["refused"] == "0")
            #expect(first["failed"] == "0")
            #expect(first["time"]?.hasSuffix(" events/s") == true)
            #expect(first["latency"]?.hasPrefix("p50 ") == true)
            #expect(first["latency"]?.contains(", p99 ") == true)
            #expect(first["latency"]?.contains(", max ") == true)

            let again = summary(
                try command.succeed(["replay", "log.ndjson.gz", "-", "--to", server.url, "--shuffle", "3"], input: log)
                    .text)
            #expect(again["accepted"] == "0")
            #expect(again["duplicate"] == "\(2 * count)")
            let every = summary(
                try command.succeed(["replay", "log.ndjson", "--to", server.url, "--repeat", "1"]).text)
            #expect(every["duplicate"] == "\(2 * count)")
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `what is refused is told by reason, with exit code 1`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let log = try command.succeed(["generate", "--sessions", "3"]).output
            let wrong = try command.run(
                ["replay", "-", "--to", server.url], input: log,
                environment: ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "quite-another-secret"])
            #expect(wrong.status == 1)
            let count = lines(log).count
            #expect(summary(wrong.text)["refused"] == "\(count) (403 SIGNATURE_MISMATCH: \(count))")
            let mixed = try command.run(
                ["replay", "-", "--to", server.url], input: Array("{}\nnonsense\n\n".utf8) + log + Array("{".utf8))
            #expect(mixed.status == 1)
            #expect(summary(mixed.text)["refused"] == "3 (400 INVALID_JSON: 2, 400 MISSING_EVENT: 1)")
            #expect(
                (Int(summary(mixed.text)["accepted"] ?? "") ?? 0) + (Int(summary(mixed.text)["duplicate"] ?? "") ?? 0)
                    == count)
            let missing = try command.run(["replay", "/nowhere.ndjson", "--to", server.url])
            #expect(missing.status == 1)
            #expect(missing.errors.contains("/nowhere.ndjson: No such file"))
            #expect(server.end(SIGTERM) == 0)
            let gone = try command.run(["replay", "-", "--to", server.url], input: log)
            #expect(gone.status == 1)
            #expect(gone.text.contains("\nstopped    "))
        }
    }

    @Test func `acknowledged bodies are written down`() throws {
        try withCommand { command throws in
            let server = try Server(command)
            let log = try command.succeed(["generate", "--sessions", "5", "--repeated", "0"]).output
            let outcome = try command.run(
                ["replay", "-", "--to", server.url, "--acknowledged", "acknowledged.ndjson"],
                input: Array("{}\n".utf8) + log)
            #expect(outcome.status == 1)
            let written = lines(Workspace.read(command.directory.file("acknowledged.ndjson")))
            #expect(Set(written) == Set(lines(log)))
            #expect(server.end(SIGTERM) == 0)
        }
    }

    @Test func `an exported log gives the same states in an empty server`() throws {
        try withCommand { command throws in
            let log = try command.succeed(["generate", "--sessions", "40", "--seed", "9", "--late", "0.3"]).output
            let ids = try sessionIds(log)
            let server = try Server(command)
            try command.succeed(["replay", "-", "--to", server.url, "--concurrency", "8"], input: log)
            let states = try server.states(ids)
            let beside = try command.succeed(["export"]).output
            let coded = try command.succeed(["export", "--gzip"]).output
            #expect(try gunzip(coded, decompressedBytesMax: 64 << 20) == beside)
            #expect(server.end(SIGTERM) == 0)
            let stopped = try command.succeed(["export"]).output
            #expect(stopped == beside, "the same with a server and without one")
            let records = lines(stopped)
            #expect(records.count == lines(log).count)
            #expect(
                try command.succeed(["export", "--from", "11"]).output == Array(
                    records[10...].joined(separator: [0x0A])) + [0x0A])

            var other = command
            other.environment["CHARGEFOLD_DATA_DIRECTORY"] = command.directory.file("empty")
            let empty = try Server(other)
            let replay = try command.succeed(
                ["replay", "-", "--to", empty.url, "--shuffle", "4", "--repeat", "0.3"], input: coded)
            #expect(replay.text.contains("refused    0\n"))
            #expect(try empty.states(ids) == states)
            #expect(empty.end(SIGTERM) == 0)
        }
    }

    @Test func `charge detail records are replayed to their own webhook, and what is no callback is counted`() throws {
        try withCommand { command throws in
            let record =
                #"{"requestId":"r1","sessionId":"S1","endTime":"2025-06-12T11:30:00Z","price":{"minorInclVat":95}}"#
            let server = try Server(command)
            let signed = try command.succeed(["sign"], input: Array(record.utf8)).text
            let fields = signed.split(separator: "\n").compactMap { line -> (name: String, value: String)? in
                let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingPrefix(" ") }
                return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
            }
            let answer = try server.connection.send(
                ClientRequest(method: "POST", target: "/webhooks/cdrs", fields: fields, body: Array(record.utf8)))
            #expect(answer.status == 200)
            let event = #"{"event":"SESSION_STARTED","payload":{"sessionId":"S1","timestamp":"2025-06-12T10:56:51Z"}}"#
            try command.succeed(["replay", "-", "--to", server.url], input: Array(event.utf8))
            let states = try server.states(["S1"])
            let records = try server.get("/v1/sessions/S1/cdr").body
            let log = try command.succeed(["export"]).output
            #expect(server.end(SIGTERM) == 0)

            var other = command
            other.environment["CHARGEFOLD_DATA_DIRECTORY"] = command.directory.file("empty")
            let empty = try Server(other)
            let own = #"{"position":9,"source":"client","body":"{}"}"#
            let replay = try command.succeed(["replay", "-", "--to", empty.url], input: log + Array(own.utf8))
            #expect(summary(replay.text)["accepted"] == "2")
            #expect(summary(replay.text)["skipped"]?.hasPrefix("1 (client: 1)") == true)
            #expect(try empty.states(["S1"]) == states)
            #expect(
                String(decoding: try empty.get("/v1/sessions/S1/cdr").body, as: UTF8.self).contains(record) == true
                    && String(decoding: records, as: UTF8.self).contains(record))
            // Nothing is known of where another path's records go.
            let elsewhere = try command.run(
                ["replay", "-", "--to", "http://127.0.0.1:9/other"], input: log)
            #expect(elsewhere.status == 1)
            #expect(empty.end(SIGTERM) == 0)
        }
    }

    @Test func `generated logs depend on the options alone`() throws {
        try withCommand { command throws in
            let options = ["generate", "--sessions", "50", "--seed", "7"]
            let log = try command.succeed(options).output
            #expect(try command.succeed(options).output == log)
            #expect(try command.succeed(["generate", "--sessions", "50", "--seed", "8"]).output != log)
            #expect(try command.succeed(["generate", "--sessions", "0"]).output.isEmpty)
            #expect(log.last == 0x0A)
            #expect(try sessionIds(log).count > 40)
            let whole = try command.succeed(options + ["--missing", "0", "--repeated", "0"]).output
            #expect(Set(lines(whole)).count == lines(whole).count)
        }
    }
}
