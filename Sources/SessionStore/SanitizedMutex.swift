#if SANITIZE_THREAD
internal import Glibc

/// Stands in for `Synchronization.Mutex` when the tests run under ThreadSanitizer (`-Xswiftc -DSANITIZE_THREAD`).
///
/// On Linux that one is a futex in a library without instrumentation: the sanitizer does not see that it orders
/// anything, and reports every use of it as a race. It does see `pthread_mutex_t`.
///
/// `@unchecked Sendable`: the value is touched only between lock and unlock.
struct Mutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    init(_ value: consuming sending Value) {
        lock = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        self.value = .allocate(capacity: 1)
        self.value.initialize(to: value)
    }

    deinit {
        value.deinitialize(count: 1)
        value.deallocate()
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body(&value.pointee)
    }
}
#endif
