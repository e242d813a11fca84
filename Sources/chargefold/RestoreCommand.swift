import ArgumentParser
import Base
import Receiver
import SessionStore

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make the data directory out of a backup, and verify it.",
        discussion: """
            The configured data directory must be empty or absent; where anything goes wrong it is so again. Never run the \
            restored copy and its original at the same time.

            EXAMPLE
              chargefold restore /backups/chargefold-2026-11-27 --data-directory /var/lib/chargefold
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: ArgumentHelp("What `chargefold backup` has made.", valueName: "directory"))
    var directory: String

    func run() throws {
        let target = try options.load(for: .tool).configuration.data.directory
        let bar = ProgressBar()
        let manifest: BackupManifest
        do {
            manifest = try Backup.restore(from: directory, to: target) { bar.show($0, done: $1, total: $2) }
            bar.clear()
        } catch {
            bar.clear()
            throw failure("\(error)")
        }
        print("\(manifest.deliveries) deliveries of \(manifest.createdAt), verified: \(target)")
        print("the session rows are made by the next start; what came after the backup: chargefold backfill")
        guard manifest.damagedFiles.isEmpty else {
            throw failure(
                "the log was damaged when the backup was made: \(manifest.damagedFiles.joined(separator: ", "))")
        }
    }
}
