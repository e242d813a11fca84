internal import Base
import Glibc
internal import Logging
internal import SQLite
internal import Synchronization

/// Looks through a large file of rows for damage, once after a start: what SQLite would only notice when it comes upon it, or
/// not at all, such as an entry of an index that leads nowhere.
final class RowCheck: Sendable {
    /// What is written meanwhile stays in the write-ahead log, because this is a reader. Beyond that much it gives up for now.
    private static let walBytesMax: Int64 = 256 << 20
    /// From then to the next try.
    private static let againSeconds: UInt64 = 600

    private let path: String
    private let logger: Logger
    private let onDamage: @Sendable (String) -> Void
    private let isCancelled = Atomic(false)
    /// Held while the file is open.
    private let opening = Locked(())

    init(path: String, logger: Logger, onDamage: @escaping @Sendable (String) -> Void) {
        self.path = path
        self.logger = logger
        self.onDamage = onDamage
    }

    /// Blocks for minutes where there are many rows: for an `IdleThread`.
    func run() {
        while !opening.withLock({ _ in look() }) {
            let end = SystemClock.monotonicNanoseconds() + Self.againSeconds * 1_000_000_000
            while SystemClock.monotonicNanoseconds() < end {
                if isCancelled.load(ordering: .relaxed) { return }
                usleep(100_000)
            }
        }
    }

    /// Ends it. Blocks for a moment.
    func close() {
        isCancelled.store(true, ordering: .relaxed)
        opening.withLock { _ in }
    }

    /// - Returns: false where it has to be done again.
    private func look() -> Bool {
        guard !isCancelled.load(ordering: .relaxed) else { return true }
        do throws(SQLiteError) {
            let database = try Database(path: path, mode: .readOnly)
            defer { database.close() }
            try database.execute(RowSchema.readerPragmas)
            let pace = Locked(Pace())
            database.setCancellation { [self] in
                pace.withLock { $0.rest() }
                return isCancelled.load(ordering: .relaxed) || FileSystem.size(path + "-wal") > Self.walBytesMax
            }
            if let damage = try RowWriter.damage(of: database) { onDamage(damage) }
        } catch {
            if error.isInterruption { return isCancelled.load(ordering: .relaxed) }
            if error.isCorruption {
                onDamage("\(error)")
            } else {
                logger.warning("session rows cannot be looked through", metadata: ["reason": "\(error)"])
            }
        }
        return true
    }
}
