import Base

/// Does something again and again until it is stopped, one time after the other: a task of its own.
final class RepeatedTask: Sendable {
    private let task = Locked<Task<Void, Never>?>(nil)

    deinit { cancel() }

    /// - Parameters:
    ///   - first: until the first time.
    ///   - interval: from the end of one time to the next.
    func start(
        after first: Duration = .zero, every interval: Duration, _ body: @escaping @Sendable () async -> Void
    ) {
        let started = Task(executorPreference: BackgroundExecutor.shared) {
            if first > .zero { try? await Task.sleep(for: first) }
            while !Task.isCancelled {
                await body()
                try? await Task.sleep(for: interval)
            }
        }
        task.withLock { $0 = started }
    }

    /// Returns when what is under way has ended.
    func stop() async { await cancel()?.value }

    /// What is under way ends by itself.
    @discardableResult
    func cancel() -> Task<Void, Never>? {
        let running = task.withLock { $0.take() }
        running?.cancel()
        return running
    }
}
