package import Base

/// One step of a file's schema, from the version before it to `version`.
///
/// The list of a file only ever grows: a released step is never edited. `PRAGMA user_version` says which steps a file
/// has had, `PRAGMA application_id` which of our files it is.
package struct SchemaMigration: Sendable {
    package let version: Int64
    package let sql: String

    package init(version: Int64, sql: String) {
        self.version = version
        self.sql = sql
    }
}

/// What stops a file from being used as it is.
package enum SchemaError: Error {
    /// Written by a newer release.
    case newer(found: Int64, known: Int64)
    /// Some other application's database.
    case foreign(applicationId: Int64)
    case sqlite(SQLiteError)

    /// As the file's owner tells it: `newerSchema`, `damaged`, or `unavailable`.
    package func storeError(_ path: String) -> StoreError {
        switch self {
        case .newer(let found, let known):
            StoreError(
                .newerSchema,
                "\(path) was written by a newer release (schema \(found); this one knows up to \(known)): use that release"
            )
        case .foreign: StoreError(.damaged, "\(path) is another application's database")
        case .sqlite(let error): StoreError(error.isCorruption ? .damaged : .unavailable, "\(path): \(error)")
        }
    }
}

package struct Schema: Sendable {
    /// Says in the file whose it is (`PRAGMA application_id`).
    package let applicationId: Int64
    /// Ascending by version, without gaps.
    package let migrations: [SchemaMigration]

    package init(applicationId: Int64, migrations: [SchemaMigration]) {
        self.applicationId = applicationId
        self.migrations = migrations
    }

    package var version: Int64 { migrations.last?.version ?? 0 }

    /// Refuses files that are newer or not ours; returns the file's version (0: empty).
    package func verify(_ database: Database) throws(SchemaError) -> Int64 {
        let found: Int64
        let application: Int64
        let tables: Int64
        do throws(SQLiteError) {
            found = try database.integer("PRAGMA user_version") ?? 0
            application = try database.integer("PRAGMA application_id") ?? 0
            tables = try database.integer("SELECT count(*) FROM sqlite_schema") ?? 0
        } catch {
            throw .sqlite(error)
        }
        if application != applicationId && (application != 0 || found != 0 || tables != 0) {
            throw .foreign(applicationId: application)
        }
        if found > version { throw .newer(found: found, known: version) }
        return found
    }

    /// Brings the file to the newest version, one transaction a step.
    /// - Returns: the version it had before.
    @discardableResult
    package func migrate(_ database: Database) throws(SchemaError) -> Int64 {
        let found = try verify(database)
        do {
            for step in migrations where step.version > found {
                try database.transaction { () throws(SQLiteError) in
                    try database.execute(step.sql)
                    try database.execute("PRAGMA application_id = \(applicationId)")
                    try database.execute("PRAGMA user_version = \(step.version)")
                }
            }
        } catch {
            throw .sqlite(error)
        }
        return found
    }
}
