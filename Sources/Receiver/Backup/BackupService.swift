import Base
import Dispatch
import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// `POST /v1/backup {"directory":"/…"}` on the control socket, and nowhere else: whoever may ask has the right to the data
/// directory anyway. Answers when the backup is verified.
final class BackupService: Sendable {
    private let queue = DispatchQueue(label: "chargefold.backup", qos: .utility)
    private let store: DiskSessionStore
    private let logger: Logger
    private let clock: @Sendable () -> Instant

    init(store: DiskSessionStore, logger: Logger, clock: @escaping @Sendable () -> Instant) {
        self.store = store
        self.logger = logger
        self.clock = clock
    }

    func make(_ body: UnsafeRawBufferPointer, _ exchange: Exchange) {
        guard let target = (try? CanonicalJSON(parsing: body))?.string("directory"), target.hasPrefix("/") else {
            return exchange.respond(Response(.noBackupDirectory))
        }
        queue.async { [self] in
            let backup = Backup(
                version: Version.current, createdAt: clock().rfc3339, furtherFiles: [SealKeyFile.name])
            do throws(StoreError) {
                let manifest = try store.backUp(to: target, backup)
                logger.notice(
                    "a backup was made",
                    metadata: ["directory": "\(target)", "deliveries": "\(manifest.deliveries)"])
                exchange.respond(Response(json: #"{"outcome":"verified"}"#))
            } catch {
                // A place that will not do is whoever asks to mend.
                let isRefused = error.code == .directory
                logger.log(
                    level: isRefused ? .notice : .error, "a backup could not be made",
                    metadata: ["directory": "\(target)", "reason": "\(error)"])
                var problem: Problem = isRefused ? .backupRefused : .backupFailed
                problem.detail = "\(error)"
                exchange.respond(Response(problem))
            }
        }
    }
}

extension Problem {
    fileprivate static let backupRefused = Problem(409, "backup-refused", "A backup cannot be made there.")
    fileprivate static let backupFailed = Problem(500, "backup-failed", "The backup could not be made.")
    fileprivate static let noBackupDirectory = Problem(
        400, "no-backup-directory", "The body must be an object with the absolute path of a directory to make.")
}
