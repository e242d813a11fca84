import Dispatch

/// Runs tasks on threads of Dispatch. A feature's task may call what blocks for a moment (a read of the log does), which would
/// take one of the few threads of Swift's own pool from everything else.
///
///     Task(executorPreference: BackgroundExecutor.shared) { … }
package final class BackgroundExecutor: TaskExecutor {
    package static let shared = BackgroundExecutor()

    private let queue = DispatchQueue(label: "chargefold.tasks", qos: .utility, attributes: .concurrent)

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Lets a moment pass. Not cancelled, so a second at most.
    package static func pause(nanoseconds: Int) async {
        await withCheckedContinuation { continuation in
            shared.queue.asyncAfter(deadline: .now() + .nanoseconds(nanoseconds)) { continuation.resume() }
        }
    }

    /// What a task comes to, for the main thread of a command, and for tests that block on sockets anyway: nobody else waits.
    /// A command's `main` is not async: on Linux that would end the main thread, and the process with it, as who looks at its
    /// state sees it.
    package static func wait<Value: Sendable>(
        for work: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let result = Locked<Result<Value, any Error>?>(nil)
        let isThere = DispatchSemaphore(value: 0)
        Task(executorPreference: shared) {
            let outcome: Result<Value, any Error>
            do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
            result.withLock { $0 = outcome }
            isThere.signal()
        }
        while true {
            isThere.wait()
            if let outcome = result.withLock({ $0 }) { return try outcome.get() }
        }
    }
}
