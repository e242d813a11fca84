#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(struct clinux_epoll_event) == sizeof(struct epoll_event), "layout of epoll_event");
_Static_assert(offsetof(struct clinux_epoll_event, data) == offsetof(struct epoll_event, data), "layout of epoll_event");
_Static_assert(CLINUX_EPOLLIN == EPOLLIN && CLINUX_EPOLLOUT == EPOLLOUT && CLINUX_EPOLLERR == EPOLLERR
                   && CLINUX_EPOLLHUP == EPOLLHUP && CLINUX_EPOLLRDHUP == EPOLLRDHUP && CLINUX_EPOLLET == EPOLLET
                   && CLINUX_EPOLLEXCLUSIVE == EPOLLEXCLUSIVE,
               "values of the epoll flags");

int clinux_epoll_create(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

static int control(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

int clinux_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, data);
}

int clinux_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, data);
}

int clinux_epoll_delete(int epoll, int descriptor) {
    return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}

int clinux_epoll_wait(int epoll, struct clinux_epoll_event *events, int count, int timeout_milliseconds) {
    return epoll_wait(epoll, (struct epoll_event *)events, count, timeout_milliseconds);
}

int clinux_accept(int listener, struct sockaddr *address, socklen_t *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int clinux_open_direct(const char *path, int flags, mode_t mode) {
    int descriptor = open(path, flags | O_DIRECT, mode);
    return descriptor < 0 && errno == EINVAL ? open(path, flags, mode) : descriptor;
}

int clinux_open_path_of_directory(const char *path) {
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int clinux_clear_direct(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || (flags & O_DIRECT) == 0) return -1;
    return fcntl(descriptor, F_SETFL, flags & ~O_DIRECT);
}

off_t clinux_first_hole(int descriptor, off_t offset) { return lseek(descriptor, offset, SEEK_HOLE); }

int clinux_eventfd(void) {
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

ssize_t clinux_receive(int descriptor, void *bytes, size_t count) {
    return recv(descriptor, bytes, count, 0);
}

ssize_t clinux_send(int descriptor, const void *bytes, size_t count) {
    return send(descriptor, bytes, count, MSG_NOSIGNAL);
}

ssize_t clinux_send_pair(int descriptor, const void *first, size_t first_count, const void *second, size_t second_count) {
    struct iovec pieces[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(descriptor, &message, MSG_NOSIGNAL);
}

int clinux_unacknowledged(int descriptor) {
    int count = 0;
    return ioctl(descriptor, SIOCOUTQ, &count) < 0 ? -1 : count;
}

int clinux_stream_socket(int family) {
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int clinux_prepare_tcp_listener(int descriptor, int shares_port) {
    int on = 1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &shares_port, sizeof shares_port) < 0) {
        return -1;
    }
    return setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int clinux_set_v6only(int descriptor, int on) {
    return setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
}

static int unix_address(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length + 1);
    return 0;
}

int clinux_unix_bind(int descriptor, const char *path) {
    struct sockaddr_un address;
    return unix_address(&address, path) < 0 ? -1 : bind(descriptor, (struct sockaddr *)&address, sizeof address);
}

int clinux_unix_connect(int descriptor, const char *path) {
    struct sockaddr_un address;
    return unix_address(&address, path) < 0 ? -1 : connect(descriptor, (struct sockaddr *)&address, sizeof address);
}

void clinux_yield_to_others(void) {
    enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_CLASS_IDLE = 3, IOPRIO_CLASS_SHIFT = 13 };
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
}

uint64_t clinux_descriptor_limit(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

int clinux_set_descriptor_limit(uint64_t count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return -1;
    }
    limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

#if defined(__GLIBC__)
size_t clinux_free_heap_bytes(void) { return mallinfo2().fordblks; }
void clinux_trim_heap(void) { malloc_trim(0); }
#else
size_t clinux_free_heap_bytes(void) { return 0; }
void clinux_trim_heap(void) {}
#endif
