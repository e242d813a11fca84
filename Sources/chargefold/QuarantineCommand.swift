import ArgumentParser
import Receiver
import SessionStore

struct QuarantineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "Show callbacks that were refused but kept, feed them in again, or drop them.",
        discussion: """
            Works with a running server (through its control socket in the data directory) and without one.

            EXAMPLE
              chargefold quarantine list
              chargefold quarantine retry --all
              chargefold quarantine drop 17 18
            """,
        subcommands: [List.self, Show.self, Retry.self, Drop.self],
        defaultSubcommand: List.self
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the entries as NDJSON: id, kind, reason, time and size, without bodies.",
            discussion: "EXAMPLE\n  chargefold quarantine list")

        @OptionGroup var options: ConfigurationOptions

        func run() throws {
            try Quarantine(options).list()
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one entry with its body.", discussion: "EXAMPLE\n  chargefold quarantine show 17")

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The entry's id.") var id: Int64

        func run() throws {
            try Quarantine(options).show(id)
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check entries again with today's configuration, and feed those that pass into the log.",
            discussion: "EXAMPLE\n  chargefold quarantine retry --all")

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The entries' ids.") var ids: [Int64] = []
        @Flag(name: .long, help: "All entries.") var all = false

        func validate() throws {
            if ids.isEmpty != all { throw ValidationError("give ids, or --all") }
        }

        func run() throws {
            try Quarantine(options).retry(all ? nil : ids)
        }
    }

    struct Drop: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove entries for good.", discussion: "EXAMPLE\n  chargefold quarantine drop 17 18")

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The entries' ids.") var ids: [Int64] = []
        @Flag(name: .long, help: "All entries.") var all = false

        func validate() throws {
            if ids.isEmpty != all { throw ValidationError("give ids, or --all") }
        }

        func run() throws {
            try Quarantine(options).drop(all ? nil : ids)
        }
    }
}
