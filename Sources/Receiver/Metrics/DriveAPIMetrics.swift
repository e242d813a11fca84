import Base
package import DriveAPI
package import Logging
import Synchronization

/// What is counted of calls to the Drive API. Safe from any thread.
package final class DriveAPIMetrics: DriveAPIObserver {
    private let logger: Logger
    private let failures: RefusalLog
    /// How a call ended.
    package enum Outcome: String, Sendable, CaseIterable {
        case answered
        /// What was asked for is not to be had: no such session, nothing in debt, no receipt yet.
        case refused
        /// The API does not take the key: no call will do.
        case unauthorized
        case failed
    }

    private let outcomes: [DriveAPICall: [Outcome: Counter]]
    /// The newest answer was that the key is not taken.
    private let isKeyRefusedFlag = Atomic(false)
    /// In nanoseconds of the monotonic clock: before it nothing is said of the key again.
    private let saysNothingOfKeyUntil = Atomic<UInt64>(0)
    private let statisticsSource = Locked<(@Sendable () -> DriveAPIStatistics?)?>(nil)
    package let duration = DurationHistogram()

    package init(logger: Logger) {
        self.logger = logger
        failures = RefusalLog(logger)
        outcomes = Dictionary(
            uniqueKeysWithValues: DriveAPICall.allCases.map { call in
                (call, Dictionary(uniqueKeysWithValues: Outcome.allCases.map { ($0, Counter()) }))
            })
    }

    package func setStatistics(_ source: @escaping @Sendable () -> DriveAPIStatistics?) {
        statisticsSource.withLock { $0 = source }
    }

    package var statistics: DriveAPIStatistics? { statisticsSource.withLock { $0 }.flatMap { $0() } }

    package func calls(_ call: DriveAPICall, _ outcome: Outcome) -> UInt64 { outcomes[call]?[outcome]?.value ?? 0 }

    /// Whether the Drive API does not take the key, as of its newest answer.
    package var isKeyRefused: Bool { isKeyRefusedFlag.load(ordering: .relaxed) }

    private static func outcome(_ error: DriveAPIError.Code?) -> Outcome {
        switch error {
        case nil: .answered
        case .unauthorized: .unauthorized
        case .notFound, .rejected, .invalidRequest: .refused
        default: .failed
        }
    }

    /// Says so at most once a minute: each call would.
    private func noteKey(isRefused: Bool) {
        isKeyRefusedFlag.store(isRefused, ordering: .relaxed)
        guard isRefused else { return }
        let (now, until) = (SystemClock.monotonicNanoseconds(), saysNothingOfKeyUntil.load(ordering: .relaxed))
        guard now >= until,
            saysNothingOfKeyUntil.compareExchange(
                expected: until, desired: now + 60_000_000_000, ordering: .relaxed
            ).exchanged
        else { return }
        logger.error("the Drive API refuses the API key: nothing can be started, stopped or asked")
    }

    package func driveAPICallEnded(_ report: DriveAPICallReport) {
        let outcome = Self.outcome(report.error)
        outcomes[report.call]?[outcome]?.increment()
        if outcome != .failed { noteKey(isRefused: outcome == .unauthorized) }
        duration.record(microseconds: UInt64(max(0, report.seconds) * 1_000_000))
        // What is about the request itself is the caller's to know; the others are said before a breaker says them all.
        guard let error = report.error, report.attempts > 0, report.status.map({ $0 >= 500 || $0 == 429 }) ?? true
        else {
            return
        }
        failures.write(
            .warning, "a call to the Drive API failed",
            [
                "call": "\(report.call)", "reason": "\(error.rawValue)",
                "status": "\(report.status.map(String.init) ?? "-")", "attempts": "\(report.attempts)",
                "seconds": "\((report.seconds * 1_000).rounded() / 1_000)", "requestId": "\(report.requestId ?? "-")",
            ])
    }

    package func driveAPIBreakerChanged(to state: CircuitBreaker.State) {
        logger.warning("calls to the Drive API", metadata: ["breaker": "\(state.name)"])
    }
}
