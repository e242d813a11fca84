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
            ServeCommand.self, HealthcheckCommand.self, SessionCommand.self, SessionsCommand.self, UserCommand.self,
            TokenCommand.self, DowntimeCommand.self, SecretsCommand.self, QuarantineCommand.self, BackfillCommand.self,
            ReceiversCommand.self, CheckProxyCommand.self,
            ExportCommand.self, ImportCommand.self, BackupCommand.self, RestoreCommand.self, CheckCommand.self,
            SignCommand.self, ReplayCommand.self, GenerateCommand.self, SandboxCommand.self,
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
