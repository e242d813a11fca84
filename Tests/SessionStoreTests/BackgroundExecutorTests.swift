import Base
import Dispatch
import Testing

/// Where tasks run.
@Suite struct BackgroundExecutorTests {
    @Test func `tasks that block keep no other from running`() async {
        let gate = DispatchSemaphore(value: 0)
        let blocked = (0..<12).map { _ in
            Task(executorPreference: BackgroundExecutor.shared) { gate.waitForever() }
        }
        // Opens the gate for all, which nobody else does.
        let opening = Task(executorPreference: BackgroundExecutor.shared) {
            for _ in 0..<12 { gate.signal() }
        }
        await opening.value
        for task in blocked { await task.value }
    }

    @Test func `whoever waits for a task gets what it comes to`() throws {
        struct Refusal: Error {}
        #expect(try BackgroundExecutor.wait { 17 } == 17)
        #expect(throws: Refusal.self) { try BackgroundExecutor.wait { throw Refusal() } }
    }
}

extension DispatchSemaphore {
    /// `wait` itself cannot be called by a task.
    fileprivate func waitForever() { wait() }
}
