internal import Base
internal import CSQLite
internal import Logging
internal import SQLite

/// `ledger.sqlite` and the names around it. A file takes the place of another in steps, after each of which a start
/// knows what to do:
///
///     ledger.sqlite.draft      is being written; worth nothing
///     ledger.sqlite.next       complete and durable: it is the ledger, whatever `ledger.sqlite` is
///     ledger.sqlite.damaged-1  what was there before, with its WAL; nobody reads it but a person
struct LedgerFile {
    /// Files kept aside; who has that many has a broken disk.
    static let asideMax = 100

    let directory: String
    let virtualFileSystem: String?

    var path: String { directory.hasSuffix("/") ? directory + name : directory + "/" + name }
    var draftPath: String { path + ".draft" }
    private var nextPath: String { path + ".next" }
    private var name: String { LedgerSchema.fileName }

    func asidePath(_ number: Int) -> String { path + ".damaged-\(number)" }

    /// Which files the open connection works on: a path is not a descriptor.
    struct Identities: Equatable {
        let file: FileSystem.FileIdentity?
        let log: FileSystem.FileIdentity?
    }

    var identities: Identities {
        Identities(file: FileSystem.identity(path), log: FileSystem.identity(path + "-wal"))
    }

    /// Whether there is nothing yet.
    var isMissing: Bool { FileSystem.size(path) == 0 && !FileSystem.exists(nextPath) }

    // MARK: Opening

    struct Opened {
        let database: Database
        let isSalvaged: Bool
    }

    /// A connection that is ready for use, to a new file where there is none, or where the one there is damaged.
    /// - Parameter emptyingLog: whether the WAL must be copied to the file first: a sync of it has failed.
    func open(emptyingLog: Bool = false, logger: Logger) throws(StoreError) -> Opened {
        removeDraft()
        if FileSystem.exists(nextPath) { try takePlace() }
        if !FileSystem.exists(path) { FileSystem.touch(path) }
        FileSystem.makePrivate(path)
        let database: Database
        do throws(SQLiteError) {
            database = try Database(path: path, mode: .readWriteCreate, virtualFileSystem: virtualFileSystem)
        } catch {
            throw StoreError(.unavailable, "\(path): \(error)")
        }
        do throws(SchemaError) {
            try prepare(database, emptyingLog: emptyingLog)
            return Opened(database: database, isSalvaged: false)
        } catch {
            let damage: SQLiteError? =
                switch error {
                case .sqlite(let failure): failure.isCorruption ? failure : nil
                case .foreign: Self.damage("it says that it is another application's")
                case .newer: nil
                }
            guard let damage else {
                abandon(database)
                throw error.storeError(path)
            }
            return Opened(database: try salvage(database, because: damage, logger: logger), isSalvaged: true)
        }
    }

    private static func damage(_ message: String) -> SQLiteError {
        SQLiteError(code: SQLITE_CORRUPT, message: message, action: "opening the ledger")
    }

    private func prepare(_ database: Database, emptyingLog: Bool) throws(SchemaError) {
        let version = try LedgerSchema.schema.verify(database)
        do throws(SQLiteError) {
            let tables = try database.integer("SELECT count(*) FROM sqlite_schema") ?? 0
            if version == 0, tables > 0 { throw Self.damage("it has tables and no version") }
            try database.execute(LedgerSchema.pragmas)
        } catch {
            throw .sqlite(error)
        }
        try LedgerSchema.schema.migrate(database)
        let expected = try schemaText(nil)
        guard try schemaText(database) == expected else { throw .sqlite(Self.damage("its schema is not the ledger's")) }
        do throws(SQLiteError) {
            try copyLog(database, emptying: emptyingLog)
            // What every opening reads must be readable.
            _ = try Ledger.quarantineCounts(database)
            _ = try Ledger.lastQuarantineId(database)
        } catch {
            throw .sqlite(error)
        }
    }

    /// Of what an earlier process has committed, or a failed sync has left, nobody knows whether it is on disk.
    private func copyLog(_ database: Database, emptying: Bool) throws(SQLiteError) {
        let log = path + "-wal"
        guard FileSystem.size(log) > 0 else { return }
        do throws(SQLiteError) {
            _ = try database.checkpoint(truncating: true)
        } catch {
            guard error.isFull, !emptying else { throw error }
        }
        guard !emptying || FileSystem.size(log) == 0 else {
            throw SQLiteError(code: SQLITE_BUSY, message: "the WAL is in use", action: "opening \(path)")
        }
    }

    /// What a file says of its tables; without one, what it must say.
    private func schemaText(_ database: Database?) throws(SchemaError) -> [String] {
        do throws(SQLiteError) {
            guard let database else {
                let memory = try Database(path: ":memory:", mode: .readWriteCreate)
                defer { memory.close() }
                for migration in LedgerSchema.schema.migrations { try memory.execute(migration.sql) }
                return try schemaText(of: memory)
            }
            return try schemaText(of: database)
        } catch {
            throw .sqlite(error)
        }
    }

    private func schemaText(of database: Database) throws(SQLiteError) -> [String] {
        var texts: [String] = []
        try database.query(
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name",
            row: { texts.append($0.text(0)) })
        return texts
    }

    /// Closes a connection and leaves its WAL as it is. A second call does nothing.
    func abandon(_ database: Database) {
        guard let handle = database.handle else { return }
        database.rollBack()
        _ = csqlite_no_checkpoint_on_close(handle)
        database.close()
    }

    // MARK: Damage

    /// Makes a new ledger from what can still be read of a damaged one, which is kept aside and whose connection is
    /// closed.
    func salvage(_ damaged: Database, because error: SQLiteError, logger: Logger) throws(StoreError) -> Database {
        defer { abandon(damaged) }
        let outcome: Salvage.Outcome
        do throws(SchemaError) {
            let draft = try makeDraft()
            defer { draft.close() }
            do throws(SQLiteError) {
                outcome = try Salvage.run(from: damaged, to: draft)
            } catch {
                throw SchemaError.sqlite(error)
            }
        } catch {
            removeDraft()
            throw StoreError(.unavailable, "the ledger is damaged, and cannot be made anew: \(error)")
        }
        let aside = try keepAside()
        abandon(damaged)
        try installDraft()
        logger.critical(
            "the ledger was damaged: what could still be read has been kept, the damaged file is aside",
            metadata: [
                "file": "\(aside ?? "")", "reason": "\(error)", "rows": "\(outcome.rows)",
                "tablesCutShort": "\(outcome.cutShort.count)", "tables": "\(outcome.cutShort.joined(separator: " "))",
            ])
        do throws(SchemaError) {
            let database: Database
            do throws(SQLiteError) {
                database = try Database(path: path, mode: .readWriteCreate, virtualFileSystem: virtualFileSystem)
            } catch {
                throw SchemaError.sqlite(error)
            }
            try prepare(database, emptyingLog: false)
            return database
        } catch {
            throw error.storeError(path)
        }
    }

    // MARK: Another file in its place

    private func removeDraft() {
        for suffix in ["", "-journal", "-wal", "-shm"] { FileSystem.remove(draftPath + suffix) }
    }

    /// An empty ledger at the draft's path, for writing once: no journal, nothing synced.
    func makeDraft() throws(SchemaError) -> Database {
        removeDraft()
        FileSystem.touch(draftPath)
        let draft: Database
        do throws(SQLiteError) {
            draft = try Database(path: draftPath, mode: .readWriteCreate, virtualFileSystem: virtualFileSystem)
            try draft.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        } catch {
            throw .sqlite(error)
        }
        try LedgerSchema.schema.migrate(draft)
        return draft
    }

    /// All that a sound connection sees, at the draft's path.
    func makeDraft(of database: Database) throws(SQLiteError) {
        removeDraft()
        try copy(database, to: draftPath)
    }

    /// All that a sound connection sees, as one file without a WAL; there must be none at the path.
    func copy(_ database: Database, to path: String) throws(SQLiteError) {
        FileSystem.touch(path)
        try database.run("VACUUM INTO ?1", bind: { $0.bind(1, text: path) })
    }

    /// Makes the draft, which is complete, the ledger. No connection to the path may be in use afterwards.
    func installDraft() throws(StoreError) {
        guard FileSystem.sync(draftPath), FileSystem.rename(draftPath, to: nextPath), FileSystem.sync(directory) else {
            throw StoreError(.unavailable, "\(draftPath) cannot be made durable")
        }
        try takePlace()
    }

    private func takePlace() throws(StoreError) {
        // The old WAL must be gone before the new file has its name.
        for suffix in ["-wal", "-shm"] { FileSystem.remove(path + suffix) }
        guard FileSystem.rename(nextPath, to: path), FileSystem.sync(directory) else {
            throw StoreError(.unavailable, "\(nextPath) cannot take the place of \(path)")
        }
    }

    /// Gives what is at the path a second name, never one that is taken, with its WAL.
    /// - Returns: that name; nil where there is nothing.
    func keepAside() throws(StoreError) -> String? {
        guard FileSystem.exists(path) else { return nil }
        for number in 1...Self.asideMax {
            let aside = asidePath(number)
            if FileSystem.exists(aside) || FileSystem.exists(aside + "-wal") { continue }
            // Some file systems know no second names.
            guard FileSystem.link(path, to: aside) || FileSystem.rename(path, to: aside) else { break }
            let log = path + "-wal"
            if FileSystem.exists(log), !FileSystem.link(log, to: aside + "-wal") {
                _ = FileSystem.rename(log, to: aside + "-wal")
            }
            return aside
        }
        throw StoreError(.unavailable, "\(path) cannot be kept aside")
    }

    /// Removes what was kept aside.
    func removeAside() {
        for number in 1...Self.asideMax {
            for suffix in ["", "-wal", "-shm"] { FileSystem.remove(asidePath(number) + suffix) }
        }
    }
}
