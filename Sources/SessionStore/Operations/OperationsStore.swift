package import Base
internal import Dispatch
internal import Glibc
package import Logging
internal import SQLite

/// The receiver's own small tables: heartbeat and downtimes, claimed idempotency keys, connectors that cool down.
///
/// Calls that end in a completion return at once; the others block, and are not for an event loop.
/// `@unchecked Sendable`: the connection and what is prepared on it belong to `queue`.
package final class OperationsStore: @unchecked Sendable {
    let queue = DispatchQueue(label: "chargefold.store.operations", qos: .utility)
    private var database: Database
    private let logger: Logger
    /// Where a damaged file is moved to.
    let damagedPath: String
    private var isClosed = false

    /// Opens `operations.sqlite` in the data directory, which the caller must own already. A damaged file is moved aside
    /// and made anew: nothing in it is needed to take events.
    ///
    /// - Throws: `newerSchema` where another release wrote the file, `unavailable` where it can't be opened.
    package init(directory: String, logger: Logger) throws(StoreError) {
        let path = StoreParts.join(directory, OperationsSchema.fileName)
        damagedPath = path + ".damaged"
        self.logger = logger
        do {
            database = try Self.open(path)
        } catch {
            guard case .sqlite(let failure) = error, failure.isCorruption else { throw error.storeError(path) }
            let aside = damagedPath
            logger.critical(
                "the table of downtimes and idempotency keys is damaged and was moved aside",
                metadata: ["file": "\(aside)"])
            rename(path, aside)
            for suffix in ["-wal", "-shm"] { FileSystem.remove(path + suffix) }
            do { database = try Self.open(path) } catch { throw error.storeError(path) }
        }
        database.confine(to: queue)
    }

    private static func open(_ path: String) throws(SchemaError) -> Database {
        let database: Database
        do throws(SQLiteError) {
            database = try Database(path: path, mode: .readWriteCreate)
            try database.execute("PRAGMA journal_mode")
        } catch {
            throw .sqlite(error)
        }
        _ = try OperationsSchema.schema.verify(database)
        do throws(SQLiteError) { try database.execute(OperationsSchema.pragmas) } catch { throw .sqlite(error) }
        try OperationsSchema.schema.migrate(database)
        return database
    }

    /// Runs `body` on the connection. Blocks.
    func run<Value>(_ body: (Database) throws(SQLiteError) -> Value) throws(StoreError) -> Value {
        let result = queue.sync { Result { () throws(StoreError) in try perform(body) } }
        return try result.get()
    }

    /// The same without waiting.
    func enqueue(_ body: @escaping @Sendable (OperationsStore) -> Void) {
        queue.async { body(self) }
    }

    /// On the queue.
    func perform<Value>(_ body: (Database) throws(SQLiteError) -> Value) throws(StoreError) -> Value {
        dispatchPrecondition(condition: .onQueue(queue))
        if isClosed { throw StoreError(.closed, "the store is closed") }
        do throws(SQLiteError) {
            return try body(database)
        } catch {
            throw StoreError(.unavailable, "operations: \(error)")
        }
    }

    /// Frees the file; a second call does nothing.
    package func close() {
        queue.sync {
            guard !isClosed else { return }
            isClosed = true
            _ = try? database.checkpoint(truncating: true)
            database.close()
        }
    }
}
