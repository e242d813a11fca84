import ArgumentParser
import Base
import HTTPClient
import Sandbox
import WebhookSecurity

struct SandboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Run the Drive API's stage environment in a box: sessions to start and stop, and signed callbacks.",
        discussion: """
            Answers the Drive API's session calls below http://HOST:PORT/drive, and posts a callback for every event to \
            --callback. What can be switched on and looked at below /sandbox stands in docs/sandbox.md.

            Secrets come from the environment: CHARGEFOLD_SANDBOX_SECRET (CURRENT), CHARGEFOLD_SANDBOX_SECRET_NEXT, \
            CHARGEFOLD_SANDBOX_API_KEY.

            EXAMPLE
              CHARGEFOLD_SANDBOX_SECRET=my-webhook-secret chargefold sandbox --speed 60 \\
                --callback http://127.0.0.1:8080/webhooks/session-events
              curl -X POST http://127.0.0.1:8090/sandbox/sessions -d '{"type":"remote"}'
              curl http://127.0.0.1:8090/sandbox/sessions
            """
    )

    @Option(name: .long, help: "Address to listen on.")
    var host = "127.0.0.1"

    @Option(name: .long, help: "Port to listen on; 0 takes a free one.")
    var port: UInt16 = 8090

    @Option(name: .long, help: "Where Session Events are posted to; by default nowhere.", transform: endpoint)
    var callback: Endpoint?

    @Option(name: .long, help: "Where charge detail records are posted to; by default nowhere.", transform: endpoint)
    var cdrCallback: Endpoint?

    @Option(name: .long, help: "The CURRENT secret; better given as CHARGEFOLD_SANDBOX_SECRET.")
    var secret: String?

    @Option(name: .long, help: "An agreed header of every callback, as \"Name: value\"; may be repeated.")
    var header: [String] = []

    @Option(name: .long, help: "How much faster time goes; 0: only when moved by POST /sandbox/clock.")
    var speed = 1.0

    @Option(name: .long, help: "What timestamps are taken from: wall, or the faster sandbox clock.")
    var timestamps = SandboxClock.Stamps.wall

    @Option(name: .long, help: "Digits of a timestamp's fraction: 0 or 6. By default 0 up to speed 1, else 6.")
    var timestampDigits: Int?

    @Option(name: .long, help: "What goes wrong: none, mild, rough, or a file (YAML or JSON).")
    var chaos = "none"

    @Option(name: .long, help: "Another seed makes other sessions, and other mishaps.")
    var seed: UInt64 = 1

    @Option(name: .long, help: "Chargers besides the documented ones, for load.")
    var chargers = 0

    @Option(name: .long, help: "Seconds for which further starts at a connector are blocked.")
    var blockSeconds = 60.0

    @Flag(name: .long, help: "Refuse blocked starts with 409, in place of a session that FAILED.")
    var refuseBlocked = false

    @Option(name: .long, help: "Connections for callbacks; 1 keeps their order.")
    var callbackConnections = 4

    @Option(name: .long, help: "Seconds of the sandbox's clock until a charge detail record is sent again.")
    var cdrRetrySeconds = 86_400.0

    func validate() throws {
        guard (0...100_000).contains(speed) else { throw ValidationError("--speed must be from 0 to 100000") }
        guard [nil, 0, 6].contains(timestampDigits) else { throw ValidationError("--timestamp-digits must be 0 or 6") }
        guard (0...100_000).contains(chargers) else { throw ValidationError("--chargers must be from 0 to 100000") }
        guard (1...64).contains(callbackConnections) else {
            throw ValidationError("--callback-connections must be from 1 to 64")
        }
        guard (0...86_400).contains(blockSeconds) else {
            throw ValidationError("--block-seconds must be from 0 to 86400")
        }
        guard (1...604_800).contains(cdrRetrySeconds) else {
            throw ValidationError("--cdr-retry-seconds must be from 1 to 604800")
        }
        guard Chaos.presetNames.contains(chaos) || chaos == "-" || FileSystem.exists(chaos) else {
            let names = Chaos.presetNames.joined(separator: ", ")
            throw ValidationError("--chaos must be one of \(names), or a file: there is no file \(chaos)")
        }
        // Without the value: it may be a secret.
        guard header.allSatisfy({ Self.field($0) != nil }) else {
            throw ValidationError("--header must be \"Name: value\"")
        }
    }

    func run() throws {
        var options = try sandboxOptions()
        options.onRefusal = { status in
            let reason =
                switch status {
                case nil: "nobody answers there"
                case 401, 403: "answered \(status ?? 0): is CHARGEFOLD_SANDBOX_SECRET the receiver's CURRENT secret?"
                case let status?: "answered \(status)"
                }
            printToStandardError("callbacks are refused: \(reason)")
        }
        var signals = ProcessSignals()
        let output = try StandardOutput(gzip: false)
        let sandbox: Sandbox
        do {
            sandbox = Sandbox(options)
            for address in try sandbox.start() {
                let line =
                    "sandbox: http://\(address)\(options.basePath), seed \(seed), speed \(speed), chaos \(chaos)\n"
                output.write(Array(line.utf8))
            }
        } catch {
            throw failure("can't start: \(error)")
        }
        let signing = options.secret == nil ? ", not signed" : ""
        output.write(Array("callbacks: \(callback.map { "\($0)\($0.target)" } ?? "nowhere")\(signing)\n".utf8))
        try output.finish()
        _ = signals.wait()
        sandbox.stop()
    }

    private func sandboxOptions() throws -> SandboxOptions {
        let environment = Environment.variables
        var options = SandboxOptions()
        options.host = host
        options.port = port
        options.callback = callback
        options.detailRecordCallback = cdrCallback
        options.secret = (secret ?? environment["CHARGEFOLD_SANDBOX_SECRET"]).flatMap { SecretKey(utf8: $0) }
        options.nextSecret = environment["CHARGEFOLD_SANDBOX_SECRET_NEXT"].flatMap { SecretKey(utf8: $0) }
        options.apiKey = environment["CHARGEFOLD_SANDBOX_API_KEY"].flatMap { SecretKey(utf8: $0) }
        options.headers = header.compactMap(Self.field)
        options.callbackConnections = callbackConnections
        options.speed = speed
        options.stamps = timestamps
        options.world.seed = seed
        options.world.chaos = try loadChaos()
        options.world.furtherChargers = chargers
        options.world.blockSeconds = blockSeconds
        options.world.refusesBlockedStarts = refuseBlocked
        options.world.hasFraction = timestampDigits.map { $0 == 6 } ?? (speed > 1 || speed == 0)
        options.world.detailRecordRetrySeconds = cdrRetrySeconds
        return options
    }

    private static func field(_ text: String) -> (name: String, value: String)? {
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else { return nil }
        return (String(text[..<colon]), String(text[text.index(after: colon)...].drop { $0 == " " }))
    }

    private func loadChaos() throws -> Chaos {
        if let preset = Chaos.preset(chaos) { return preset }
        do {
            return try Chaos(yaml: InputFile.readAll(chaos))
        } catch let error as ChaosError {
            throw failure("\(chaos): \(error)", code: configurationExitCode)
        }
    }
}

extension SandboxClock.Stamps: ExpressibleByArgument {}
