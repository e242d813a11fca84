internal import SQLite

/// `operations.sqlite`: what the receiver knows of itself and of requests that it passes on, and what no event could tell
/// again. Small: one row every few seconds, one for a start or a downtime.
enum OperationsSchema {
    static let fileName = "operations.sqlite"

    static let schema = Schema(
        applicationId: 0x4346_4F50,  // "CFOP"
        migrations: [
            SchemaMigration(
                version: 1,
                sql: """
                    CREATE TABLE heartbeat(id INTEGER PRIMARY KEY CHECK(id = 1), at INTEGER NOT NULL,
                        is_clean INTEGER NOT NULL);
                    CREATE TABLE downtime(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, began_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
                        cause TEXT NOT NULL, is_searched INTEGER NOT NULL, is_truncated INTEGER NOT NULL);
                    CREATE TABLE affected(
                        downtime INTEGER NOT NULL, session_id TEXT NOT NULL, reconciled_at INTEGER,
                        PRIMARY KEY(downtime, session_id)) WITHOUT ROWID;
                    CREATE INDEX affected_open ON affected(session_id) WHERE reconciled_at IS NULL;
                    CREATE TABLE idempotency(
                        scope TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, status INTEGER,
                        content_type TEXT, body BLOB, created_at INTEGER NOT NULL, PRIMARY KEY(scope, key));
                    CREATE INDEX idempotency_age ON idempotency(created_at);
                    CREATE TABLE cooldown(connector TEXT PRIMARY KEY, started_at INTEGER NOT NULL) WITHOUT ROWID;
                    """),
            SchemaMigration(
                version: 2,
                sql: """
                    CREATE TABLE unanswered_start(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, connector_id TEXT NOT NULL,
                        started_at INTEGER NOT NULL);
                    CREATE TABLE refund_check(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE, due_at INTEGER NOT NULL,
                        tries INTEGER NOT NULL);
                    CREATE INDEX refund_check_due ON refund_check(due_at);
                    """),
        ])

    /// FULL: a key that has been claimed, and an answer that has been given, must survive a power cut.
    static let pragmas = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA secure_delete = ON;
        PRAGMA cache_size = -2048;
        """
}
