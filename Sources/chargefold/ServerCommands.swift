import ArgumentParser
import Glibc
import Receiver
import SessionModel

/// A question to the running server through its control socket, without a token; its answer goes to standard output.
struct ServerQuestion {
    private let control: ControlSocket

    init(_ options: ConfigurationOptions) throws {
        control = ControlSocket(try options.load(for: .tool).configuration)
    }

    func ask(_ method: String, _ target: String, body: [UInt8] = []) throws -> [UInt8] {
        try control.send(method, target, body: body)
    }

    func show(_ method: String, _ target: String, body: [UInt8] = []) throws {
        let answer = try ask(method, target, body: body)
        if !answer.isEmpty { Self.show(answer) }
    }

    /// On a line of its own, as programs want it; laid out where a terminal shows it.
    static func show(_ json: [UInt8]) {
        print(String(decoding: isatty(STDOUT_FILENO) == 1 ? JSONLayout.indented(json) : json, as: UTF8.self))
    }

    /// A path's segment or a query's value: everything is encoded that is not unreserved (RFC 3986, section 2.3).
    static func encoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return encoded
    }

    /// The query of the parameters that are given.
    static func query(_ parameters: [(name: String, value: String?)]) -> String {
        let given = parameters.compactMap { name, value in value.map { "\(name)=\(encoded($0))" } }
        return given.isEmpty ? "" : "?" + given.joined(separator: "&")
    }
}

struct SessionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "session",
        abstract: "Show a session as the running server knows it.",
        discussion: """
            Through the control socket in the data directory: no token is needed.

            EXAMPLE
              chargefold session L60XMxWy0oP --facts
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The session's id.") var id: String

    @Flag(name: .long, help: "Show every fact, which one decided, and why.") var facts = false

    func run() throws {
        try ServerQuestion(options).show("GET", "/v1/sessions/" + ServerQuestion.encoded(id) + (facts ? "/facts" : ""))
    }
}

struct SessionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions",
        abstract: "List sessions by user, status, age and anomaly, as the running server knows them.",
        discussion: """
            Through the control socket in the data directory: no token is needed. Of several conditions all must hold; \
            without any it lists everybody's sessions, the latest first.

            EXAMPLE
              chargefold sessions --limit 10
              chargefold sessions --user user1
              chargefold sessions --status STOP_FAILED,WAITING_TO_STOP --older-than 10m
              chargefold sessions --anomaly STARTED_TOO_LONG
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "The user whose sessions are wanted.") var user: String?

    @Option(name: .long, help: "The anomaly that they have.") var anomaly: String?

    @Option(name: .long, help: "The status that they are in, or several, with commas between.") var status: String?

    @Option(name: .long, help: "How long the status has lasted at least: 30s, 10m, 2h.") var olderThan: String?

    @Option(name: .long, help: "Sessions at most.") var limit: Int?

    func run() throws {
        let query = ServerQuestion.query([
            ("userId", user), ("anomaly", anomaly), ("status", status), ("olderThan", olderThan),
            ("limit", limit.map(String.init)),
        ])
        try ServerQuestion(options).show("GET", "/v1/sessions" + query)
    }
}

struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user",
        abstract: "Erase a user.",
        discussion: """
            Through the control socket in the data directory: no token is needed.

            EXAMPLE
              chargefold user user1 erase
            """
    )

    enum Action: String, ExpressibleByArgument, CaseIterable {
        case erase
    }

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The user's id.") var id: String

    @Argument(help: "What to do: erase everything that is known of the user.") var action: Action

    func run() throws {
        switch action {
        case .erase: try ServerQuestion(options).show("DELETE", "/v1/users/" + ServerQuestion.encoded(id))
        }
    }
}

struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Mint a token that opens one user's sessions.",
        discussion: """
            Through the control socket in the data directory: no token is needed.

            EXAMPLE
              chargefold token user1 --scope read --seconds 600
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The user's id.") var user: String

    @Option(name: .long, help: "What it opens: act or read; act by default.") var scope: String?

    @Option(name: .long, help: "How long it is good, in seconds.") var seconds: Int?

    func run() throws {
        var writer = JSONWriter(capacity: 128)
        writer.beginObject()
        writer.field("userId", user)
        if let scope { writer.field("scope", scope) }
        if let seconds { writer.field("ttlSeconds", seconds) }
        writer.endObject()
        let answer = try ServerQuestion(options).ask("POST", "/v1/tokens", body: writer.bytes)
        guard let token = (try? CanonicalJSON(parsing: answer))?.string("token") else {
            throw failure("the server's answer can't be read")
        }
        print(token)
    }
}

struct DowntimeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "downtime",
        abstract: "Show when callbacks could not be accepted, and which sessions may have missed events.",
        discussion: """
            Through the control socket in the data directory: no token is needed.

            EXAMPLE
              chargefold downtime --limit 5
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "Downtimes at most, the newest first.") var limit: Int?

    func run() throws {
        try ServerQuestion(options).show(
            "GET", "/v1/downtime" + ServerQuestion.query([("limit", limit.map(String.init))]))
    }
}

struct SecretsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets",
        abstract: "Say which secret callbacks are signed with, and whether the old one can go.",
        discussion: """
            Through the control socket in the data directory: no token is needed. Nothing of the secrets is shown. Exit status 1 \
            where the newest callbacks are all refused.

            EXAMPLE
              chargefold secrets
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Flag(name: .long, help: "Print the server's answer as it is, for programs.") var json = false

    func run() throws {
        let answer = try ServerQuestion(options).ask("GET", "/v1/secrets")
        guard let use = try? CanonicalJSON(parsing: answer) else { throw failure("the server's answer can't be read") }
        if json { ServerQuestion.show(answer) } else { Self.describe(use) }
        if use.member("wrong")?.bool == true { throw ExitCode.failure }
    }

    private static func describe(_ use: CanonicalJSON) {
        for (name, key) in [("CURRENT", "current" as StaticString), ("NEXT", "next")] {
            guard let account = use.member(key), account.member("configured")?.bool == true else {
                print("\(name): not configured")
                continue
            }
            let last = account.string("lastVerifiedAt").map { ", the last one at \($0)" } ?? ""
            print("\(name): \(account.member("verified")?.text ?? "0") callbacks verified since the start\(last)")
        }
        let refused = use.member("refused")
        if let count = refused?.member("callbacks")?.integer, count > 0 {
            let last = refused?.string("lastRefusedAt").map { ", the last one at \($0)" } ?? ""
            print("refused: \(count) callbacks since the start were signed with no secret that is known here\(last)")
        }
        if use.member("wrong")?.bool == true {
            return print(
                """
                the newest callbacks are all refused: set the secret that they are signed with (or the value of the agreed \
                header), then: chargefold quarantine retry --all
                """)
        }
        switch use.string("rotation") {
        case "through":
            print(
                "callbacks have been signed with NEXT alone for ten minutes: make its text CURRENT, and drop the old one"
            )
        case "waiting":
            print("callbacks have not been signed with NEXT alone for ten minutes: keep both")
        default:
            print("no rotation is under way: keep CURRENT")
        }
    }
}
