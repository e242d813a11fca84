import ArgumentParser
import Receiver
import Replication
import SessionModel

struct ReceiversCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receivers",
        abstract: "Show the receivers that share the deliveries, or forget one whose disk is destroyed.",
        discussion: """
            Asks the database of the configuration (replication.url); a server need not run.

            EXAMPLE
              chargefold receivers
              chargefold receivers forget receiver-2
            """,
        subcommands: [List.self, Forget.self],
        defaultSubcommand: List.self
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List them as NDJSON: name, version, when each was seen, and what it has not shipped yet.",
            discussion: "EXAMPLE\n  chargefold receivers list")

        @OptionGroup var options: ConfigurationOptions

        func run() throws {
            for receiver in try SharedLogAccess(options).receivers() {
                print(String(decoding: receiver.json, as: UTF8.self))
            }
        }
    }

    struct Forget: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Declare that a receiver's disk is destroyed: nobody waits for it to erase any more.",
            discussion: "EXAMPLE\n  chargefold receivers forget receiver-2")

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The receiver's name.") var name: String

        func run() throws {
            guard try SharedLogAccess(options).forget(name) else { throw failure("no receiver has the name \(name)") }
            print("forgotten: \(name)")
        }
    }
}

/// The configured database. Everything throws an exit code, after the reason was printed.
private struct SharedLogAccess {
    private let tool: SharedLogTool

    init(_ options: ConfigurationOptions) throws {
        let configuration = try options.load(for: .tool).configuration
        let settings = try Self.say { () throws(PostgresError) in
            try configuration.sharedLogSettings(sealKey: nil)
        }
        guard let settings else {
            throw failure("no database is configured (replication.url, CHARGEFOLD_REPLICATION_URL)")
        }
        tool = try Self.say { () throws(PostgresError) in try SharedLogTool(settings) }
    }

    func receivers() throws -> [KnownReceiver] {
        try Self.say { () throws(PostgresError) in try tool.receivers() }
    }

    func forget(_ name: String) throws -> Bool {
        try Self.say { () throws(PostgresError) in try tool.forget(name) }
    }

    private static func say<Value>(_ work: () throws(PostgresError) -> Value) throws -> Value {
        do throws(PostgresError) { return try work() } catch { throw failure("the database: \(error)") }
    }
}
