import ArgumentParser
import SessionModel

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract:
            "Write a realistic event log as NDJSON: all the ways a session can go, late, missing and repeated events.",
        discussion: """
            The same options give the same bytes. Memory stays bounded, however many sessions there are.

            EXAMPLE
              chargefold generate --sessions 1000 --seed 7 \\
                | chargefold replay - --to http://127.0.0.1:8080
            """
    )

    @Option(name: .long, help: "Number of sessions.")
    var sessions = 1000

    @Option(name: .long, help: "Another seed gives other sessions.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "Number of drivers.")
    var users = 10_000

    @Option(name: .long, help: "Share of events that arrive late, 0 to 1.")
    var late = 0.05

    @Option(name: .long, help: "Share of events that never arrive, 0 to 1.")
    var missing = 0.02

    @Option(name: .long, help: "Share of events that arrive twice, 0 to 1.")
    var repeated = 0.05

    func validate() throws {
        guard sessions >= 0, users > 0 else { throw ValidationError("--sessions and --users must be positive") }
        for (name, share) in [("--late", late), ("--missing", missing), ("--repeated", repeated)]
        where !(0...1).contains(share) {
            throw ValidationError("\(name) must be between 0 and 1")
        }
    }

    func run() throws {
        var options = GeneratorOptions()
        options.seed = seed
        options.sessions = sessions
        options.users = users
        options.lateShare = late
        options.missingShare = missing
        options.repeatShare = repeated
        let output = try StandardOutput(gzip: false)
        for delivery in HistoryGenerator(options) {
            guard output.write(delivery.body + [UInt8(ascii: "\n")]) else { break }
        }
        try output.finish()
    }
}
