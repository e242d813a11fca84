internal import SQLite

/// `log.sqlite`: the truth. Released steps are never edited, new ones are appended.
enum LogSchema {
    static let fileName = "log.sqlite"

    /// The deliveries have no index besides the position: whatever can be derived is not made durable here.
    static let schema = Schema(
        applicationId: 0x4346_4C47,  // "CFLG"
        migrations: [
            SchemaMigration(
                version: 1,
                sql: """
                    CREATE TABLE deliveries(
                        position INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source INTEGER NOT NULL,
                        body BLOB NOT NULL);
                    CREATE TABLE properties(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
                    INSERT INTO properties VALUES('log_id', lower(hex(randomblob(16))));
                    INSERT INTO properties VALUES('probe', 0);
                    """),
            // Erasures that are not finished, and the sessions that the running one is about.
            SchemaMigration(
                version: 2,
                sql: """
                    CREATE TABLE erasures(
                        id INTEGER PRIMARY KEY, subject TEXT NOT NULL, through INTEGER NOT NULL, stage INTEGER NOT NULL);
                    CREATE TABLE erasure_plan(session_id TEXT PRIMARY KEY) WITHOUT ROWID;
                    """),
            // From here on deliveries may be in the journal only: a release that does not know it must not open the log.
            SchemaMigration(version: 3, sql: "INSERT INTO properties VALUES('journal', 1);"),
        ])

    /// For every connection. secure_delete: what is erased must not stay readable in free pages; Debian's library has
    /// it on, others have not. FULL: a commit returns when it would survive a power cut; `LogWriter` goes without where
    /// the journal has the deliveries.
    static let writerPragmas = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA secure_delete = ON;
        PRAGMA cache_size = -2048;
        PRAGMA foreign_keys = OFF;
        """

    static let readerPragmas = """
        PRAGMA query_only = ON;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA cache_size = -1024;
        """
}
