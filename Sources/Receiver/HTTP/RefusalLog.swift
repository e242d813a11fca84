import Base
package import Logging

/// Lines about what was refused, at most so many a second: whoever is refused must not be able to fill the disk. Metrics
/// count all of it, and the next line says how many had none.
package final class RefusalLog: Sendable {
    private struct State {
        var second: UInt64 = 0
        var lines = 0
        var suppressed = 0
    }

    /// More than anybody reads, and few enough to be kept: some 40 KB a second.
    package static let linesPerSecondMax = 200

    private let logger: Logger
    private let nanoseconds: @Sendable () -> UInt64
    private let state = Locked(State())

    /// - Parameter nanoseconds: a monotonic clock.
    package init(
        _ logger: Logger, nanoseconds: @escaping @Sendable () -> UInt64 = SystemClock.monotonicNanoseconds
    ) {
        self.logger = logger
        self.nanoseconds = nanoseconds
    }

    package func write(_ level: Logger.Level, _ message: Logger.Message, _ metadata: @autoclosure () -> Logger.Metadata)
    {
        let second = nanoseconds() / 1_000_000_000
        let suppressed = state.withLock { state -> Int? in
            if state.second != second {
                state.second = second
                state.lines = 0
            }
            guard state.lines < Self.linesPerSecondMax else {
                state.suppressed += 1
                return nil
            }
            state.lines += 1
            defer { state.suppressed = 0 }
            return state.suppressed
        }
        guard let suppressed else { return }
        var metadata = metadata()
        if suppressed > 0 { metadata["linesSuppressed"] = "\(suppressed)" }
        logger.log(level: level, message, metadata: metadata)
    }
}
