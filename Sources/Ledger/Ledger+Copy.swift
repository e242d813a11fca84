package import Base
internal import SQLite

extension Ledger {
    /// The name of the ledger's file in the data directory.
    package static let fileName = LedgerSchema.fileName

    /// Copies all that is in the ledger now, and what was to be written, to a new file, and makes that durable.
    package func copy(to path: String) throws(StoreError) {
        writeVerified()
        flush()
        try run { [file] (database) throws(SQLiteError) in try file.copy(database, to: path) }
        guard FileSystem.sync(path) else { throw StoreError(.unavailable, "\(path) cannot be made durable") }
    }

    /// Whether a copy is sound, page by page. Nobody else may work on it.
    /// - Throws: `damaged`.
    package static func check(fileAt path: String) throws(StoreError) {
        let found: String
        do throws(SQLiteError) {
            let database = try Database(path: path, mode: .immutable)
            defer { database.close() }
            found = try database.text("PRAGMA integrity_check(1)") ?? "nothing could be read"
        } catch {
            throw StoreError(.damaged, "\(path) can't be read: \(error)")
        }
        guard found == "ok" else { throw StoreError(.damaged, "\(path) is damaged: \(found)") }
    }
}
