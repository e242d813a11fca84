package import Base
import Dispatch
import DriveAPI
import HTTPServer
import Ledger
package import Logging
import SessionIndex
package import SessionModel
import SessionStore
import Synchronization
import WebhookSecurity

/// A running Chargefold: the store, the HTTP server, and the control socket, started and stopped in the right order.
package final class Application: Sendable {
    private let configuration: ReceiverConfiguration
    private let logger: Logger
    private let store: any SessionStore
    private let server: HTTPServer
    private let control: HTTPServer
    /// nil where sessions are kept for ever.
    private let retention: RetentionTimer?
    private let trimmer = Locked<MemoryTrimmer?>(nil)
    package let receiver: Receiver
    private let downtime: DowntimeLedger
    private let reconciler: Reconciler?
    private let client: DriveAPIClient?

    /// The name of the control socket in the data directory, for the command line's use.
    package static let controlSocketName = "control.sock"

    /// Where the control socket of a server with that configuration is.
    package static func controlSocketPath(_ configuration: ReceiverConfiguration) -> String {
        configuration.data.directory + "/" + controlSocketName
    }

    /// Opens the data directory and wires everything; nothing listens yet.
    ///
    /// - Parameters:
    ///   - clock: the wall clock; tests choose the time.
    ///   - timing: the reconciler's clock.
    ///   - acceptsLostLog: see `StoreOptions`.
    /// - Throws: `StoreError` where the data directory can't be opened; what the server throws for its addresses.
    package init(
        _ configuration: ReceiverConfiguration, logger: Logger,
        clock: @escaping @Sendable () -> Instant = SystemClock.now, live: LiveOptions = LiveOptions(),
        reconciling timing: ReconcilerTiming = ReconcilerTiming(), acceptsLostLog: Bool = false
    ) throws {
        self.configuration = configuration
        self.logger = logger
        var options = configuration.storeOptions
        options.acceptsLostLog = acceptsLostLog
        let disk = try DiskSessionStore(directory: configuration.data.directory, options: options, logger: logger)
        let sealKey =
            try configuration.api.sealKey
            ?? SealKeyFile.load(
                directory: configuration.data.directory, logger: logger)
        store = disk
        let ledger = try disk.ledger
        let writes = UserWrites(configuration.gatewaySettings, clock: clock)
        let driveAPI = try DriveAPIParts(
            configuration, store: store, ledger: ledger, writes: writes, logger: logger, clock: clock,
            timing: timing)
        client = driveAPI?.client
        let reconciler = configuration.reconciliation.enabled ? driveAPI?.reconciler : nil
        self.reconciler = reconciler
        downtime = DowntimeLedger(ledger: ledger, store: store, logger: logger, clock: clock) {
            reconciler?.mayHaveMissedEvents($0)
        }
        var dependencies = Receiver.Dependencies(
            store: store, ledger: ledger, authenticator: configuration.webhook.authenticator,
            access: configuration.accessControl(sealKey: sealKey), logger: logger, clock: clock)
        dependencies.downtime = downtime
        dependencies.reconciler = reconciler
        dependencies.gateway = driveAPI?.gateway
        dependencies.writes = writes
        dependencies.backfill = driveAPI?.backfill
        dependencies.driveAPI = driveAPI?.metrics
        retention =
            configuration.retention.days > 0
            ? RetentionTimer(
                store: disk, days: configuration.retention.days, trustsClock: configuration.retention.trustClock,
                clock: clock, logger: logger) : nil
        dependencies.guidance = configuration.guidanceSettings
        dependencies.sealKey = sealKey
        dependencies.live = live
        // The other half is for whoever does not wait: callbacks above all.
        dependencies.live.subscribersMax = max(
            1, min(live.subscribersMax, configuration.serverConfiguration.connectionsMax / 2))
        dependencies.live.subscribersOfUserMax = configuration.api.userStreamsMax
        receiver = Receiver(dependencies, callbackBodyBytesMax: configuration.webhook.bodyBytesMax)
        if !store.isCatchingUp { receiver.loadConnectorStarts() }
        server = HTTPServer(configuration: configuration.serverConfiguration, handler: receiver)
        let path = Self.controlSocketPath(configuration)
        control = HTTPServer(
            configuration: Self.controlConfiguration(path),
            handler: ControlHandler(receiver, backups: BackupService(store: disk, logger: logger, clock: clock)))
    }

    private static func controlConfiguration(_ path: String) -> ServerConfiguration {
        var limits = Limits()
        // A backup takes as long as it takes.
        limits.handlerSeconds = 86_400
        return ServerConfiguration(addresses: [.unix(path: path, mode: 0o600)], workers: 1, limits: limits)
    }

    /// Lets others in from now on, as a configuration says that was read again. Nothing else of it counts.
    /// - Parameter ended: names of tokens that are good no more.
    private func replaceCredentials(_ configuration: ReceiverConfiguration, ended: Set<String>) {
        var access = receiver.access
        access.tokens = configuration.api.tokenSet
        receiver.replaceCredentials(
            Credentials(authenticator: configuration.webhook.authenticator, access: access), ended: ended)
    }

    /// What a configuration that was read again is applied to.
    package func reloadTarget(_ writer: LogWriter) -> ConfigurationReloader.Target {
        ConfigurationReloader.Target(
            replaceCredentials: { [self] in replaceCredentials($0, ended: $1) },
            setLogLevel: { writer.level = $0 })
    }

    /// Starts to listen.
    ///
    /// - Returns: where, as the kernel reports it.
    package func start() throws -> [String] {
        let server = server
        receiver.serverStatistics.withLock { $0 = { server.statistics } }
        trimmer.withLock { $0 = MemoryTrimmer() }
        _ = try control.start()
        let addresses: [String]
        do {
            addresses = try server.start().map(\.description)
        } catch {
            control.stop()
            throw error
        }
        let last = try? store.logEntry(at: store.statistics.durable)
        downtime.began(lastDelivery: last?.receivedAt)
        guard store.isCatchingUp else {
            downtime.start()
            reconciler?.start()
            return addresses
        }
        store.whenCaughtUp { [queue = DispatchQueue(label: "chargefold.start"), receiver, downtime, reconciler] in
            queue.async {
                // What is stopping does not begin now.
                guard !receiver.isDraining else { return }
                receiver.loadConnectorStarts()
                downtime.start()
                reconciler?.start()
            }
        }
        return addresses
    }

    /// Stops accepting, finishes what is in flight, writes everything and frees the data directory. Blocks for at most
    /// the configured time and what the last write to disk takes.
    package func stop() {
        receiver.beginDraining()
        trimmer.withLock { $0.take() }?.cancel()
        // Beside what is written to the disk, which may not answer.
        let server = server
        let seconds = Double(configuration.shutdown.deadlineSeconds) - 1
        let drained = DispatchSemaphore(value: 0)
        DispatchQueue(label: "chargefold.drain").async {
            server.drain(deadlineSeconds: seconds)
            drained.signal()
        }
        retention?.cancel()
        downtime.stop()
        reconciler?.stop()
        drained.wait()
        control.drain(deadlineSeconds: 1)
        client?.close()
        store.close()
        receiver.serverStatistics.withLock { $0 = nil }
    }
}
