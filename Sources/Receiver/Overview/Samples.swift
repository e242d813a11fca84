package import Base
package import SessionStore

/// What has to be looked at regularly, because nobody could tell it in the moment in which it is asked: what callbacks came
/// to minute by minute, the room on the disk, what is usual at this hour.
package final class Samples: Sendable {
    /// What was found, for answers: reading it costs a lock.
    package struct Latest: Sendable {
        package var minutes = CallbackMinutes()
        package var disk: FileSystem.Room?
        /// Callbacks a minute; nil: not known.
        package var usualPerMinute: Double?
        var usualAt = Instant.earliest
    }

    private static let everySeconds = 10
    private static let usualEverySeconds: Int64 = 300

    private let metrics: ReceiverMetrics
    private let store: any SessionStore
    private let directory: String?
    private let clock: @Sendable () -> Instant
    private let state = Locked(Latest())
    private let repeated = RepeatedTask()
    /// When the process began to serve.
    package let startedAt: Instant

    /// - Parameter directory: of the data, to know how much room it has.
    package init(
        _ metrics: ReceiverMetrics, store: any SessionStore, directory: String? = nil,
        clock: @escaping @Sendable () -> Instant
    ) {
        self.metrics = metrics
        self.store = store
        self.directory = directory
        self.clock = clock
        startedAt = clock()
        state.withLock { $0.minutes.note(metrics.callbackCounts, at: startedAt) }
    }

    package var latest: Latest { state.withLock { $0 } }

    /// Looks regularly from now on.
    package func start() {
        repeated.start(every: .seconds(Self.everySeconds)) { [weak self] in self?.take() }
    }

    package func stop() async { await repeated.stop() }

    /// Looks once. Blocks.
    package func take() {
        let now = clock()
        let disk = directory.flatMap { FileSystem.room(at: $0) }
        state.withLock { state in
            state.minutes.note(metrics.callbackCounts, at: now)
            state.disk = disk
        }
        if metrics.lastCallback == nil, let last = (try? UsualRate(store).lastCallback()) ?? nil {
            metrics.noteCallback(at: last)
        }
        guard latest.usualAt.adding(seconds: Self.usualEverySeconds) <= now || latest.usualAt > now else { return }
        let usual = (try? UsualRate(store).callbacksPerMinute(now: now)) ?? nil
        state.withLock { state in
            state.usualPerMinute = usual
            state.usualAt = now
        }
    }
}
