import ArgumentParser
import Base
import Dispatch
import Glibc
import Logging
import Receiver
import Replication
import SessionIndex
import SessionStore

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the receiver.",
        discussion: """
            Takes callbacks at POST /webhooks/session-events and answers queries at GET /v1/sessions/{sessionId}.
            SIGTERM and SIGINT stop it: what is in flight is finished, and it exits with 0. Sockets that systemd or another
            program passes (LISTEN_FDS) are listened on in place of the configured ones, and a restart refuses nobody then.
            SIGHUP, or a changed file that a secret comes from, reads secrets, tokens and the log's level again.

            EXAMPLE
              CHARGEFOLD_WEBHOOK_SECRET_CURRENT=my-webhook-secret CHARGEFOLD_API_TOKEN=my-own-api-token chargefold serve
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "Address to listen on, in place of the configured one (http.host).")
    var host: String?

    @Option(name: .long, help: "Port to listen on, in place of the configured one (http.port); 0 takes a free one.")
    var port: String?

    @Flag(name: .long, help: "Check the configuration, print it with the source of each value, and exit.")
    var checkConfig = false

    @Flag(
        name: .long,
        help: """
            Start although the log is missing, shorter or another one than the data directory remembers: the session rows \
            are moved aside, and it goes on with what there is.
            """)
    var acceptLostLog = false

    @Flag(name: .long, help: "Print a configuration file with every key, its documentation and its default, and exit.")
    var printConfig = false

    private var overrides: [ConfigurationOverride] {
        [("--host", "http.host", host), ("--port", "http.port", port)].compactMap { name, key, text in
            text.map { ConfigurationOverride(name: name, key: key, text: $0) }
        }
    }

    func run() async throws {
        if printConfig {
            print(ConfigurationDocument.yaml, terminator: "")
            return
        }
        var loaded = try options.load(for: .server, overrides)
        do {
            loaded.configuration.http.passedSockets = try PassedSockets.take()
        } catch {
            throw failure("can't start: \(error)")
        }
        let obstacles = loaded.obstacles()
        if !obstacles.isEmpty {
            // What is in the way now may be gone at the next try: only who asks for a check is told of a wrong configuration.
            throw failure(
                "can't start: \(ConfigurationError(problems: obstacles))",
                code: checkConfig ? configurationExitCode : EXIT_FAILURE)
        }
        if checkConfig {
            print(loaded.report)
            try examineSharedLog(loaded.configuration)
            for warning in loaded.warnings { printToStandardError("warning: \(warning)") }
            return
        }
        let writer = LogWriter()
        let logger = loaded.configuration.makeLogger(writer)
        defer { writer.flush() }
        for warning in loaded.warnings { logger.warning("configuration", metadata: ["warning": "\(warning)"]) }

        let signals = ProcessSignals()
        let application: Application
        do {
            var live = LiveOptions()
            live.elapsedMicroseconds = { Int64(SystemClock.monotonicNanoseconds() / 1_000) }
            application = try Application(
                loaded.configuration, logger: logger, live: live, acceptsLostLog: acceptLostLog)
            let addresses = try await application.start()
            logger.info(
                "listening",
                metadata: [
                    "addresses": "\(addresses.joined(separator: ", "))",
                    "data": "\(loaded.configuration.data.directory)", "version": "\(Version.current)",
                ])
        } catch {
            writer.flush()
            throw failure("can't start: \(error)")
        }
        let reloader = ConfigurationReloader(loaded, application.reloadTarget(writer), logger: logger) {
            [options, overrides] () throws(ConfigurationError) in try options.read(for: .server, overrides)
        }
        let watch = Task { await reloader.watch() }
        var name = "SIGTERM"
        for await signal in signals.arrivals() {
            if signal == "SIGHUP" {
                await reloader.reload(because: signal)
            } else {
                name = signal
                break
            }
        }
        watch.cancel()
        let shutdown = loaded.configuration.shutdown
        logger.info("stopping", metadata: ["signal": "\(name)", "delay": "\(shutdown.drainDelaySeconds) s"])
        application.beginDraining()
        try? await Task.sleep(for: .seconds(shutdown.drainDelaySeconds))
        endEventually(after: shutdown.deadlineSeconds, logger, writer)
        await application.stop()
        logger.info("stopped")
    }
}

/// Prints what a receiver would find in the shared log's database.
/// - Throws: an exit code, after the reason was printed, where it could not work with that.
private func examineSharedLog(_ configuration: ReceiverConfiguration) throws {
    do throws(PostgresError) {
        let settings = try configuration.sharedLogSettings(sealKey: configuration.api.sealKey)
        guard let settings else { return }
        for line in try SharedLogTool(settings).examine(settings) { print("replication: \(line)") }
    } catch {
        printToStandardError("replication.url: \(error)")
        throw ExitCode(configurationExitCode)
    }
}

/// Ends the process a minute after the time that a stop may take, whatever it waits for: a disk that does not answer.
/// What was acknowledged is in the log, and the next start finds it.
private func endEventually(after seconds: Int, _ logger: Logger, _ writer: LogWriter) {
    DispatchQueue(label: "chargefold.deadline").asyncAfter(deadline: .now() + .seconds(seconds + 60)) {
        logger.critical("the stop takes too long: the process ends as it is")
        writer.flush()
        _exit(EXIT_FAILURE)
    }
}
