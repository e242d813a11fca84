import ArgumentParser
import Base
import Dispatch
import Glibc
import HTTPClient
import Receiver
import SessionModel
import Synchronization
import WebhookSecurity

struct CheckProxyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-proxy",
        abstract:
            "Send signed probes through the proxy, while receivers are stopped, and say what would have been lost.",
        discussion: """
            A probe goes the way of a callback (name, TLS, proxy, signature) and is answered as one, but leaves no trace in \
            log or sessions. Start this, then stop, kill and start the receivers one after the other, as an upgrade would. \
            Upstream sends each event once: whatever is not answered 200 here would have been lost. The exit code is 1 if \
            anything was. Ctrl-C ends it early, with its account.

            EXAMPLE
              chargefold check-proxy https://chargefold.example --seconds 120
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The public address, as the Drive API has it: http://… or https://…", transform: endpoint)
    var url: Endpoint

    @Option(name: .long, help: "How long.")
    var seconds = 60.0

    @Option(name: .long, help: "Probes a second.")
    var rate = 20.0

    @Option(name: .long, help: "PEM file of the issuers to trust; by default those of the system.")
    var caFile: String?

    func validate() throws {
        // So that what is no number is refused too.
        guard seconds > 0, seconds <= 86_400 else { throw ValidationError("--seconds must be above 0, 86400 at most") }
        guard rate > 0, rate <= 1_000 else { throw ValidationError("--rate must be above 0, 1000 at most") }
    }

    func run() throws {
        let webhook = try options.load(for: .tool).configuration.webhook
        guard webhook.verifies || webhook.allowUnverified else {
            throw failure(
                """
                no secret to sign probes with: set CHARGEFOLD_WEBHOOK_SECRET_CURRENT \
                (or CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS), or the same in the configuration file
                """)
        }
        do {
            let endpoint =
                url.target == "/" ? Endpoint(transport: url.transport, target: "/webhooks/session-events") : url
            var client = ClientOptions()
            client.responseSeconds = 15
            client.caFile = caFile
            let check = ProxyCheck(endpoint, signer: webhook.signer, client: client, rate: rate, seconds: seconds)
            ProxyCheck.endOnInterrupt()
            check.run()
            print(check.account)
            if let refusal = check.refusal { throw failure(refusal) }
            if !check.isClean { throw ExitCode.failure }
        } catch let error as HTTPClientError {
            throw failure("\(error)")
        }
    }
}

/// Sends probes at a steady rate over a few connections, half of which are new ones each time, and keeps account.
private final class ProxyCheck: Sendable {
    private struct Account {
        var takenCount = 0
        var lost: [String: Int] = [:]
        var refusals: Set<Int> = []
        var slowestSeconds = 0.0
        var lastAnswerNanoseconds: UInt64?
        var longestSilenceSeconds = 0.0

        mutating func noteSilence(until now: UInt64, since start: UInt64) {
            let since = lastAnswerNanoseconds ?? start
            longestSilenceSeconds = max(longestSilenceSeconds, Double(max(now, since) - since) / 1_000_000_000)
        }
    }

    private static let lanes = 8
    private static let interrupted = Atomic(false)

    private let endpoint: Endpoint
    private let signer: CallbackSigner
    private let client: ClientOptions
    private let rate: Double
    private let startedNanoseconds = SystemClock.monotonicNanoseconds()
    private let endNanoseconds: UInt64
    private let sent = Atomic(0)
    private let kept = Locked(Account())

    init(
        _ endpoint: Endpoint, signer: CallbackSigner, client: ClientOptions, rate: Double, seconds: Double
    ) {
        self.endpoint = endpoint
        self.signer = signer
        self.client = client
        self.rate = rate
        endNanoseconds = startedNanoseconds + UInt64(seconds * 1_000_000_000)
    }

    static func endOnInterrupt() {
        signal(SIGINT) { _ in ProxyCheck.interrupted.store(true, ordering: .relaxed) }
    }

    var isClean: Bool { kept.withLock { $0.lost.isEmpty && $0.takenCount > 0 } }

    /// What to do where probes were not believed, which says nothing of restarts; nil where none was refused so.
    var refusal: String? {
        let statuses = kept.withLock { $0.refusals }.sorted().map(String.init)
        guard !statuses.isEmpty else { return nil }
        return """
            probes were answered \(statuses.joined(separator: " and ")): the secret or the agreed headers here are not the \
            server's, or the proxy wants credentials of its own
            """
    }

    var account: String {
        let account = kept.withLock { $0 }
        let lostCount = account.lost.values.reduce(0, +)
        let reasons = account.lost.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return """
            taken      \(account.takenCount)
            lost       \(lostCount)\(reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))")
            slowest    \(Self.decimals(account.slowestSeconds)) s
            silence    \(Self.decimals(account.longestSilenceSeconds)) s without an answer at most
            """
    }

    func run() {
        let group = DispatchGroup()
        for lane in 0..<Self.lanes {
            DispatchQueue(label: "chargefold.check-proxy.\(lane)").async(group: group) { [self] in
                // As senders do: some keep their connection, some do not.
                let connection = HTTPConnection(endpoint, options: client)
                while waitForTurn() {
                    if lane.isMultiple(of: 2) { connection.close() }
                    probe(connection)
                }
            }
        }
        group.wait()
        kept.withLock { $0.noteSilence(until: SystemClock.monotonicNanoseconds(), since: startedNanoseconds) }
    }

    /// Sleeps until the next probe is due.
    /// - Returns: false at the end.
    private func waitForTurn() -> Bool {
        let number = sent.wrappingAdd(1, ordering: .relaxed).oldValue
        let due = startedNanoseconds + UInt64(Double(number) / rate * 1_000_000_000)
        while !Self.interrupted.load(ordering: .relaxed) {
            let now = SystemClock.monotonicNanoseconds()
            guard due < endNanoseconds, now < endNanoseconds else { return false }
            if due <= now { return true }
            usleep(UInt32(min(due - now, 100_000_000) / 1_000))
        }
        return false
    }

    private func probe(_ connection: HTTPConnection) {
        let time = SystemClock.now()
        let body = Canary.body(at: time)
        let began = SystemClock.monotonicNanoseconds()
        let loss: String?
        var refusal: Int?
        do throws(HTTPClientError) {
            let response = try connection.send(
                ClientRequest(
                    method: "POST", target: endpoint.target, fields: signer.fields(for: body, at: time), body: body))
            if response.status == 401 || response.status == 403 { refusal = response.status }
            loss =
                switch response.status {
                case 200: Canary.isAnswer(response.body) ? nil : "200, but not by a receiver"
                default: "answered \(response.status)"
                }
        } catch {
            loss = error.code.rawValue
        }
        let ended = SystemClock.monotonicNanoseconds()
        kept.withLock { account in
            if let refusal { account.refusals.insert(refusal) }
            account.slowestSeconds = max(account.slowestSeconds, Double(ended - began) / 1_000_000_000)
            if let loss {
                account.lost[loss, default: 0] += 1
            } else {
                account.takenCount += 1
                account.noteSilence(until: ended, since: startedNanoseconds)
                account.lastAnswerNanoseconds = max(ended, account.lastAnswerNanoseconds ?? 0)
            }
        }
        if let loss { printToStandardError("\(SystemClock.now().rfc3339)  lost: \(loss)") }
    }

    private static func decimals(_ seconds: Double) -> String {
        let hundredths = Int((seconds * 100).rounded())
        return "\(hundredths / 100)." + (hundredths % 100 < 10 ? "0" : "") + "\(hundredths % 100)"
    }
}
