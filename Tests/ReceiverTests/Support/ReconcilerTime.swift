import Base
import DriveAPI
import HTTPServer
import Ledger
import SessionModel
import SessionStore
import Testing

@testable import Receiver

/// The time of a reconciler: it passes when the test says so, and then everything that is due is done.
final class ReconcilerTime: Sendable {
    private let nanoseconds = Locked<UInt64>(1_000_000_000_000)
    // A minute after what the tests report.
    private let instant = Locked(testTime.adding(seconds: 60))

    var now: Instant { instant.withLock { $0 } }

    var timing: ReconcilerTiming {
        var timing = ReconcilerTiming()
        timing.monotonic = { [self] in nanoseconds.withLock { $0 } }
        timing.ticksAutomatically = false
        return timing
    }

    /// Lets time pass, and nothing be done.
    func pass(milliseconds: Int64) {
        nanoseconds.withLock { $0 += UInt64(milliseconds) * 1_000_000 }
        instant.withLock {
            let later = Int64($0.nanoseconds) + milliseconds * 1_000_000
            $0 = Instant(seconds: $0.seconds + later / 1_000_000_000, nanoseconds: Int32(later % 1_000_000_000))
        }
    }

    /// Lets time pass, and waits until everything that is due then has been asked and logged.
    func pass(_ seconds: Int64 = 0, _ server: RunningServer) throws {
        nanoseconds.withLock { $0 += UInt64(seconds) * 1_000_000_000 }
        instant.withLock { $0 = $0.adding(seconds: seconds) }
        let reconciler = try #require(server.features.driveAPI?.reconciler)
        try BackgroundExecutor.wait { for begun in await reconciler.tick() { await begun.value } }
    }
}

/// Runs an application that reconciles with `upstream`, as the configuration's defaults say, and whose time the test has
/// in hand. Nothing is spread over time, and nothing is asked soon.
@discardableResult
func withReconciliation<Result>(
    _ upstream: Upstream, in directory: TestDirectory = TestDirectory(), time: ReconcilerTime = ReconcilerTime(),
    _ change: (inout ReceiverConfiguration) throws -> Void = { _ in },
    _ body: (RunningServer, ReconcilerTime) throws -> Result
) throws -> Result {
    try withGateway(
        upstream, in: directory, clock: { time.now }, reconciling: time.timing,
        {
            $0.reconciliation.enabled = true
            $0.reconciliation.spreadSeconds = 0
            $0.reconciliation.soonSeconds = 0
            try change(&$0)
        }
    ) { server in
        // What an earlier process left has been looked up.
        try server.awaitDowntimeSearch()
        try time.pass(0, server)
        return try body(server, time)
    }
}
