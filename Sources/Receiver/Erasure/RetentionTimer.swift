internal import Base
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
final class RetentionTimer: Sendable {
    private static let firstSeconds = 60
    private static let everySeconds = 3600

    private let repeated = RepeatedTask()
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
    }

    func start() {
        repeated.start(after: .seconds(Self.firstSeconds), every: .seconds(Self.everySeconds)) { [weak self] in
            await self?.run()
        }
    }

    func cancel() { repeated.cancel() }

    /// Removes what is due now.
    private func run() async {
        guard others.leads else { return }
        let now = now()
        let cutoff = Instant(seconds: now.seconds - Int64(days) * 86_400, nanoseconds: now.nanoseconds)
        do throws(StoreError) {
            let report = try await withCheckedContinuation { continuation in
                store.removeSessions(endedBefore: cutoff) { continuation.resume(returning: $0) }
            }.get()
            guard report.sessions > 0 else { return }
            logger.info("old sessions were removed", metadata: ["sessions": "\(report.sessions)"])
            await tellOthers(report)
        } catch {
            logger.warning("old sessions wait to be removed", metadata: ["reason": "\(error.message)"])
        }
    }

    /// Where that fails, whoever leads next removes what others still have, and tells in its turn.
    private func tellOthers(_ report: ErasureReport) async {
        do {
            try await others.erasures?.publish(report.places)
        } catch {
            logger.warning(
                "other receivers could not be told what was removed by age", metadata: ["reason": "\(error)"])
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
}
