// Delays what other threads wait for, now and then, so that tests which depend on luck fail.
//
//   DELAYS_ONE_IN   of how many calls one is delayed (20)
//   DELAYS_MAX_US   by how many microseconds at most (100,000)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static unsigned long number(const char *name, unsigned long otherwise) {
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

// SplitMix64: the same numbers in every run, handed out to whichever thread comes first.
static void delay(void) {
    static _Atomic uint64_t state;
    static _Atomic unsigned long one_in, max_us;
    if (!one_in) {
        max_us = number("DELAYS_MAX_US", 100000);
        one_in = number("DELAYS_ONE_IN", 20);
    }
    uint64_t value = atomic_fetch_add(&state, 0x9E3779B97F4A7C15) + 0x9E3779B97F4A7C15;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
    value = (value ^ value >> 27) * 0x94D049BB133111EB;
    value ^= value >> 31;
    if (one_in && value % one_in == 0) usleep((useconds_t)((value >> 32) % max_us));
}

#define ORIGINAL(name) \
    static __typeof__(name) *original; \
    if (!original) original = dlsym(RTLD_NEXT, #name)

// A block on a queue begins late.
typedef void (^block_t)(void);
void dispatch_async(void *queue, block_t block);
void dispatch_async(void *queue, block_t block) {
    ORIGINAL(dispatch_async);
    original(queue, ^{
        delay();
        block();
    });
}

// A worker hears late of what has come.
int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout) {
    ORIGINAL(epoll_wait);
    int found = original(epoll, events, count, timeout);
    delay();
    return found;
}

// A disk is slow.
int fdatasync(int descriptor) {
    ORIGINAL(fdatasync);
    delay();
    return original(descriptor);
}
