internal import Base
import Dispatch
import Logging
import SessionIndex
import SessionModel
import SessionStore
import Synchronization

/// Removes sessions that ended long ago, once an hour.
///
/// Deletion never trusts one clock: a wall clock that is years ahead would delete everything for good. The Drive API's
/// clock is the other one, as the newest event tells it. Where the wall clock is more than a day ahead of that, sessions
/// are removed as of a day after the newest event, and what would go besides waits for the next event, or for an operator
/// who has looked at the clock (`retention.trustClock`).
///
/// `@unchecked Sendable`: the timer is set up in `init` and cancelled once.
final class RetentionTimer: @unchecked Sendable {
    private static let firstSeconds = 60.0
    private static let everySeconds = 3600.0

    private let timer: any DispatchSourceTimer
    private let isRunning = Atomic(false)
    private let store: any SessionStore & SessionEraser
    private let trustsClock: Bool
    private let hasWarned = Atomic(false)
    private let days: Int
    private let others: Others
    private let clock: @Sendable () -> Instant
    private let logger: Logger

    private static let secondsApartMax: Int64 = 86_400
    /// Rows at the end of the log that are looked through for the newest event.
    private static let newestRows: Int64 = 1_000

    /// - Parameters:
    ///   - days: at least 1.
    ///   - others: whoever leads removes for all of them.
    init(
        store: any SessionStore & SessionEraser, days: Int, trustsClock: Bool = false, others: Others = Others(),
        clock: @escaping @Sendable () -> Instant, logger: Logger
    ) {
        self.store = store
        self.trustsClock = trustsClock
        self.days = days
        self.others = others
        self.clock = clock
        self.logger = logger
        timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "chargefold.retention", qos: .utility))
        timer.schedule(deadline: .now() + Self.firstSeconds, repeating: Self.everySeconds, leeway: .seconds(10))
        timer.setEventHandler { [weak self] in self?.run() }
        timer.activate()
    }

    /// Removes what is due now, unless the last run is still at it.
    func run(completion: (@Sendable (Result<ErasureReport, StoreError>) -> Void)? = nil) {
        guard others.leads else { return }
        guard !isRunning.exchange(true, ordering: .acquiringAndReleasing) else { return }
        let now = now()
        let cutoff = Instant(seconds: now.seconds - Int64(days) * 86_400, nanoseconds: now.nanoseconds)
        store.removeSessions(endedBefore: cutoff) { [self] result in
            isRunning.store(false, ordering: .releasing)
            switch result {
            case .success(let report) where report.sessions > 0:
                logger.info("old sessions were removed", metadata: ["sessions": "\(report.sessions)"])
                tellOthers(report)
            case .success: break
            case .failure(let error):
                logger.warning("old sessions wait to be removed", metadata: ["reason": "\(error.message)"])
            }
            completion?(result)
        }
    }

    /// Where that fails, whoever leads next removes what others still have, and tells in its turn.
    private func tellOthers(_ report: ErasureReport) {
        guard let erasures = others.erasures else { return }
        Task { [logger] in
            do {
                try await erasures.publish(report.places)
            } catch {
                logger.warning(
                    "other receivers could not be told what was removed by age", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// The time that both clocks have reached.
    private func now() -> Instant {
        let wall = clock()
        guard !trustsClock else { return wall }
        guard let newest = newestEvent() else { return .epoch }
        let latest = newest.adding(seconds: Self.secondsApartMax)
        guard wall > latest else { return wall }
        if !hasWarned.exchange(true, ordering: .relaxed) {
            logger.warning(
                "the clock is more than a day ahead of the newest event: old sessions are removed as of that event only",
                metadata: ["clock": "\(wall.rfc3339)", "newest": "\(newest.rfc3339)"])
        }
        return latest
    }

    /// The latest timestamp that the newest callbacks carry; nil where there is none.
    private func newestEvent() -> Instant? {
        var newest: Instant?
        _ = try? store.scanLog(after: max(0, store.statistics.durable - Self.newestRows)) {
            (entry) throws(StoreError) in
            if entry.source == .webhook, let event = try? SessionEvent.decode(entry.body, source: entry.source) {
                newest = max(newest ?? event.timestamp, event.timestamp)
            }
            return true
        }
        return newest
    }

    func cancel() {
        timer.cancel()
    }
}
