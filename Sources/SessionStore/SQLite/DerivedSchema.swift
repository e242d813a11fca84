internal import SQLite

/// `sessions.sqlite`: what follows from the log. It may be deleted at any time and is then made again.
enum DerivedSchema {
    static let fileName = "sessions.sqlite"
    /// Its presence says that the rows must be made again at the next start.
    static let rebuildMarkerName = "sessions.rebuild"

    /// `number` is the log position of the session's first delivery: unique, in order of creation, and the same after
    /// every rebuild.
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
                    """),
            // The rows follow from the log, so the step drops them: the start folds them anew, with the new columns.
            // `order_key` and `user_id` seldom change: an update of the other columns leaves the big index alone.
            SchemaMigration(
                version: 2,
                sql: """
                    DROP TABLE sessions;
                    CREATE TABLE sessions(
                        number INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE, user_id TEXT, status TEXT NOT NULL,
                        start_time INTEGER, order_key INTEGER NOT NULL, skewed INTEGER NOT NULL,
                        ongoing INTEGER NOT NULL, anomalies INTEGER NOT NULL, started_since INTEGER,
                        waits_until INTEGER, requested_at INTEGER, record BLOB NOT NULL);
                    CREATE INDEX sessions_by_user ON sessions(user_id, skewed, order_key) WHERE user_id IS NOT NULL;
                    CREATE INDEX sessions_ongoing ON sessions(user_id, order_key) WHERE ongoing = 1;
                    CREATE INDEX sessions_started ON sessions(started_since) WHERE started_since IS NOT NULL;
                    CREATE INDEX sessions_waiting ON sessions(waits_until) WHERE waits_until IS NOT NULL;
                    CREATE INDEX sessions_requested ON sessions(requested_at) WHERE requested_at IS NOT NULL;
                    CREATE INDEX sessions_anomaly_1 ON sessions(number) WHERE (anomalies & 1) != 0;
                    CREATE INDEX sessions_anomaly_2 ON sessions(number) WHERE (anomalies & 2) != 0;
                    CREATE INDEX sessions_anomaly_4 ON sessions(number) WHERE (anomalies & 4) != 0;
                    CREATE INDEX sessions_anomaly_8 ON sessions(number) WHERE (anomalies & 8) != 0;
                    CREATE INDEX sessions_anomaly_32 ON sessions(number) WHERE (anomalies & 32) != 0;
                    UPDATE properties SET value = 0 WHERE name = 'derived_position';
                    """),
            // The sessions that the reconciler has to look at when it starts. Folded anew, as above.
            SchemaMigration(
                version: 3,
                sql: """
                    DELETE FROM sessions;
                    ALTER TABLE sessions ADD COLUMN settlement INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX sessions_unsettled ON sessions(settlement, number) WHERE settlement > 0;
                    UPDATE properties SET value = 0 WHERE name = 'derived_position';
                    """),
            // The two indexes that had an entry for every session at a random place begin with the part of the session
            // (`SessionPart`), so that new sessions change few pages, however many there are. Skewed sessions are few.
            SchemaMigration(
                version: 4,
                sql: """
                    DROP TABLE sessions;
                    CREATE TABLE sessions(
                        number INTEGER PRIMARY KEY, part INTEGER NOT NULL, session_id TEXT NOT NULL, user_id TEXT,
                        status TEXT NOT NULL, start_time INTEGER, order_key INTEGER NOT NULL, skewed INTEGER NOT NULL,
                        ongoing INTEGER NOT NULL, anomalies INTEGER NOT NULL, started_since INTEGER,
                        waits_until INTEGER, requested_at INTEGER, settlement INTEGER NOT NULL, record BLOB NOT NULL);
                    CREATE UNIQUE INDEX sessions_by_id ON sessions(part, session_id);
                    CREATE INDEX sessions_by_user ON sessions(part, user_id, order_key)
                        WHERE user_id IS NOT NULL AND skewed = 0;
                    CREATE INDEX sessions_skewed ON sessions(user_id, order_key)
                        WHERE user_id IS NOT NULL AND skewed = 1;
                    CREATE INDEX sessions_ongoing ON sessions(user_id, order_key) WHERE ongoing = 1;
                    CREATE INDEX sessions_started ON sessions(started_since) WHERE started_since IS NOT NULL;
                    CREATE INDEX sessions_waiting ON sessions(waits_until) WHERE waits_until IS NOT NULL;
                    CREATE INDEX sessions_requested ON sessions(requested_at) WHERE requested_at IS NOT NULL;
                    CREATE INDEX sessions_unsettled ON sessions(settlement, number) WHERE settlement > 0;
                    CREATE INDEX sessions_anomaly_1 ON sessions(number) WHERE (anomalies & 1) != 0;
                    CREATE INDEX sessions_anomaly_2 ON sessions(number) WHERE (anomalies & 2) != 0;
                    CREATE INDEX sessions_anomaly_4 ON sessions(number) WHERE (anomalies & 4) != 0;
                    CREATE INDEX sessions_anomaly_8 ON sessions(number) WHERE (anomalies & 8) != 0;
                    CREATE INDEX sessions_anomaly_32 ON sessions(number) WHERE (anomalies & 32) != 0;
                    -- Of parts to which no session is added any more (`SessionDirectory`).
                    CREATE TABLE filters(part INTEGER PRIMARY KEY, filter BLOB NOT NULL);
                    INSERT INTO properties VALUES('part_positions', 0);
                    UPDATE properties SET value = 0 WHERE name = 'derived_position';
                    """),
        ])

    /// Files of older steps are made anew instead of migrated: their rows would have to be dropped anyway, which takes
    /// long for millions of them.
    static let oldestVersionKept: Int64 = 4

    /// NORMAL: a power cut may take the newest rows, never the file's consistency; the log's tail makes them again.
    static let writerPragmas = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA wal_autocheckpoint = 4096;
        PRAGMA secure_delete = ON;
        PRAGMA cache_size = -24576;
        """

    static let readerPragmas = """
        PRAGMA query_only = ON;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA cache_size = -4096;
        """
}
