import ArgumentParser
import Base
import Dispatch
import Glibc
import Logging
import Receiver
import Replication
import SessionIndex
import SessionStore

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the receiver.",
        discussion: """
            Takes callbacks at POST /webhooks/session-events and answers queries at GET /v1/sessions/{sessionId}. \
            SIGTERM and SIGINT stop it: what is in flight is finished, and it exits with 0. Sockets that systemd or another \
            program passes (LISTEN_FDS) are listened on in place of the configured ones, and a restart refuses nobody then. \
            SIGHUP, or a changed file that a secret comes from, reads secrets, tokens and the log's level again.

            EXAMPLE
              CHARGEFOLD_WEBHOOK_SECRET_CURRENT=my-webhook-secret \\
                CHARGEFOLD_API_TOKEN=my-own-api-token chargefold serve
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

    func run() throws {
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
            // What is in the way now may be gone at the next try: only who asks for a check has it as a wrong configuration.
            throw failure(
                "can't start, as this machine is now:\n\(ConfigurationError(problems: obstacles).lines)",
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

        var signals = ProcessSignals()
        let application: Application
        do {
            var live = LiveOptions()
            live.elapsedMicroseconds = { Int64(SystemClock.monotonicNanoseconds() / 1_000) }
            application = try Application(
                loaded.configuration, logger: logger, live: live, acceptsLostLog: acceptLostLog)
            let directory = FileSystem.resolved(loaded.configuration.data.directory)
            let addresses = try BackgroundExecutor.wait { [application] in try await application.start() }
            logger.info(
                "listening",
                metadata: [
                    "addresses": "\(addresses.joined(separator: ", "))",
                    "data": "\(directory)", "version": "\(Version.current)",
                ])
        } catch {
            writer.flush()
            throw failure("can't start: \(error)")
        }
        let reloader = ConfigurationReloader(loaded, application.reloadTarget(writer), logger: logger) {
            [options, overrides] () throws(ConfigurationError) in try options.read(for: .server, overrides)
        }
        let watch = Task(executorPreference: BackgroundExecutor.shared) { await reloader.watch() }
        let name = signals.wait {
            Task(executorPreference: BackgroundExecutor.shared) { await reloader.reload(because: "SIGHUP") }
        }
        watch.cancel()
        let shutdown = loaded.configuration.shutdown
        logger.info("stopping", metadata: ["signal": "\(name)", "delay": "\(shutdown.drainDelaySeconds) s"])
        application.beginDraining()
        sleep(UInt32(shutdown.drainDelaySeconds))
        endEventually(after: shutdown.deadlineSeconds, logger, writer)
        try? BackgroundExecutor.wait { await application.stop() }
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

/// SIGTERM, SIGINT and SIGHUP, taken by the thread that waits for them (sigwait(3)). From the making of it on they wait for
/// that, in every thread that is started afterwards: it is made first. Not by Dispatch's sources, which lose a signal now and
/// then on Linux.
struct ProcessSignals {
    private var set = sigset_t()

    init() {
        // Writing to a closed pipe is an error value here, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] {
            // What is ignored, as a shell has it for what runs in the background, would never be waited for.
            signal(number, SIG_DFL)
            sigaddset(&set, number)
        }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for SIGTERM or SIGINT. A second one ends the process at once.
    /// - Parameter hangUp: called at each SIGHUP; nil: that is an end as well.
    /// - Returns: the signal's name.
    mutating func wait(hangUp: (() -> Void)? = nil) -> String {
        while true {
            var number: Int32 = 0
            guard sigwait(&set, &number) == 0 else { continue }
            if number == SIGHUP, let hangUp {
                hangUp()
                continue
            }
            sigdelset(&set, SIGHUP)
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            return [SIGINT: "SIGINT", SIGHUP: "SIGHUP"][number] ?? "SIGTERM"
        }
    }
}
