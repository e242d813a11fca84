#pragma once

#include <sqlite3.h>

// What Swift cannot import of sqlite3.h: cast macros and variadic functions.

/// Binds bytes that stay valid until the statement is bound again or finalised (SQLITE_STATIC): no copy.
static inline int csqlite_bind_blob_static(sqlite3_stmt *statement, int index, const void *bytes, int count) {
    return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_STATIC);
}

/// Binds bytes that SQLite copies (SQLITE_TRANSIENT).
static inline int csqlite_bind_blob_copy(sqlite3_stmt *statement, int index, const void *bytes, int count) {
    return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

/// Binds UTF-8 text that stays valid until the statement is bound again or finalised (SQLITE_STATIC): no copy.
static inline int csqlite_bind_text_static(sqlite3_stmt *statement, int index, const char *bytes, int count) {
    return sqlite3_bind_text(statement, index, bytes, count, SQLITE_STATIC);
}

/// Binds UTF-8 text that SQLite copies (SQLITE_TRANSIENT).
static inline int csqlite_bind_text_copy(sqlite3_stmt *statement, int index, const char *bytes, int count) {
    return sqlite3_bind_text(statement, index, bytes, count, SQLITE_TRANSIENT);
}

/// Leaves the write-ahead log alone when this connection is the last to close.
static inline int csqlite_no_checkpoint_on_close(sqlite3 *database) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

/// Refuses SQL that could corrupt the file from within (writable_schema and the like).
static inline int csqlite_defensive(sqlite3 *database) {
    return sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
}

/// Turns off the count of SQLite's memory, which takes a global lock for every allocation. Has an effect only before
/// SQLite is first used in the process.
static inline int csqlite_disable_memory_status(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}
