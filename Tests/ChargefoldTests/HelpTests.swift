import Testing

@Suite struct HelpTests {
    static let subcommands = [
        ["serve"], ["sign"], ["replay"], ["export"], ["generate"], ["check"], ["backup"], ["restore"], ["import"],
        ["session"], ["sessions"],
        ["user"], ["token"], ["downtime"], ["secrets"], ["check-proxy"],
        ["healthcheck"], ["quarantine"],
        ["receivers"], ["backfill"], ["sandbox"],
        ["quarantine", "list"], ["quarantine", "show"], ["quarantine", "retry"], ["quarantine", "drop"],
    ]

    @Test(arguments: subcommands) func `each subcommand explains itself with an example`(words: [String]) throws {
        try withCommand { command throws in
            let outcome = try command.succeed(words + ["--help"])
            #expect(outcome.text.contains("USAGE: chargefold " + words.joined(separator: " ")))
            #expect(outcome.text.contains("EXAMPLE\n"))
            #expect(outcome.text.contains("chargefold " + words.joined(separator: " ")))
            #expect(outcome.errors.isEmpty)
        }
    }

    @Test(arguments: subcommands) func `an example can be copied from a terminal, and paragraphs fill it`(
        words: [String]
    ) throws {
        try withCommand { command throws in
            // What stands before the usage, which is one line whatever the width.
            func overview(columns: Int) throws -> [Substring] {
                let text = try command.succeed(words + ["--help"], environment: ["COLUMNS": "\(columns)"]).text
                return text.split(separator: "\n", omittingEmptySubsequences: false).prefix { !$0.hasPrefix("USAGE:") }
            }
            let (narrow, wide) = (try overview(columns: 80), try overview(columns: 2_000))
            #expect(narrow.drop { $0 != "EXAMPLE" } == wide.drop { $0 != "EXAMPLE" })
            for (line, next) in zip(wide, wide.dropFirst()) where line != "EXAMPLE" {
                #expect(line.isEmpty || next.isEmpty || next.hasPrefix("  "), "\(line)\n\(next)")
            }
        }
    }

    @Test func `the command itself names them all`() throws {
        try withCommand { command throws in
            let help = try command.succeed(["--help"]).text
            for words in Self.subcommands where words.count == 1 { #expect(help.contains("\n  " + words.joined())) }
            #expect(try command.succeed([]).text == help)
            #expect(try command.succeed(["--version"]).text.hasPrefix("chargefold 0."))
        }
    }

    @Test(arguments: [
        ["fly"], ["serve", "--fast"], ["replay"], ["replay", "x", "--concurrency", "0"],
        ["replay", "x", "--rate", "0"],
        ["replay", "x", "--repeat", "2"], ["generate", "--late", "1.5"], ["generate", "--sessions", "-1"],
        ["export", "--from", "0"], ["quarantine", "retry"], ["quarantine", "drop", "1", "--all"],
        ["quarantine", "show"],
        ["quarantine", "drop", "x"],
        ["user", "u", "praise"], ["check-proxy"], ["check-proxy", "http://h", "--rate", "0"], ["check-proxy", "h"],
        ["healthcheck", "--url", "h"], ["replay", "x", "--to", "ftp://h"], ["sandbox", "--callback", "h"],
        ["sandbox", "--header", "x"], ["sandbox", "--chaos", "milde"],
    ]) func `what makes no sense is a usage error`(words: [String]) throws {
        try withCommand { command throws in
            let outcome = try command.run(words)
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains("Error:"))
            #expect(outcome.output.isEmpty)
        }
    }
}
