/// `sessions.sqlite`: what follows from the log. It may be deleted at any time and is then made again.
enum DerivedSchema {
    static let fileName = "sessions.sqlite"
    /// Its presence says that the rows must be made again at the next start.
    static let rebuildMarkerName = "sessions.rebuild"

    /// `number` is the log position of the session's first delivery: unique, in order of creation, and the same after
    /// every rebuild. The index for a user's history comes as a later step.
    static let schema = Schema(
        applicationId: 0x4346_5345,  // "CFSE"
        migrations: [
            SchemaMigration(
                version: 1,
                sql: """
                    CREATE TABLE sessions(
                        number INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE, user_id TEXT, status TEXT NOT NULL,
                        start_time INTEGER, record BLOB NOT NULL);
                    CREATE TABLE properties(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
                    INSERT INTO properties VALUES('derived_position', 0), ('log_id', ''), ('record_version', 0);
                    """)
        ])

    /// NORMAL: a power cut may take the newest rows, never the file's consistency; the log's tail makes them again.
    static let writerPragmas = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA wal_autocheckpoint = 4096;
        PRAGMA secure_delete = ON;
        PRAGMA cache_size = -8192;
        """

    static let readerPragmas = """
        PRAGMA query_only = ON;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA cache_size = -4096;
        """
}
