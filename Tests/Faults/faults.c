// Makes system calls of a process fail, on demand: LD_PRELOAD it, name a control file in FAULTS_CONTROL and the
// folder whose files are to suffer in FAULTS_FOLDER. Built and driven by scripts/fault-test.
//
// The control file is mapped, so a change takes effect at once. Its first bytes are switches (see enum switches), from
// byte 64 on stand counters of 8 bytes: how often each switch has made a call fail. The counters prove that a test
// has tested something.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum switches {
    SYNC,    // 'E' EIO, 'D' 20 ms slower
    WRITE,   // 'N' ENOSPC, 'E' EIO, 'S' half of it is written
    READ,    // 'E' EIO, 'S' half of it is read
    ACCEPT,  // 'M' EMFILE
    CLOCK,   // '+' a day later, '-' a day earlier
    OPEN,    // 'M' EMFILE
    SWITCHES
};

static volatile unsigned char *control;
static char folder[4096];
static size_t folder_length;

__attribute__((constructor)) static void set_up(void) {
    const char *path = getenv("FAULTS_CONTROL"), *where = getenv("FAULTS_FOLDER");
    if (path == NULL || where == NULL || realpath(where, folder) == NULL) return;
    folder_length = strlen(folder);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) control = mapped;
}

static int mode(enum switches which) {
    return control == NULL ? 0 : control[which];
}

static void count(enum switches which) {
    __atomic_add_fetch((uint64_t *)(control + 64) + which, 1, __ATOMIC_RELAXED);
}

static int is_ours(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > (ssize_t)folder_length && memcmp(path, folder, folder_length) == 0 && path[folder_length] == '/';
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int fail(enum switches which, int code) {
    count(which);
    errno = code;
    return -1;
}

#define SYNCING(name) \
    int name(int descriptor) { \
        REAL(name); \
        int m = mode(SYNC); \
        if (m != 0 && is_ours(descriptor)) { \
            if (m == 'E') return fail(SYNC, EIO); \
            if (m == 'D') { \
                struct timespec pause = {0, 20 * 1000 * 1000}; \
                nanosleep(&pause, NULL); \
                count(SYNC); \
            } \
        } \
        return real(descriptor); \
    }
SYNCING(fsync)
SYNCING(fdatasync)

// What a write does: -1 with errno, or how many of the bytes to write.
static ssize_t cut_write(int descriptor, size_t size) {
    int m = mode(WRITE);
    if (m == 0 || !is_ours(descriptor)) return (ssize_t)size;
    if (m == 'N') return fail(WRITE, ENOSPC);
    if (m == 'E') return fail(WRITE, EIO);
    if (m == 'S' && size > 1) {
        count(WRITE);
        return (ssize_t)(size / 2);
    }
    return (ssize_t)size;
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
    REAL(write);
    ssize_t allowed = cut_write(descriptor, size);
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    REAL(pwrite);
    ssize_t allowed = cut_write(descriptor, size);
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
    REAL(pwrite64);
    ssize_t allowed = cut_write(descriptor, size);
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed, offset);
}

int ftruncate(int descriptor, off_t size) {
    REAL(ftruncate);
    struct stat status;
    int grows = fstat(descriptor, &status) == 0 && size > status.st_size;
    if (grows && cut_write(descriptor, 1) < 0) return -1;
    return real(descriptor, size);
}

static ssize_t cut_read(int descriptor, size_t size) {
    int m = mode(READ);
    if (m == 0 || !is_ours(descriptor)) return (ssize_t)size;
    if (m == 'E') return fail(READ, EIO);
    if (m == 'S' && size > 1) {
        count(READ);
        return (ssize_t)(size / 2);
    }
    return (ssize_t)size;
}

ssize_t pread(int descriptor, void *bytes, size_t size, off_t offset) {
    REAL(pread);
    ssize_t allowed = cut_read(descriptor, size);
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed, offset);
}

ssize_t pread64(int descriptor, void *bytes, size_t size, off64_t offset) {
    REAL(pread64);
    ssize_t allowed = cut_read(descriptor, size);
    return allowed < 0 ? -1 : real(descriptor, bytes, (size_t)allowed, offset);
}

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    REAL(accept4);
    if (mode(ACCEPT) == 'M') return fail(ACCEPT, EMFILE);
    return real(listener, address, length, flags);
}

static int open_fails(const char *path) {
    return mode(OPEN) == 'M' && strncmp(path, folder, folder_length) == 0;
}

int open(const char *path, int flags, ...) {
    REAL(open);
    if (open_fails(path)) return fail(OPEN, EMFILE);
    va_list arguments;
    va_start(arguments, flags);
    mode_t permissions = va_arg(arguments, mode_t);
    va_end(arguments);
    return real(path, flags, permissions);
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    if (open_fails(path)) return fail(OPEN, EMFILE);
    va_list arguments;
    va_start(arguments, flags);
    mode_t permissions = va_arg(arguments, mode_t);
    va_end(arguments);
    return real(path, flags, permissions);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime);
    int result = real(clock, time);
    int m = mode(CLOCK);
    if (result == 0 && m != 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        count(CLOCK);
        time->tv_sec += m == '+' ? 86400 : -86400;
    }
    return result;
}
