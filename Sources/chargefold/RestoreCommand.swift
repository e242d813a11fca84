import ArgumentParser
import Base
import Logging
import Receiver
import SessionIndex
import SessionStore

struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Make the data directory out of a backup, and verify it.",
        discussion: """
            The configured data directory must be empty or absent; where anything goes wrong it is so again. Never run the \
            restored copy and its original at the same time.

            EXAMPLE
              chargefold restore /backups/chargefold-2026-11-27 \\
                --data-directory /var/lib/chargefold
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: ArgumentHelp("What `chargefold backup` has made.", valueName: "directory"))
    var directory: String

    func run() throws {
        let configuration = try options.load(for: .tool).configuration
        let target = configuration.data.directory
        let bar = ProgressBar()
        let manifest: BackupManifest
        do {
            manifest = try Backup.restore(from: directory, to: target) { bar.show($0, done: $1, total: $2) }
            bar.show("folding", done: 0, total: 0)
            try Self.makeRows(configuration)
            bar.clear()
        } catch {
            bar.clear()
            throw failure("\(error)")
        }
        print("\(manifest.deliveries) deliveries of \(manifest.createdAt), verified: \(target)")
        print("what came after the backup is not in it: chargefold backfill asks upstream")
        guard manifest.damagedFiles.isEmpty else {
            throw failure(
                "the log was damaged when the backup was made: \(manifest.damagedFiles.joined(separator: ", "))")
        }
    }

    /// So that the next start, and every tool, finds them.
    private static func makeRows(_ configuration: ReceiverConfiguration) throws(StoreError) {
        var options = configuration.storeOptions
        options.makesDirectory = false
        options.index.tailBeforeOpeningMax = .max
        let store = try DiskSessionStore(
            directory: configuration.data.directory, options: options,
            logger: Logger(label: "chargefold") { _ in SwiftLogNoOpLogHandler() })
        defer { store.close() }
        try store.flush()
    }
}
