package import Base
import HTTPServer
package import Ledger
package import Logging
import SessionModel
package import SessionStore
package import WebhookSecurity

/// What Chargefold does, each feature a type with the few things that it needs. Wired here, and what asks the Drive API in
/// `DriveAPIFeatures`.
package final class Features: Sendable {
    /// What is not configured: time, and what tests choose.
    package struct Surroundings: Sendable {
        /// The wall clock.
        package var clock: @Sendable () -> Instant = SystemClock.now
        /// The reconciler's clock.
        package var reconciling = ReconcilerTiming()
        package var live = LiveOptions()
        /// Seconds within which a charge detail record is answered: upstream waits for five.
        package var recordDeadlineSeconds = 4.5
        /// What other receivers have.
        package var others = Others()

        package init() {}
    }

    // What is asked of us, by routes.
    let callbacks: Callbacks
    let recordCallbacks: RecordCallbacks
    let sessions: SessionQueries
    let lists: SessionLists
    let startChecks: StartChecks
    let records: ChargeDetailRecords
    let streams: LiveStreams
    let abandonments: Abandonments
    let gateway: GatewayRequests
    let tokens: TokenRequests
    let erasures: ErasureRequests
    let quarantine: QuarantineRequests
    let log: LogExport
    let downtimes: DowntimeRequests
    let backfills: BackfillRequests
    let operations: Operations
    let overview: Overview
    let secrets: SecretRequests
    let receivers: ReceiverRequests
    let others: Others

    // What goes on by itself.
    package let hub: LiveHub
    package let downtime: DowntimeLedger
    package let samples: Samples
    /// nil where none is configured.
    package let canary: Canary?
    /// nil without a key.
    package let driveAPI: DriveAPIFeatures?
    package let cooldowns: ConnectorCooldowns
    package let metrics = ReceiverMetrics()
    let refusals: RefusalLog
    let credentials: CurrentCredentials
    /// Pages of which origins may use the server.
    let crossOrigin: CrossOrigin
    let secretUse: SecretUse
    package let store: any SessionStore
    package let ledger: Ledger
    package let clock: @Sendable () -> Instant
    let logger: Logger

    /// - Throws: where the Drive API's base URL is none.
    package init(
        _ configuration: ReceiverConfiguration, access: AccessControl, store: any SessionStore, ledger: Ledger,
        sealKey: SecretKey,
        logger: Logger, surroundings: Surroundings = Surroundings()
    ) throws {
        let clock = surroundings.clock
        self.clock = clock
        let others = surroundings.others
        self.others = others
        receivers = ReceiverRequests(others: others, logger: logger)
        self.store = store
        self.ledger = ledger
        self.logger = logger
        let guidance = configuration.guidance
        refusals = RefusalLog(logger)
        crossOrigin = CrossOrigin(configuration.http.corsOrigins)
        cooldowns = ConnectorCooldowns(seconds: guidance.connectorCooldownSeconds)
        let writes = UserWrites(configuration.gateway, clock: clock)
        driveAPI = try DriveAPIFeatures(
            configuration, store: store, ledger: ledger, writes: writes, cooldowns: cooldowns, logger: logger,
            clock: clock, timing: surroundings.reconciling, others: others)
        let reconciler = driveAPI?.reconciler
        downtime = DowntimeLedger(ledger: ledger, store: store, logger: logger, clock: clock, others: others) {
            reconciler?.mayHaveMissedEvents($0)
        }

        credentials = CurrentCredentials(
            Credentials(authenticator: configuration.webhook.authenticator, access: access))
        secretUse = SecretUse(logger)
        secrets = SecretRequests(credentials: credentials, use: secretUse)
        let verifier = BodyVerifier(credentials: credentials, bodyBytesMax: configuration.webhook.bodyBytesMax)
        callbacks = Callbacks(
            store: store, others: others, ledger: ledger, verifier: verifier, reconciler: reconciler,
            downtime: downtime,
            metrics: metrics, refusals: refusals, secretUse: secretUse, clock: clock)
        recordCallbacks = RecordCallbacks(
            store: store, others: others, ledger: ledger, verifier: verifier, reconciler: reconciler,
            downtime: downtime,
            metrics: metrics.chargeDetailRecords, refusals: refusals, secretUse: secretUse, clock: clock,
            deadlineSeconds: surroundings.recordDeadlineSeconds)

        var live = surroundings.live
        // The other half is for whoever does not wait: callbacks above all.
        live.subscribersMax = max(1, min(live.subscribersMax, configuration.serverConfiguration.connectionsMax / 2))
        live.subscribersOfUserMax = configuration.api.userStreamsMax
        hub = LiveHub(store: store, settings: guidance, options: live, logger: logger, clock: clock)
        let slots = LiveSlots(hub)
        let renderer = SessionRenderer(settings: guidance, cooldowns: cooldowns)
        sessions = SessionQueries(
            store: store, others: others, renderer: renderer,
            waits: LiveWaits(
                store: store, others: others, hub: hub, slots: slots, renderer: renderer, clock: clock), clock: clock)
        lists = SessionLists(
            store: store, others: others, renderer: renderer, cursors: PageCursor(seal: Seal(key: sealKey)),
            reconciler: reconciler, clock: clock)
        startChecks = StartChecks(store: store, others: others, cooldowns: cooldowns, settings: guidance, clock: clock)
        records = ChargeDetailRecords(store: store, others: others)
        streams = LiveStreams(store: store, others: others, hub: hub, slots: slots)
        abandonments = Abandonments(store: store, renderer: renderer, writes: writes, clock: clock)
        gateway = GatewayRequests(gateway: driveAPI?.gateway)

        tokens = TokenRequests(userTokens: UserTokens(key: sealKey), clock: clock)
        erasures = ErasureRequests(eraser: store as? any SessionEraser, others: others, logger: logger)
        quarantine = QuarantineRequests(
            ledger: ledger, store: store, verifier: verifier, reconciler: reconciler,
            others: others)
        log = LogExport(store: store)
        downtimes = DowntimeRequests(ledger: ledger, account: downtime)
        backfills = BackfillRequests(backfill: driveAPI?.backfill, reconciler: reconciler)
        samples = Samples(metrics, store: store, directory: configuration.data.directory, clock: clock)
        canary = try configuration.canary(logger: logger, clock: clock)
        operations = Operations(
            store: store, others: others, ledger: ledger, hub: hub, metrics: metrics, secretUse: secretUse,
            driveAPI: driveAPI, samples: samples, canary: canary, downtime: downtime)
        overview = Overview(
            store: store, others: others, ledger: ledger, hub: hub, metrics: metrics, samples: samples,
            driveAPI: driveAPI,
            guidance: guidance, clock: clock)
    }

    /// From now on others are let in.
    /// - Parameter ended: tokens by whose names nobody is let in any more, or somebody else is: their streams end.
    func replaceCredentials(_ new: Credentials, ended: Set<String>) {
        secretUse.secretsChanged(from: credentials.now.authenticator, to: new.authenticator)
        credentials.replace(new)
        if !ended.isEmpty { hub.endAll(of: Set(ended.map { .token($0) })) }
    }

    /// Starts on connectors that were asked for before this process began.
    func restoreCooldowns() async {
        do throws(StoreError) {
            try await cooldowns.restore(from: store, now: clock())
        } catch {
            logger.warning("cooldowns of connectors are not known", metadata: ["reason": "\(error.message)"])
        }
    }

    /// Callbacks are taken from now on: the time before that is a downtime.
    func noteBeginning() async {
        let last = try? store.logEntry(at: store.statistics.durable)
        await downtime.began(lastDelivery: last?.receivedAt)
    }
}
