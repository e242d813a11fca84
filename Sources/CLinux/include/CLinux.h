#pragma once

// What Swift's Glibc module does not show of Linux. Each wrapper here is the bare call:
// it returns what the call returns and leaves errno alone.

#include <stdint.h>
#include <sys/socket.h>

enum {
    CLINUX_EPOLLIN = 0x001,
    CLINUX_EPOLLOUT = 0x004,
    CLINUX_EPOLLERR = 0x008,
    CLINUX_EPOLLHUP = 0x010,
    CLINUX_EPOLLRDHUP = 0x2000,
};
#define CLINUX_EPOLLET 0x80000000u

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

/// eventfd with EFD_NONBLOCK and EFD_CLOEXEC.
int clinux_eventfd(void);
