import ArgumentParser
import HTTPClient
import Receiver
import WebhookSecurity

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Post event logs to a receiver, signed with the CURRENT secret, and sum up the answers.",
        discussion: """
            A line is the body of a session event, or a delivery written by `export`: session events and charge detail \
            records are posted, each to its webhook. What is no callback (requests of this service's clients, answers of \
            the Drive API) is counted as skipped; `import` takes that, too. The exit code is 0 when every callback was \
            accepted or known already.

            EXAMPLE
              chargefold replay Tests/Fixtures/normal.ndjson --to http://127.0.0.1:8080
              chargefold export | chargefold replay - --to https://staging.example \\
                --concurrency 16 --shuffle 1
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "NDJSON files, also compressed with gzip; - for standard input.")
    var files: [String]

    @Option(
        name: .long, help: "The receiver: http://…, https://… or unix:/path; a path is that of its session events.",
        transform: endpoint)
    var to = Endpoint(transport: .tcp(host: "127.0.0.1", port: 8080))

    @Option(name: .long, help: "Requests under way at once, each on its own connection.")
    var concurrency = 8

    @Option(name: .long, help: "Events a second at most; without it as fast as they are answered.")
    var rate: Double?

    @Option(name: .long, help: "Send in a random order that this seed chooses (holds all events in memory).")
    var shuffle: UInt64?

    @Option(name: .customLong("repeat"), help: "Probability, 0 to 1, that an event is sent a second time.")
    var repeatProbability = 0.0

    @Option(name: .long, help: "A file to write the bodies to that were answered 200, one a line.")
    var acknowledged: String?

    @Flag(name: .long, help: "No progress bar.")
    var quiet = false

    func validate() throws {
        if files.isEmpty { throw ValidationError("name at least one file, or - for standard input") }
        if concurrency < 1 { throw ValidationError("--concurrency must be at least 1") }
        if let rate, rate <= 0 { throw ValidationError("--rate must be positive") }
        if !(0...1).contains(repeatProbability) { throw ValidationError("--repeat must be between 0 and 1") }
    }

    func run() throws {
        let configuration = try options.load(for: .tool).configuration
        do {
            let source = try ReplaySource(files, shuffleSeed: shuffle, repeatProbability: repeatProbability)
            let run = try ReplayRun(
                source: source, targets: ReplayTargets(to.target), webhook: configuration.webhook, rate: rate,
                acknowledgedPath: acknowledged, showsProgress: !quiet)
            let client = try LoadClient(to, connections: concurrency, delegate: run)
            do {
                try client.run()
            } catch {
                run.stopped(by: error)
            }
            try run.finish()
        } catch let error as HTTPClientError {
            throw failure("\(error)")
        }
    }
}
