import Base
import Glibc
import Testing

/// What can wait is done with what others leave.
@Suite struct IdleThreadTests {
    @Test func `it yields to others, and is awaited`() {
        let niceness = Locked<Int32>(0)
        let thread = IdleThread(label: "test") {
            niceness.withLock { $0 = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) }
        }
        thread.join()
        #expect(niceness.withLock { $0 } == 19)
        #expect(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) < 19)
        thread.join()
    }

    @Test func `one that waits for itself goes on`() {
        let own = Locked<IdleThread?>(nil)
        let isOver = Locked(false)
        let thread = IdleThread(label: "test") {
            while own.withLock({ $0 }) == nil { sched_yield() }
            own.withLock { $0 }?.join()
            isOver.withLock { $0 = true }
        }
        own.withLock { $0 = thread }
        thread.join()
        #expect(isOver.withLock { $0 })
    }
}
