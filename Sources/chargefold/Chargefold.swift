import ArgumentParser

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
            CheckCommand.self, QuarantineCommand.self, HealthcheckCommand.self, BackfillCommand.self,
            SandboxCommand.self,
        ]
    )
}

enum Version {
    /// The release, as in CHANGELOG.md.
    static let current = "0.1.0"
}
