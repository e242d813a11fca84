internal import Dispatch
internal import Logging
internal import SQLite
internal import Synchronization

/// Looks through a large file of rows for damage, once, behind the start: what SQLite would only notice when it comes upon
/// it, or not at all, such as an entry of an index that leads nowhere.
final class RowCheck: Sendable {
    private let queue = DispatchQueue(label: "chargefold.index.check", qos: .background)
    private let isCancelled = Atomic(false)

    init(path: String, logger: Logger, onDamage: @escaping @Sendable (String) -> Void) {
        queue.async { [self] in
            do throws(SQLiteError) {
                let database = try Database(path: path, mode: .readOnly)
                try database.execute(RowSchema.readerPragmas)
                database.setCancellation { self.isCancelled.load(ordering: .relaxed) }
                if let damage = try RowWriter.damage(of: database) { onDamage(damage) }
            } catch {
                if error.isCorruption {
                    onDamage("\(error)")
                } else if !error.isInterruption {
                    logger.warning("session rows cannot be looked through", metadata: ["reason": "\(error)"])
                }
            }
        }
    }

    /// Ends it. Blocks for a moment.
    func close() {
        isCancelled.store(true, ordering: .relaxed)
        queue.sync {}
    }
}
