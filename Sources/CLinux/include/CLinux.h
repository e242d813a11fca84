#pragma once

// What Swift's Glibc module does not show of Linux. Each wrapper here is the bare call:
// it returns what the call returns and leaves errno alone.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>

enum {
    CLINUX_EPOLLIN = 0x001,
    CLINUX_EPOLLOUT = 0x004,
    CLINUX_EPOLLERR = 0x008,
    CLINUX_EPOLLHUP = 0x010,
    CLINUX_EPOLLRDHUP = 0x2000,
};
#define CLINUX_EPOLLET 0x80000000u
#define CLINUX_EPOLLEXCLUSIVE 0x10000000u

/// One readiness event: the event mask and the 64 bits that were registered with the descriptor.
struct clinux_epoll_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));

int clinux_epoll_create(void);
int clinux_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data);
int clinux_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t data);
int clinux_epoll_delete(int epoll, int descriptor);
int clinux_epoll_wait(int epoll, struct clinux_epoll_event *events, int count, int timeout_milliseconds);

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC.
int clinux_accept(int listener, struct sockaddr *address, socklen_t *length);

/// open with O_DIRECT added to the flags, or without it where the file system does not know it.
int clinux_open_direct(const char *path, int flags, mode_t mode);

/// open of a directory with O_PATH, only to name what lies in it; -1 where it is none.
int clinux_open_path_of_directory(const char *path);

/// Takes O_DIRECT off a descriptor; 0, or -1 when it had none.
int clinux_clear_direct(int descriptor);

/// lseek with SEEK_HOLE: where the first hole at or after an offset begins, which is at the end of the file at the latest.
off_t clinux_first_hole(int descriptor, off_t offset);

/// CRC-32C of `bytes`, going on from `crc` (0 at first).
uint32_t clinux_crc32c(uint32_t crc, const void *bytes, size_t count);
/// The same without the processor's instruction, for machines that have none and for the test that compares the two.
uint32_t clinux_crc32c_by_table(uint32_t crc, const void *bytes, size_t count);

/// The calling thread takes from now on what others leave: nice 19, and the idle class of I/O.
void clinux_yield_to_others(void);

/// eventfd with EFD_NONBLOCK and EFD_CLOEXEC.
int clinux_eventfd(void);

/// recv without flags.
ssize_t clinux_receive(int descriptor, void *bytes, size_t count);

/// send with MSG_NOSIGNAL.
ssize_t clinux_send(int descriptor, const void *bytes, size_t count);

/// sendmsg of two pieces with MSG_NOSIGNAL.
ssize_t clinux_send_pair(int descriptor, const void *first, size_t first_count, const void *second, size_t second_count);

/// Bytes that were sent but not yet acknowledged by the peer (SIOCOUTQ), or -1.
int clinux_unacknowledged(int descriptor);

/// socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC).
int clinux_stream_socket(int family);

/// SO_REUSEADDR, SO_REUSEPORT (if `shares_port`) and TCP_NODELAY (which accepted sockets inherit); 0 or -1.
int clinux_prepare_tcp_listener(int descriptor, int shares_port);

/// IPV6_V6ONLY on or off; 0 or -1.
int clinux_set_v6only(int descriptor, int on);

/// bind to, or connect to, the path of a Unix-domain socket; -1 with ENAMETOOLONG for a path that does not fit.
int clinux_unix_bind(int descriptor, const char *path);
int clinux_unix_connect(int descriptor, const char *path);

/// The soft limit of open descriptors (RLIMIT_NOFILE) of this process.
uint64_t clinux_descriptor_limit(void);

/// Sets the soft limit of open descriptors, at most to the hard one; 0 or -1.
int clinux_set_descriptor_limit(uint64_t count);

/// Bytes of the heap that are free and that the C library keeps; 0 where it cannot tell.
size_t clinux_free_heap_bytes(void);

/// Gives free pages of the heap back to the kernel.
void clinux_trim_heap(void);
