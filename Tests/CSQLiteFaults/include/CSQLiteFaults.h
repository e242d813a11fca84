#pragma once

// A SQLite VFS that fails on demand. Each registered VFS has switches of its own, so that tests can run side by side.

/// Which files a fault is for.
enum {
    CSQLITE_FAULTS_WAL = 1,
    CSQLITE_FAULTS_DATABASE = 2,
};

typedef struct csqlite_faults csqlite_faults;

/// Registers a VFS over the system's. Faults hit only files whose path contains `path_part`. Both strings are copied.
csqlite_faults *csqlite_faults_register(const char *name, const char *path_part);

/// Takes the VFS away and frees it; no connection may be open on it.
void csqlite_faults_unregister(csqlite_faults *faults);

/// From now on writes to these kinds of files return `code` after half of their bytes; 0 ends that.
void csqlite_faults_fail_writes(csqlite_faults *faults, int files, int code);

/// From now on syncs of these kinds of files return `code`; 0 ends that. What was written stays in the file.
void csqlite_faults_fail_syncs(csqlite_faults *faults, int files, int code);

/// From now on reads of these kinds of files return `code`; 0 ends that.
void csqlite_faults_fail_reads(csqlite_faults *faults, int files, int code);

/// Calls that have failed so far.
int csqlite_faults_count(csqlite_faults *faults);

/// Syncs of these kinds of files so far, failed ones included.
int csqlite_faults_sync_count(csqlite_faults *faults, int files);
