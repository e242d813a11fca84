package import Base
import Dispatch
import DriveAPI
import HTTPServer
import Ledger
package import Logging
import Replication
import SessionIndex
import SessionModel
import SessionStore
import WebhookSecurity

/// A running Chargefold: everything that is started and stopped, in the right order.
package final class Application: Sendable {
    package let receiver: Receiver
    let parts: Parts
    private let sealKey: SecretKey
    /// Where the server listens.
    private let addresses: Addresses

    private final class Addresses: Sendable {
        let bound = Locked<[String]>([])
    }

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
        var options = configuration.storeOptions
        options.acceptsLostLog = acceptsLostLog
        let disk = try DiskSessionStore(directory: configuration.data.directory, options: options, logger: logger)
        let sealKey =
            try configuration.api.sealKey ?? SealKeyFile.load(directory: configuration.data.directory, logger: logger)
        self.sealKey = sealKey
        var surroundings = Features.Surroundings()
        surroundings.clock = clock
        surroundings.live = live
        surroundings.reconciling = timing
        let sharedLog = try configuration.sharedLogSettings(sealKey: sealKey).map { settings in
            try SharedLog(settings, log: disk, memory: try disk.replicationMemory, logger: logger)
        }
        if let sharedLog {
            let numbers = OriginNumbers { [weak sharedLog] in sharedLog?.condition.isReachable ?? false }
            sharedLog.observeNumbers { numbers.note($0, number: Int($1)) }
            disk.setOriginNumbers(numbers)
        }
        let ledger = try disk.ledger
        let quarantine = sharedLog.map { SharedQuarantineWork($0, ledger, logger: logger) }
        let erasures = sharedLog.map { log in
            SharedErasures(
                log, disk, ledger, quarantine: quarantine, unpack: configuration.webhook.unpackQuarantined,
                sealKey: sealKey,
                logger: logger)
        }
        surroundings.others = Others(
            sharedLog, erasures: erasures, claims: sharedLog.map { SharedClaims($0, sealKey: sealKey, clock: clock) },
            quarantine: quarantine)
        let features = try Features(
            configuration, access: configuration.accessControl(sealKey: sealKey), store: disk,
            ledger: ledger, sealKey: sealKey, logger: logger, surroundings: surroundings)
        if sharedLog != nil, let reconciler = features.driveAPI?.reconciler {
            disk.observePulled { reconciler.noted($0) }
        }
        receiver = Receiver(features, store: disk, clock: clock)
        let server = HTTPServer(configuration: configuration.serverConfiguration, handler: receiver)
        features.operations.serverStatistics.withLock { $0 = { [weak server] in server?.statistics } }
        let control = HTTPServer(
            configuration: Self.controlConfiguration(Self.controlSocketPath(configuration)),
            handler: ControlHandler(receiver, backups: BackupService(store: disk, logger: logger, clock: clock)))
        let trimmer = MemoryTrimmer()
        // nil where sessions are kept for ever.
        let retention =
            configuration.retention.days > 0
            ? RetentionTimer(
                store: disk, days: configuration.retention.days, trustsClock: configuration.retention.trustClock,
                others: surroundings.others, clock: clock, logger: logger) : nil
        let addresses = Addresses()
        self.addresses = addresses
        let drainSeconds = Double(configuration.shutdown.deadlineSeconds) - 1
        parts = Parts(
            [
                [Part(name: "store", stop: { disk.close() })],
                // What was acknowledged here goes to the others before this one is gone, if that goes at once.
                [
                    Part(
                        name: "shared log",
                        start: { try await sharedLog?.start() }, stop: { await sharedLog?.stop() })
                ],
                [
                    Part(
                        name: "erasures of others", start: { erasures?.start() }, stop: { await erasures?.stop() }),
                    Part(
                        name: "shared quarantine", start: { quarantine?.start() },
                        stop: { await quarantine?.stop() }),
                ],
                [Part(name: "Drive API client", stop: { features.driveAPI?.client.close() })],
                [Part(name: "memory", start: { trimmer.start() }, stop: { trimmer.cancel() })],
                [
                    Part(
                        name: "control socket", start: { _ = try control.start() },
                        stop: { control.drain(deadlineSeconds: 1) })
                ],
                [Part(name: "cooldowns in the ledger", start: { await features.driveAPI?.gateway.restoreCooldowns() })],
                [
                    Part(
                        name: "cooldowns in the sessions", needsSessions: true,
                        start: { await features.restoreCooldowns() })
                ],
                [
                    Part(
                        name: "HTTP server",
                        start: {
                            let bound = try server.start().map(\.description)
                            addresses.bound.withLock { $0 = bound }
                        }, stop: { server.drain(deadlineSeconds: drainSeconds) }),
                    Part(
                        name: "downtimes", start: { await features.noteBeginning() },
                        stop: { await features.downtime.stop() }),
                    Part(name: "downtime watch", needsSessions: true, start: { await features.downtime.start() }),
                    Part(
                        name: "reconciler", needsSessions: true,
                        start: { await features.driveAPI?.reconciler?.start() },
                        stop: { await features.driveAPI?.reconciler?.stop() }),
                    Part(
                        name: "samples", start: { features.samples.start() }, stop: { await features.samples.stop() }),
                    Part(name: "canary", start: { features.canary?.start() }, stop: { features.canary?.stop() }),
                    Part(name: "retention", start: { retention?.start() }, stop: { retention?.cancel() }),
                ],
                [Part(name: "live updates", stop: { features.hub.close() })],
            ], store: disk, logger: logger)
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
        receiver.features.canary?.replaceSigner(configuration.webhook.signer)
        receiver.features.replaceCredentials(
            Credentials(authenticator: configuration.webhook.authenticator, access: access), ended: ended)
        receiver.features.others.log?.replaceFingerprints(configuration.fingerprints(sealKey: sealKey))
    }

    /// What a configuration that was read again is applied to.
    package func reloadTarget(_ writer: LogWriter) -> ConfigurationReloader.Target {
        ConfigurationReloader.Target(
            replaceCredentials: { [self] in replaceCredentials($0, ended: $1) },
            setLogLevel: { writer.level = $0 },
            noteReload: { [metrics = receiver.features.metrics] in metrics.noteReload(isSuccessful: $0) })
    }

    /// Starts to listen.
    ///
    /// - Returns: where, as the kernel reports it.
    package func start() async throws -> [String] {
        try await parts.start()
        return addresses.bound.withLock { $0 }
    }

    /// From now on `/readyz` answers 503, so that the proxy sends nothing new, and live streams end.
    package func beginDraining() {
        receiver.features.hub.close()
    }

    /// Stops accepting, finishes what is in flight, writes everything and frees the data directory. Takes at most the
    /// configured time and what the last write to disk takes.
    package func stop() async {
        await parts.stop()
    }
}
