internal import SQLite

/// `sessions.sqlite`: what follows from the log. It may be deleted at any time and is then made again.
enum RowSchema {
    static let fileName = "sessions.sqlite"

    /// `number` is the log position of the session's first delivery here: unique, in order of creation, and the same
    /// whenever the rows are made again. `record` carries a checksum of its own; every other column follows from it and is
    /// there to be looked up by. `tie` (`SessionRecord.tie`) makes each order total, and the same at every receiver. The
    /// two indexes with an entry for every session at a random place begin with the partition of the session
    /// (`Partitioning`), so that new sessions change few pages, however many there are. Skewed sessions are few.
    ///
    /// A change of this has no step of its own: it raises `SessionRecord.codingVersion`, and the rows are made again.
    ///
    /// In `properties`: the log that the rows belong to and the position that they cover (`KnownLog`), and the seal of the
    /// log there.
    static let schema = Schema(
        applicationId: 0x4346_5345,  // "CFSE"
        migrations: [
            SchemaMigration(
                version: 1,
                sql: """
                    CREATE TABLE sessions(
                        number INTEGER PRIMARY KEY, partition INTEGER NOT NULL, session_id TEXT NOT NULL, user_id TEXT,
                        order_key INTEGER NOT NULL, skewed INTEGER NOT NULL, ongoing INTEGER NOT NULL,
                        anomalies INTEGER NOT NULL, started_since INTEGER, starting_since INTEGER,
                        stop_failing_since INTEGER, waits_until INTEGER, requested_at INTEGER,
                        status INTEGER NOT NULL, status_since INTEGER, tie INTEGER NOT NULL,
                        expectation INTEGER NOT NULL, record BLOB NOT NULL);
                    CREATE UNIQUE INDEX sessions_by_id ON sessions(partition, session_id);
                    CREATE INDEX sessions_by_user ON sessions(partition, user_id, order_key, tie)
                        WHERE user_id IS NOT NULL AND skewed = 0;
                    CREATE INDEX sessions_skewed ON sessions(user_id, order_key, tie)
                        WHERE user_id IS NOT NULL AND skewed = 1;
                    CREATE INDEX sessions_ongoing ON sessions(user_id, order_key, tie) WHERE ongoing = 1;
                    CREATE INDEX sessions_started ON sessions(started_since, tie) WHERE started_since IS NOT NULL;
                    CREATE INDEX sessions_starting ON sessions(starting_since, tie) WHERE starting_since IS NOT NULL;
                    CREATE INDEX sessions_stop_failing ON sessions(stop_failing_since, tie)
                        WHERE stop_failing_since IS NOT NULL;
                    CREATE INDEX sessions_waiting ON sessions(waits_until, tie) WHERE waits_until IS NOT NULL;
                    CREATE INDEX sessions_requested ON sessions(requested_at, tie) WHERE requested_at IS NOT NULL;
                    -- By `number` then, as every index is in the end.
                    CREATE INDEX sessions_expecting ON sessions(expectation) WHERE expectation > 0;
                    CREATE INDEX sessions_in_order ON sessions(order_key, tie);
                    -- Not of COMPLETE, which nearly all are in the end; those are found among all.
                    CREATE INDEX sessions_by_status ON sessions(status, status_since, tie)
                        WHERE status_since IS NOT NULL;
                    -- How many sessions have each status, without counting them. `RowWriter` counts: a trigger would have SQLite
                    -- keep what each row was before, in a file beside, and that cost half of the writer's time.
                    CREATE TABLE status_counts(status INTEGER PRIMARY KEY, sessions INTEGER NOT NULL);
                    CREATE INDEX sessions_anomaly_1 ON sessions(order_key, tie) WHERE (anomalies & 1) != 0;
                    CREATE INDEX sessions_anomaly_2 ON sessions(order_key, tie) WHERE (anomalies & 2) != 0;
                    CREATE INDEX sessions_anomaly_4 ON sessions(order_key, tie) WHERE (anomalies & 4) != 0;
                    CREATE INDEX sessions_anomaly_8 ON sessions(order_key, tie) WHERE (anomalies & 8) != 0;
                    CREATE INDEX sessions_anomaly_32 ON sessions(order_key, tie) WHERE (anomalies & 32) != 0;
                    CREATE INDEX sessions_anomaly_64 ON sessions(order_key, tie) WHERE (anomalies & 64) != 0;
                    CREATE INDEX sessions_anomaly_128 ON sessions(order_key, tie) WHERE (anomalies & 128) != 0;
                    CREATE INDEX sessions_anomaly_256 ON sessions(order_key, tie) WHERE (anomalies & 256) != 0;
                    CREATE INDEX sessions_anomaly_512 ON sessions(order_key, tie) WHERE (anomalies & 512) != 0;
                    CREATE INDEX sessions_anomaly_1024 ON sessions(order_key, tie) WHERE (anomalies & 1024) != 0;
                    CREATE INDEX sessions_anomaly_2048 ON sessions(order_key, tie) WHERE (anomalies & 2048) != 0;
                    -- Of partitions to which no session is added any more (`PartitionFilters`).
                    CREATE TABLE filters(partition INTEGER PRIMARY KEY, filter BLOB NOT NULL);
                    CREATE TABLE properties(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
                    INSERT INTO properties VALUES
                        ('log', x''), ('seal', 0), ('record_version', 0), ('partition_positions', 0);
                    """)
        ])

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
