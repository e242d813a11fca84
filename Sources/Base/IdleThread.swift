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
        let started = thread.withLock { thread in
            defer { if thread.map({ pthread_equal($0, pthread_self()) == 0 }) ?? false { thread = nil } }
            return thread
        }
        if let started, pthread_equal(started, pthread_self()) == 0 { pthread_join(started, nil) }
    }
}

/// Leaves nine tenths of the time to others: rests nine times as long as it has worked since the last rest, for a tenth of a
/// second at most. Idle threads too are in the way of those that work, on the other half of a core and in its cache.
package struct Pace: Sendable {
    private static let restNanosecondsMax: UInt64 = 100_000_000
    private var since = SystemClock.monotonicNanoseconds()

    package init() {}

    /// Blocks.
    package mutating func rest() {
        let worked = SystemClock.monotonicNanoseconds() - since
        usleep(UInt32(min(9 * worked, Self.restNanosecondsMax) / 1_000))
        since = SystemClock.monotonicNanoseconds()
    }
}
