import Base
package import DriveAPI
package import Logging

/// What is counted of calls to the Drive API. Safe from any thread.
package final class DriveAPIMetrics: DriveAPIObserver {
    private let logger: Logger
    private let failures: RefusalLog
    private let outcomes: [DriveAPICall: (answered: Counter, failed: Counter)]
    private let statisticsSource = Locked<(@Sendable () -> DriveAPIStatistics?)?>(nil)
    package let duration = DurationHistogram()

    package init(logger: Logger) {
        self.logger = logger
        failures = RefusalLog(logger)
        outcomes = Dictionary(uniqueKeysWithValues: DriveAPICall.allCases.map { ($0, (Counter(), Counter())) })
    }

    package func setStatistics(_ source: @escaping @Sendable () -> DriveAPIStatistics?) {
        statisticsSource.withLock { $0 = source }
    }

    package var statistics: DriveAPIStatistics? { statisticsSource.withLock { $0 }.flatMap { $0() } }

    package func calls(_ call: DriveAPICall) -> (answered: UInt64, failed: UInt64) {
        (outcomes[call]?.answered.value ?? 0, outcomes[call]?.failed.value ?? 0)
    }

    package func driveAPICallEnded(_ report: DriveAPICallReport) {
        (report.error == nil ? outcomes[report.call]?.answered : outcomes[report.call]?.failed)?.increment()
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
