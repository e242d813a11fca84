internal import SQLite

/// `ledger.sqlite`. Every table has the integer key `id`: by it a damaged file is read row by row (`Salvage`).
enum LedgerSchema {
    static let fileName = "ledger.sqlite"

    static let schema = Schema(
        applicationId: 0x4346_4C45,  // "CFLE"
        migrations: [
            SchemaMigration(
                version: 1,
                sql: """
                    CREATE TABLE heartbeat(
                        id INTEGER PRIMARY KEY CHECK(id = 1), at INTEGER NOT NULL, is_clean INTEGER NOT NULL,
                        newest INTEGER NOT NULL);
                    CREATE TABLE downtime(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, began_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
                        cause TEXT NOT NULL, is_searched INTEGER NOT NULL, is_truncated INTEGER NOT NULL);
                    -- Parts of a downtime in which no other receiver accepted either; with NULL: there are none.
                    CREATE TABLE downtime_gap(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, downtime INTEGER NOT NULL, began_at INTEGER,
                        ended_at INTEGER);
                    CREATE INDEX downtime_gap_downtime ON downtime_gap(downtime);
                    CREATE TABLE affected(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, downtime INTEGER NOT NULL, session_id TEXT NOT NULL,
                        reconciled_at INTEGER, UNIQUE(downtime, session_id));
                    CREATE INDEX affected_open ON affected(session_id) WHERE reconciled_at IS NULL;
                    CREATE TABLE idempotency(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, key TEXT NOT NULL,
                        request TEXT NOT NULL, status INTEGER, content_type TEXT, body BLOB,
                        created_at INTEGER NOT NULL, UNIQUE(scope, key));
                    CREATE INDEX idempotency_age ON idempotency(created_at);
                    CREATE TABLE cooldown(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, connector TEXT NOT NULL UNIQUE,
                        started_at INTEGER NOT NULL);
                    CREATE TABLE unanswered_start(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL, connector_id TEXT NOT NULL,
                        started_at INTEGER NOT NULL);
                    CREATE TABLE refund_check(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE, due_at INTEGER NOT NULL,
                        tries INTEGER NOT NULL);
                    CREATE INDEX refund_check_due ON refund_check(due_at);
                    CREATE TABLE quarantine(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, received_at INTEGER NOT NULL,
                        reason TEXT NOT NULL, credentials BLOB NOT NULL, body BLOB NOT NULL,
                        is_plausible INTEGER NOT NULL);
                    CREATE INDEX quarantine_unverified ON quarantine(is_plausible, reason, id) WHERE kind = 1;
                    CREATE TABLE verified(
                        id INTEGER PRIMARY KEY CHECK(id = 1), count INTEGER NOT NULL, bytes INTEGER NOT NULL);
                    INSERT INTO verified VALUES(1, 0, 0);
                    CREATE TABLE erasure(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT, through INTEGER NOT NULL,
                        stage INTEGER NOT NULL);
                    CREATE TABLE erasure_plan(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, erasure INTEGER NOT NULL, session_id TEXT NOT NULL,
                        UNIQUE(erasure, session_id));
                    CREATE TABLE erasure_redo(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
                    CREATE TABLE log(id INTEGER PRIMARY KEY CHECK(id = 1), known BLOB NOT NULL);
                    CREATE TABLE buried(id INTEGER PRIMARY KEY CHECK(id = 1), places BLOB NOT NULL);
                    CREATE TABLE replication(id INTEGER PRIMARY KEY CHECK(id = 1), memory BLOB NOT NULL);
                    -- Entries of the quarantine that other receivers may see; for a while also those that are gone here.
                    CREATE TABLE quarantine_shared(id INTEGER PRIMARY KEY);
                    CREATE TABLE shared_erasure(
                        id INTEGER PRIMARY KEY AUTOINCREMENT, person BLOB NOT NULL, places TEXT NOT NULL,
                        UNIQUE(person, places));
                    """)
        ])

    /// What is read of a damaged file; `verified` is counted anew, and `quarantine_shared` begins empty: an entry that damage
    /// has taken would pass for one that was dropped, and would be dropped everywhere. The shortest and dearest first.
    static let salvaged = [
        "heartbeat", "log", "buried", "replication", "erasure", "erasure_plan", "erasure_redo",
        "shared_erasure", "downtime", "downtime_gap",
        "unanswered_start", "refund_check", "cooldown", "affected", "idempotency", "quarantine",
    ]

    /// FULL: a key that has been claimed, and an answer that has been given, must survive a power cut. secure_delete:
    /// what is erased must not stay readable in free pages. cell_size_check: damage is found where it is read.
    static let pragmas = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA secure_delete = ON;
        PRAGMA cell_size_check = ON;
        PRAGMA cache_size = -2048;
        """
}
