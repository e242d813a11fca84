import ArgumentParser
import Base
import Glibc
import Receiver
import SessionIndex
import SessionModel
import SessionStore

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy everything that cannot be made again to a new directory, and verify the copy.",
        discussion: """
            Beside a running server (which writes it, as its own user and seen from its own file system), or without one. \
            Callbacks are taken meanwhile; erasures wait. The directory must not be there yet. Exit status 1 where the \
            log was damaged already: the backup is kept then, too.

            EXAMPLE
              chargefold backup /backups/chargefold-2026-11-27
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: ArgumentHelp("The directory to make.", valueName: "directory"))
    var directory: String

    func run() throws {
        let target = try Self.absolute(directory)
        let manifest: BackupManifest
        switch try DataDirectory.open(options.load(for: .tool).configuration, readOnly: false) {
        case .server(let control): manifest = try Self.ask(control, target)
        case .files(let store):
            defer { store.close() }
            let bar = ProgressBar()
            let backup = Backup(
                version: Version.current, createdAt: SystemClock.now().rfc3339, furtherFiles: [SealKeyFile.name]
            ) { bar.show($0, done: $1, total: $2) }
            do throws(StoreError) {
                manifest = try store.backUp(to: target, backup)
                bar.clear()
            } catch {
                bar.clear()
                throw failure("\(error)")
            }
        }
        let bytes = manifest.files.reduce(0) { $0 + $1.summary.bytes }
        print("\(manifest.deliveries) deliveries, \(bytes) bytes in \(manifest.files.count) files, verified: \(target)")
        guard manifest.damagedFiles.isEmpty else {
            throw failure("the log was damaged before: \(manifest.damagedFiles.joined(separator: ", "))")
        }
    }

    private static func ask(_ control: ControlSocket, _ target: String) throws -> BackupManifest {
        var writer = JSONWriter(capacity: 64 + target.utf8.count)
        writer.beginObject()
        writer.field("directory", target)
        writer.endObject()
        _ = try control.send("POST", "/v1/backup", body: writer.bytes)
        do throws(StoreError) {
            return try BackupManifest.read(from: target)
        } catch {
            throw failure("the server has made the backup, but it can't be read from here: \(error)")
        }
    }

    /// The server may have another working directory.
    private static func absolute(_ path: String) throws -> String {
        if path.hasPrefix("/") { return path }
        guard let current = getcwd(nil, 0) else { throw failure("there is no working directory") }
        defer { free(current) }
        return FileSystem.join(String(cString: current), path)
    }
}
