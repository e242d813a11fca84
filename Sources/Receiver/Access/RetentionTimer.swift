internal import Base
import Dispatch
import Logging
import SessionModel
import SessionStore
import Synchronization

/// Removes sessions that ended long ago, once an hour.
///
/// `@unchecked Sendable`: the timer is set up in `init` and cancelled once.
final class RetentionTimer: @unchecked Sendable {
    private static let firstSeconds = 60.0
    private static let everySeconds = 3600.0

    private let timer: any DispatchSourceTimer
    private let isRunning = Atomic(false)
    private let eraser: any SessionEraser
    private let days: Int
    private let clock: @Sendable () -> Instant
    private let logger: Logger

    /// - Parameter days: at least 1.
    init(eraser: any SessionEraser, days: Int, clock: @escaping @Sendable () -> Instant, logger: Logger) {
        self.eraser = eraser
        self.days = days
        self.clock = clock
        self.logger = logger
        timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "chargefold.retention", qos: .utility))
        timer.schedule(deadline: .now() + Self.firstSeconds, repeating: Self.everySeconds, leeway: .seconds(10))
        timer.setEventHandler { [weak self] in self?.run() }
        timer.activate()
    }

    /// Removes what is due now, unless the last run is still at it.
    func run(completion: (@Sendable (Result<ErasureReport, StoreError>) -> Void)? = nil) {
        guard !isRunning.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let now = clock()
        let cutoff = Instant(seconds: now.seconds - Int64(days) * 86_400, nanoseconds: now.nanoseconds)
        eraser.removeSessions(endedBefore: cutoff) { [self] result in
            isRunning.store(false, ordering: .releasing)
            switch result {
            case .success(let report) where report.sessions > 0:
                logger.info("old sessions were removed", metadata: ["sessions": "\(report.sessions)"])
            case .success: break
            case .failure(let error):
                logger.warning("old sessions wait to be removed", metadata: ["reason": "\(error.message)"])
            }
            completion?(result)
        }
    }

    func cancel() {
        timer.cancel()
    }
}
