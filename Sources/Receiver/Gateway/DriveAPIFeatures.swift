internal import Base
import DriveAPI
import Ledger
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// What needs the Drive API, wired; there only with a key.
package struct DriveAPIFeatures: Sendable {
    let client: DriveAPIClient
    let metrics: DriveAPIMetrics
    /// nil where it is off.
    package let reconciler: Reconciler?
    let gateway: Gateway
    let backfill: Backfill

    /// - Returns: nil without a key.
    /// - Throws: where the base URL is none.
    init?(
        _ configuration: ReceiverConfiguration, store: any SessionStore, ledger: Ledger, writes: UserWrites,
        cooldowns: ConnectorCooldowns, logger: Logger, clock: @escaping @Sendable () -> Instant,
        timing: ReconcilerTiming, others: Others
    ) throws {
        guard configuration.driveApi.apiKey != nil else { return nil }
        var reconciliation = configuration.reconciliation
        reconciliation.callsMax = 2 * configuration.driveApi.concurrency
        metrics = DriveAPIMetrics(logger: logger)
        client = try DriveAPIClient(configuration.driveApi, observer: metrics, clock: SystemDriveAPIClock(now: clock))
        // Weak: the client has the metrics as its observer, and the two would keep each other.
        metrics.setStatistics { [weak client] in client?.statistics }
        reconciler =
            reconciliation.enabled
            ? Reconciler(
                client: client, store: store, ledger: ledger, settings: reconciliation,
                logger: logger, clock: clock, timing: timing,
                leads: { others.leads }) : nil
        gateway = Gateway(
            client: client, store: store, ledger: ledger, settings: configuration.gateway, writes: writes,
            cooldowns: cooldowns, reconciler: reconciler, others: others, logger: logger, clock: clock)
        backfill = Backfill(client: client, store: store, clock: clock)
    }
}
