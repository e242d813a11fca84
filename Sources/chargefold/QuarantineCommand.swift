import ArgumentParser
import Base
import Receiver
import SessionIndex
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
            try BackgroundExecutor.wait { try await Quarantine(options).list() }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show one entry with its body.", discussion: "EXAMPLE\n  chargefold quarantine show 17")

        @OptionGroup var options: ConfigurationOptions
        @Argument(help: "The entry's id.") var id: Int64

        func run() throws {
            try BackgroundExecutor.wait { try await Quarantine(options).show(id) }
        }
    }

    struct Retry: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check entries again with today's configuration, and feed those that pass into the log.",
            discussion:
                "Exit status 1 where one of them is refused again, or is not there.\n\nEXAMPLE\n  chargefold quarantine retry --all"
        )

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var entries: EntryChoice

        func run() throws {
            try BackgroundExecutor.wait { try await Quarantine(options).retry(entries.ids) }
        }
    }

    struct Drop: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove entries for good.", discussion: "EXAMPLE\n  chargefold quarantine drop 17 18")

        @OptionGroup var options: ConfigurationOptions
        @OptionGroup var entries: EntryChoice

        func run() throws {
            try BackgroundExecutor.wait { try await Quarantine(options).drop(entries.ids) }
        }
    }
}

/// Some entries of the quarantine, or all.
struct EntryChoice: ParsableArguments {
    @Argument(help: ArgumentHelp("The entries' ids.", valueName: "ids")) private var given: [Int64] = []
    @Flag(name: .long, help: "All entries.") private var all = false

    /// nil: all.
    var ids: [Int64]? { all ? nil : given }

    func validate() throws {
        if given.isEmpty != all { throw ValidationError("give ids, or --all") }
    }
}
