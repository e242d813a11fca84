import Dispatch
import Synchronization

/// Runs tasks on up to sixteen threads. A feature's task may call what blocks for a moment (a read of the log does, a probe of our
/// own address for ten seconds), which would take one of the few threads of Swift's own pool from everything else.
///
/// Serial queues, of which an idle one is taken: each gets a thread at once. A concurrent queue has a thread for each processor,
/// and on Linux whoever comes when those are blocked waits for a second, or four.
///
///     Task(executorPreference: BackgroundExecutor.shared) { … }
package final class BackgroundExecutor: TaskExecutor {
    package static let shared = BackgroundExecutor()

    private final class Lane: Sendable {
        let queue: DispatchQueue
        /// Jobs that wait or run.
        let jobs = Atomic(0)

        init(_ number: Int) { queue = DispatchQueue(label: "chargefold.tasks.\(number)", qos: .utility) }
    }

    private let lanes = (0..<16).map { Lane($0) }
    private let next = Atomic(0)

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let lane = takeLane()
        lane.queue.async {
            job.runSynchronously(on: self.asUnownedTaskExecutor())
            lane.jobs.subtract(1, ordering: .relaxed)
        }
    }

    /// An idle one, or where there is none the next in turn. The first ones first, whose threads are warm.
    private func takeLane() -> Lane {
        for lane in lanes where lane.jobs.compareExchange(expected: 0, desired: 1, ordering: .relaxed).exchanged {
            return lane
        }
        let lane = lanes[next.add(1, ordering: .relaxed).oldValue & (lanes.count - 1)]
        lane.jobs.add(1, ordering: .relaxed)
        return lane
    }

    /// Lets a moment pass. Not cancelled, so a second at most.
    static func pause(nanoseconds: Int) async {
        await withCheckedContinuation { continuation in
            shared.lanes[shared.lanes.count - 1].queue.asyncAfter(deadline: .now() + .nanoseconds(nanoseconds)) {
                continuation.resume()
            }
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
