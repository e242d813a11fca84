internal import CLinux
import Glibc

/// A thread for work that can wait: it takes what others leave of the processors and of the disk (nice 19, idle I/O class; on
/// Linux both are a thread's own, and an unprivileged one can't go back). A queue's quality of service does none of that on
/// Linux.
package final class IdleThread: Sendable {
    private final class Work: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// nil once it has been joined, and where there was none to be had.
    private let thread = Locked<pthread_t?>(nil)

    /// - Parameter label: names it on the map.
    package init(label: StaticString, _ body: @escaping @Sendable () -> Void) {
        let work = Unmanaged.passRetained(Work(body))
        var started = pthread_t()
        let failure = pthread_create(
            &started, nil,
            { context in
                clinux_yield_to_others()
                if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, work.toOpaque())
        if failure == 0 { thread.withLock { $0 = started } } else { work.release() }
    }

    deinit {
        if let thread = thread.withLock({ $0 }) { pthread_detach(thread) }
    }

    /// Waits until it has ended; not where that is this very thread.
    package func join() {
        let other = thread.withLock { thread -> pthread_t? in
            guard let started = thread, pthread_equal(started, pthread_self()) == 0 else { return nil }
            thread = nil
            return started
        }
        if let other { pthread_join(other, nil) }
    }
}
