import Base
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing
import WebhookSecurity

/// What a test talks to: a server on a Unix socket, and its log.
final class RunningServer {
    static let token = "a-token-for-the-tests"

    let socketPath: String
    let log: LogCapture
    let features: Features
    let connection: HTTPConnection

    init(socketPath: String, log: LogCapture, features: Features) {
        self.socketPath = socketPath
        self.log = log
        self.features = features
        connection = HTTPConnection(Endpoint(transport: .unix(path: socketPath)))
    }

    func send(_ request: ClientRequest) throws -> ClientResponse { try connection.send(request) }

    func post(
        _ body: [UInt8], secret: String? = Callback.secret, signing: [UInt8]? = nil,
        contentType: String? = "application/json", fields: [(name: String, value: String)] = []
    ) throws -> ClientResponse {
        try send(
            try Callback.request(body, secret: secret, signing: signing, contentType: contentType, fields: fields))
    }

    /// - Parameter token: nil for none.
    func get(
        _ target: String, method: String = "GET", token: String? = token, fields: [(name: String, value: String)] = []
    ) throws -> ClientResponse {
        let authorization = token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
        return try send(ClientRequest(method: method, target: target, fields: authorization + fields))
    }

    /// What is in quarantine.
    func quarantine() throws -> [QuarantineEntry] {
        try features.ledger.blocking { (ledger) throws(StoreError) in try ledger.quarantined(limit: 1_000) }
    }

    /// Logs what a client did, as the gateway would.
    func append(
        _ action: SessionEvent.ClientAction, sessionId: String, userId: String?, connectorId: String?,
        completion: @escaping IngestCompletion
    ) {
        let now = features.clock()
        if action == .start, let connectorId { features.cooldowns.note(connectorId, startedAt: now) }
        let body = SessionEvent.clientBody(
            action, sessionId: sessionId, userId: userId, connectorId: connectorId, at: now)
        do throws(EventError) {
            let event = try SessionEvent.decode(body, source: .client)
            features.store.append(Delivery(event: event, body: body, receivedAt: now), completion: completion)
        } catch {
            completion(.failure(StoreError(.unavailable, error.detail)))
        }
    }

    /// Waits for the search for sessions that may have missed events.
    func awaitDowntimeSearch() throws {
        try BackgroundExecutor.wait { [downtime = features.downtime] in await downtime.searching?.value }
    }

    func raw() throws -> RawSocket { try RawSocket(path: socketPath) }
}

/// Runs a whole application on a Unix socket, with its data in `directory`.
///
/// - Returns: what `body` returns, after the application was stopped.
@discardableResult
func withApplication<Result>(
    in directory: TestDirectory = TestDirectory(), clock: @escaping @Sendable () -> Instant = { testTime },
    live: LiveOptions = LiveOptions(), reconciling timing: ReconcilerTiming = ReconcilerTiming(),
    _ change: (inout ReceiverConfiguration) throws -> Void = { _ in },
    _ body: (RunningServer) throws -> Result
) throws -> Result {
    let configuration = try testConfiguration(directory, change)
    let log = LogCapture(in: directory)
    let application = try Application(
        configuration, logger: log.logger(), clock: clock, live: live, reconciling: timing)
    let bound = try BackgroundExecutor.wait { try await application.start() }
    #expect(bound.first == "unix:" + directory.file("http.sock"))
    let server = RunningServer(
        socketPath: directory.file("http.sock"), log: log, features: application.receiver.features)
    defer {
        server.connection.close()
        try? BackgroundExecutor.wait { await application.stop() }
        withExtendedLifetime((directory, log)) {}
    }
    return try body(server)
}

/// The configuration of most tests: on a Unix socket, with a secret and a token.
func testConfiguration(
    _ directory: TestDirectory, _ change: (inout ReceiverConfiguration) throws -> Void = { _ in }
) throws -> ReceiverConfiguration {
    var configuration = ReceiverConfiguration()
    configuration.http.host = ReceiverConfiguration.HTTP.noHost
    configuration.http.unixSocket = directory.file("http.sock")
    configuration.http.workers = 1
    configuration.data.directory = directory.file("data")
    configuration.webhook.secretCurrent = try Callback.key(Callback.secret)
    configuration.api.token = try Callback.key(RunningServer.token)
    try change(&configuration)
    return configuration
}

/// Runs a receiver on a store that the test has in hand.
@discardableResult
func withReceiver<Result>(
    _ store: FakeStore, bodyBytesMax: Int = 65_536, limits: Limits = Limits(),
    access: AccessControl? = nil, ledger options: LedgerOptions = LedgerOptions(),
    surroundings change: (inout Features.Surroundings) -> Void = { _ in },
    _ body: (RunningServer, HTTPServer) throws -> Result
) throws -> Result {
    let directory = TestDirectory()
    let log = LogCapture(in: directory)
    let tokens = TokenSet([(.init(name: "test"), try Callback.key(RunningServer.token))])
    let ledger = try Ledger(directory: directory.path, options: options, logger: log.logger())
    var surroundings = Features.Surroundings()
    surroundings.clock = { testTime }
    change(&surroundings)
    var configuration = try testConfiguration(directory)
    configuration.webhook.bodyBytesMax = bodyBytesMax
    let features = try Features(
        configuration, access: access ?? AccessControl(tokens: tokens, allowsAnonymousReads: false), store: store,
        ledger: ledger, sealKey: try Callback.key("a-seal-for-the-tests"),
        logger: log.logger(), surroundings: surroundings)
    let receiver = Receiver(features, store: store, clock: { testTime })
    let path = directory.file("http.sock")
    let http = HTTPServer(
        configuration: ServerConfiguration(addresses: [.unix(path: path, mode: 0o600)], workers: 1, limits: limits),
        handler: receiver)
    _ = try http.start()
    let server = RunningServer(socketPath: path, log: log, features: features)
    defer {
        server.connection.close()
        http.stop()
        ledger.closeAndWait()
        withExtendedLifetime((directory, log)) {}
    }
    return try body(server, http)
}
