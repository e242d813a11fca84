import ArgumentParser
import Base
import Glibc

/// The command line: one file a subcommand.
@main
struct Chargefold: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chargefold",
        abstract: "Receives charging session events, durably, and tells the current state of every session.",
        discussion: """
            Start with `chargefold serve`. Every subcommand explains itself and shows an example:
              chargefold help serve
            """,
        version: "chargefold \(Version.current)",
        subcommands: [
            ServeCommand.self, SignCommand.self, ReplayCommand.self, ExportCommand.self, GenerateCommand.self,
            CheckCommand.self, BackupCommand.self, RestoreCommand.self, ImportCommand.self, QuarantineCommand.self,
            HealthcheckCommand.self, BackfillCommand.self,
            SandboxCommand.self,
        ]
    )

    static func main() {
        // Before anything opens a file. Nobody could be told that it has failed.
        guard StandardDescriptors.fill() else { _exit(systemErrorExitCode) }
        // What is written here tells of people: for this user only, whichever subcommand writes it.
        umask(0o077)
        main(nil)
    }
}

enum Version {
    /// The release, as in CHANGELOG.md.
    static let current = "0.1.0"
}
