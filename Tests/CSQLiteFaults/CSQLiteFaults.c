#include "CSQLiteFaults.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct csqlite_faults {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    char *name;
    char *path_part;
    _Atomic int write_files, write_code;
    _Atomic int sync_files, sync_code;
    _Atomic int read_files, read_code;
    _Atomic int count, wal_syncs, database_syncs;
};

typedef struct {
    sqlite3_file base;
    csqlite_faults *faults;
    int kind;
    // The real file's structure follows.
} faulty_file;

static sqlite3_file *real_file(sqlite3_file *file) { return (sqlite3_file *)((char *)file + sizeof(faulty_file)); }

static int fault(sqlite3_file *file, _Atomic int *files, _Atomic int *code) {
    faulty_file *self = (faulty_file *)file;
    int wanted = atomic_load(code);
    if (wanted == 0 || (atomic_load(files) & self->kind) == 0) return 0;
    atomic_fetch_add(&self->faults->count, 1);
    return wanted;
}

#define FAULTS(file) (((faulty_file *)(file))->faults)
#define REAL(file) real_file(file)->pMethods

static int faulty_close(sqlite3_file *file) { return REAL(file)->xClose(real_file(file)); }

static int faulty_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    int code = fault(file, &FAULTS(file)->read_files, &FAULTS(file)->read_code);
    return code ? code : REAL(file)->xRead(real_file(file), bytes, count, offset);
}

static int faulty_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    int code = fault(file, &FAULTS(file)->write_files, &FAULTS(file)->write_code);
    if (code) {
        // A short write: part of it is in the file.
        REAL(file)->xWrite(real_file(file), bytes, count / 2, offset);
        return code;
    }
    return REAL(file)->xWrite(real_file(file), bytes, count, offset);
}

static int faulty_sync(sqlite3_file *file, int flags) {
    int kind = ((faulty_file *)file)->kind;
    if (kind == CSQLITE_FAULTS_WAL) atomic_fetch_add(&FAULTS(file)->wal_syncs, 1);
    if (kind == CSQLITE_FAULTS_DATABASE) atomic_fetch_add(&FAULTS(file)->database_syncs, 1);
    int code = fault(file, &FAULTS(file)->sync_files, &FAULTS(file)->sync_code);
    return code ? code : REAL(file)->xSync(real_file(file), flags);
}

static int faulty_truncate(sqlite3_file *f, sqlite3_int64 size) { return REAL(f)->xTruncate(real_file(f), size); }
static int faulty_size(sqlite3_file *f, sqlite3_int64 *size) { return REAL(f)->xFileSize(real_file(f), size); }
static int faulty_lock(sqlite3_file *f, int lock) { return REAL(f)->xLock(real_file(f), lock); }
static int faulty_unlock(sqlite3_file *f, int lock) { return REAL(f)->xUnlock(real_file(f), lock); }
static int faulty_reserved(sqlite3_file *f, int *out) { return REAL(f)->xCheckReservedLock(real_file(f), out); }
static int faulty_control(sqlite3_file *f, int op, void *arg) { return REAL(f)->xFileControl(real_file(f), op, arg); }
static int faulty_sector(sqlite3_file *f) { return REAL(f)->xSectorSize(real_file(f)); }
static int faulty_device(sqlite3_file *f) { return REAL(f)->xDeviceCharacteristics(real_file(f)); }
static int faulty_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out) {
    return REAL(f)->xShmMap(real_file(f), page, size, extend, out);
}
static int faulty_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    return REAL(f)->xShmLock(real_file(f), offset, n, flags);
}
static void faulty_shm_barrier(sqlite3_file *f) { REAL(f)->xShmBarrier(real_file(f)); }
static int faulty_shm_unmap(sqlite3_file *f, int remove) { return REAL(f)->xShmUnmap(real_file(f), remove); }

static const sqlite3_io_methods methods = {
    2, faulty_close, faulty_read, faulty_write, faulty_truncate, faulty_sync, faulty_size, faulty_lock,
    faulty_unlock, faulty_reserved, faulty_control, faulty_sector, faulty_device, faulty_shm_map, faulty_shm_lock,
    faulty_shm_barrier, faulty_shm_unmap, 0, 0,
};

static int faulty_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
    csqlite_faults *faults = (csqlite_faults *)vfs;
    faulty_file *self = (faulty_file *)file;
    memset(self, 0, sizeof(*self));
    self->faults = faults;
    if (path && strstr(path, faults->path_part)) {
        if (flags & SQLITE_OPEN_WAL) self->kind = CSQLITE_FAULTS_WAL;
        if (flags & SQLITE_OPEN_MAIN_DB) self->kind = CSQLITE_FAULTS_DATABASE;
    }
    int code = faults->real->xOpen(faults->real, path, real_file(file), flags, out);
    // SQLite closes a file only when its methods are set.
    if (real_file(file)->pMethods) self->base.pMethods = &methods;
    return code;
}

#define UNDER(vfs) ((csqlite_faults *)(vfs))->real

static int faulty_delete(sqlite3_vfs *v, const char *p, int s) { return UNDER(v)->xDelete(UNDER(v), p, s); }
static int faulty_access(sqlite3_vfs *v, const char *p, int f, int *o) { return UNDER(v)->xAccess(UNDER(v), p, f, o); }
static int faulty_path(sqlite3_vfs *v, const char *p, int n, char *o) { return UNDER(v)->xFullPathname(UNDER(v), p, n, o); }
static int faulty_random(sqlite3_vfs *v, int n, char *o) { return UNDER(v)->xRandomness(UNDER(v), n, o); }
static int faulty_sleep(sqlite3_vfs *v, int n) { return UNDER(v)->xSleep(UNDER(v), n); }
static int faulty_time(sqlite3_vfs *v, double *o) { return UNDER(v)->xCurrentTime(UNDER(v), o); }
static int faulty_error(sqlite3_vfs *v, int n, char *o) { return UNDER(v)->xGetLastError(UNDER(v), n, o); }
static int faulty_time64(sqlite3_vfs *v, sqlite3_int64 *o) { return UNDER(v)->xCurrentTimeInt64(UNDER(v), o); }

csqlite_faults *csqlite_faults_register(const char *name, const char *path_part) {
    csqlite_faults *faults = calloc(1, sizeof(*faults));
    if (!faults) return 0;
    faults->real = sqlite3_vfs_find(0);
    faults->name = strdup(name);
    faults->path_part = strdup(path_part);
    faults->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(faulty_file) + faults->real->szOsFile,
        .mxPathname = faults->real->mxPathname,
        .zName = faults->name,
        .xOpen = faulty_open,
        .xDelete = faulty_delete,
        .xAccess = faulty_access,
        .xFullPathname = faulty_path,
        .xRandomness = faulty_random,
        .xSleep = faulty_sleep,
        .xCurrentTime = faulty_time,
        .xGetLastError = faulty_error,
        .xCurrentTimeInt64 = faulty_time64,
    };
    if (sqlite3_vfs_register(&faults->vfs, 0) != SQLITE_OK) {
        free(faults->name);
        free(faults->path_part);
        free(faults);
        return 0;
    }
    return faults;
}

void csqlite_faults_unregister(csqlite_faults *faults) {
    sqlite3_vfs_unregister(&faults->vfs);
    free(faults->name);
    free(faults->path_part);
    free(faults);
}

void csqlite_faults_fail_writes(csqlite_faults *faults, int files, int code) {
    atomic_store(&faults->write_files, files);
    atomic_store(&faults->write_code, code);
}

void csqlite_faults_fail_syncs(csqlite_faults *faults, int files, int code) {
    atomic_store(&faults->sync_files, files);
    atomic_store(&faults->sync_code, code);
}

void csqlite_faults_fail_reads(csqlite_faults *faults, int files, int code) {
    atomic_store(&faults->read_files, files);
    atomic_store(&faults->read_code, code);
}

int csqlite_faults_count(csqlite_faults *faults) { return atomic_load(&faults->count); }
int csqlite_faults_sync_count(csqlite_faults *faults, int files) {
    return (files & CSQLITE_FAULTS_WAL ? atomic_load(&faults->wal_syncs) : 0) +
           (files & CSQLITE_FAULTS_DATABASE ? atomic_load(&faults->database_syncs) : 0);
}
