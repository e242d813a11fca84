package import Base
import DriveAPI
package import HTTPServer
package import Ledger
package import Logging
import SessionIndex
package import SessionModel
package import SessionStore
import Synchronization
package import WebhookSecurity

/// The application behind the HTTP server: routes requests to callbacks, queries and operations.
package final class Receiver: RequestHandler, Sendable {
    /// What the receiver is wired with.
    package struct Dependencies: Sendable {
        package var store: any SessionStore
        package var ledger: Ledger
        package var authenticator: CallbackAuthenticator
        package var access: AccessControl
        package var logger: Logger
        /// The wall clock. Injected, so that tests choose the time.
        package var clock: @Sendable () -> Instant
        /// What passes requests on to the Drive API; nil without a key.
        package var gateway: Gateway?
        /// What users may write; nil: as much as without any setting.
        package var writes: UserWrites?
        package var reconciler: Reconciler?
        package var backfill: Backfill?
        package var driveAPI: DriveAPIMetrics?
        package var downtime: DowntimeLedger?
        /// Seconds within which a charge detail record is answered: upstream waits for five.
        package var recordDeadlineSeconds = 4.5
        package var guidance = GuidanceSettings()
        package var live = LiveOptions()
        /// The key of what clients hand back; nil: one that nobody can have, so that no cursor is ever valid again.
        package var sealKey: SecretKey?

        package init(
            store: any SessionStore, ledger: Ledger, authenticator: CallbackAuthenticator, access: AccessControl,
            logger: Logger, clock: @escaping @Sendable () -> Instant = SystemClock.now
        ) {
            self.store = store
            self.ledger = ledger
            self.authenticator = authenticator
            self.access = access
            self.logger = logger
            self.clock = clock
        }
    }

    let store: any SessionStore
    package let ledger: Ledger
    /// Replaced as a whole when the configuration is read again.
    private let credentials: Locked<Credentials>
    var authenticator: CallbackAuthenticator { credentials.withLock { $0.authenticator } }
    var access: AccessControl { credentials.withLock { $0.access } }
    let secretUse: SecretUse
    /// nil where the store can't erase.
    var eraser: (any SessionEraser)? { store as? any SessionEraser }
    let logger: Logger
    let clock: @Sendable () -> Instant
    let callbackBodyBytesMax: Int
    package let gateway: Gateway?
    package let reconciler: Reconciler?
    let backfill: Backfill?
    let driveAPI: DriveAPIMetrics?
    let downtime: DowntimeLedger?
    let recordDeadlineSeconds: Double
    let undatedRecords = UndatedRecords()
    let refusals: RefusalLog
    let renderer: SessionRenderer
    let cursors: PageCursor
    let abandonments = SharedWork<Response>()
    let writes: UserWrites
    package let connectorStarts: ConnectorStarts
    package let live: LiveHub
    let liveShares = Shares()
    let eventLimits: EventLimits
    package let metrics = ReceiverMetrics()
    /// The server's own figures for the metrics page; set once the server exists.
    package let serverStatistics = Locked<(@Sendable () -> ServerStatistics)?>(nil)
    private let draining = Atomic<Bool>(false)
    private static let router = Router(Route.all)

    /// - Parameter callbackBodyBytesMax: the largest callback body, in bytes, after decompression.
    package init(_ dependencies: Dependencies, callbackBodyBytesMax: Int = 65_536) {
        store = dependencies.store
        ledger = dependencies.ledger
        credentials = Locked(
            Credentials(authenticator: dependencies.authenticator, access: dependencies.access))
        secretUse = SecretUse(dependencies.logger)
        logger = dependencies.logger
        clock = dependencies.clock
        gateway = dependencies.gateway
        writes = dependencies.writes ?? UserWrites(GatewaySettings(), clock: dependencies.clock)
        reconciler = dependencies.reconciler
        backfill = dependencies.backfill
        driveAPI = dependencies.driveAPI
        downtime = dependencies.downtime
        recordDeadlineSeconds = dependencies.recordDeadlineSeconds
        connectorStarts = ConnectorStarts(cooldownSeconds: dependencies.guidance.connectorCooldownSeconds)
        renderer = SessionRenderer(settings: dependencies.guidance, connectorStarts: connectorStarts)
        cursors = PageCursor(seal: dependencies.sealKey.map { Seal(key: $0) })
        live = LiveHub(
            store: dependencies.store, settings: dependencies.guidance, options: dependencies.live,
            logger: dependencies.logger, clock: dependencies.clock)
        gateway?.onStarted.withLock { [connectorStarts] in
            $0 = { connectorStarts.note(connectorId: $0, at: $1) }
        }
        refusals = RefusalLog(dependencies.logger)
        self.callbackBodyBytesMax = callbackBodyBytesMax
        eventLimits = .callbacks(bodyBytesMax: callbackBodyBytesMax)
    }

    /// From now on `/readyz` answers 503, so that the proxy sends nothing new.
    package func beginDraining() {
        draining.store(true, ordering: .relaxed)
        live.close()
    }

    /// From now on others are let in.
    /// - Parameter ended: tokens by whose names nobody is let in any more, or somebody else is: their streams end.
    package func replaceCredentials(_ new: Credentials, ended: Set<String>) {
        credentials.withLock { $0 = new }
        secretUse.beginAnew()
        if !ended.isEmpty { live.endAll(of: Set(ended.map { .token($0) })) }
    }

    var isDraining: Bool { draining.load(ordering: .relaxed) }

    package func admit(_ head: borrowing RequestHead) -> Admission {
        switch Self.router.match(head) {
        case .route(let number): return admit(head, number)
        // About the server as a whole: a ping that needs no route.
        case .notFound where head.isMethod("OPTIONS") && head.isPath("*"):
            return .refuse(.options(allow: Self.router.allow))
        case .notFound: return admitStray(head) ?? refuse(.notFound)
        case .malformedPath: return admitStray(head) ?? refuse(.malformedPath)
        case .methodNotAllowed(let allow, let isWebhook):
            if let admission = admitStray(head) { return admission }
            if isWebhook { logRefusal(status: 405, reason: "METHOD_NOT_ALLOWED", head) }
            return refuse(.methodNotAllowed(allow: allow))
        }
    }

    private func admit(_ head: borrowing RequestHead, _ number: Int) -> Admission {
        let route = Self.router.routes[number]
        // A callback is sent once, a query can be asked again: while the store's queue is half full, reads make way.
        if route.sheds, store.isUnderPressure {
            metrics.shedQueries.increment()
            return .refuse(Response(.yielding))
        }
        if route.needsSessions, store.isCatchingUp {
            metrics.shedQueries.increment()
            return .refuse(Response(.sessionsCatchingUp))
        }
        switch route.body {
        case .callback:
            guard head.hasBodyFraming else {
                logRefusal(status: 411, reason: "LENGTH_REQUIRED", head)
                return refuse(.lengthRequired)
            }
            return .accept(bodyBytesMax: callbackBodyBytesMax, displacesOthers: true, route: number)
        case .long: return .accept(bodyBytesMax: callbackBodyBytesMax, route: number)
        case .short:
            let isSigned = isSigned(head, elsewhere: route)
            return .accept(
                bodyBytesMax: isSigned ? callbackBodyBytesMax : 4_096, displacesOthers: isSigned, route: number)
        }
    }

    package func handle(_ request: consuming Request, _ exchange: Exchange) {
        handle(request, exchange, access)
    }

    /// - Parameter control: tells who is asking.
    func handle(_ request: consuming Request, _ exchange: Exchange, _ control: AccessControl) {
        var exchange = exchange
        observe(request.head, &exchange)
        guard let number = exchange.route else { return takeStray(request, exchange) }
        let route = Self.router.routes[number]
        if isSigned(request.head, elsewhere: route), isAuthentic(request, clock()) {
            return takeStray(request, .notFound, exchange)
        }
        if route.coded { exchange.transform = ContentCoding.transform(for: request.head) }
        let path = Self.router.values(route, request.head.path)
        do throws(Problem) {
            try route.run(self, control, request, path, exchange)
        } catch {
            exchange.respond(Response(error))
        }
    }

    /// Lets the answer carry the request's id, and writes a line for it where every request has one.
    private func observe(_ head: borrowing RequestHead, _ exchange: inout Exchange) {
        let id = RequestTrace.id(of: head)
        let isLogged = logger.logLevel <= .debug
        guard id != nil || isLogged else { return }
        // Paths tell of people; the route does not.
        let route = exchange.route.map { Self.router.routes[$0].path.text } ?? "none"
        let method = isLogged ? String(decoding: head.method.prefix(20), as: UTF8.self) : ""
        let started = SystemClock.monotonicNanoseconds()
        exchange.observe = { [logger] response in
            if let id { response.add("X-Request-Id", id) }
            guard isLogged else { return }
            let microseconds = (SystemClock.monotonicNanoseconds() - started) / 1_000
            logger.debug(
                "request",
                metadata: [
                    "method": "\(method)", "route": "\(route)", "status": "\(response.status)",
                    "microseconds": "\(microseconds)", "requestId": "\(id ?? "-")",
                ])
        }
    }

    /// Who sent what, for a line about a refusal. During the call of a handler.
    func origin(of request: borrowing Request, _ exchange: Exchange) -> Logger.Metadata {
        var origin: Logger.Metadata = [
            "method": "\(Self.shown(request.head.method))", "path": "\(Self.shown(request.head.path))",
            "client": "\(exchange.peer ?? "gone")",
        ]
        if let forwarded = request.head.header("x-forwarded-for") {
            origin["forwardedFor"] = "\(Self.shown(forwarded))"
        }
        if let id = RequestTrace.id(of: request.head) { origin["requestId"] = "\(id)" }
        return origin
    }

    /// The start of a method, a path or a field, for a line in the log.
    static func shown(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix(200), as: UTF8.self) + (bytes.count > 200 ? "…" : "")
    }

    /// Asks whether whoever sends a request may.
    /// - Throws: the answer where not.
    func check<Given>(
        _ access: Access<Given>, _ control: AccessControl, _ head: borrowing RequestHead, _ path: PathValues
    ) throws(Problem) -> Given {
        do throws(Problem) {
            let given = try access.ask(control, head, path, clock)
            if access.kind.isQuery { metrics.queries.increment() }
            return given
        } catch {
            metrics.refusedQueries.increment()
            throw error
        }
    }

    /// Answers what was let in although it leads nowhere.
    private func takeStray(_ request: borrowing Request, _ exchange: Exchange) {
        switch Self.router.match(request.head) {
        case .methodNotAllowed(let allow, _): takeStray(request, .methodNotAllowed(allow: allow), exchange)
        case .malformedPath: takeStray(request, .malformedPath, exchange)
        case .notFound, .route: takeStray(request, .notFound, exchange)
        }
    }

    package func protocolError(_ error: HTTPError) -> Response {
        metrics.refusedRequests.increment()
        let title = error.status == 408 ? "The request did not arrive in time." : "The request is not acceptable HTTP."
        var problem = Problem(
            error.status, "http-" + "\(error.name)".replacing("_", with: "-"), title, detail: "\(error.detail)")
        if error.status == 503 { problem.retryAfterSeconds = 1 }
        logRefusal(status: error.status, reason: "\(error.name)".uppercased())
        return Response(problem)
    }

    /// A line for a request that was refused before its content was looked at: it may have been a callback.
    private func logRefusal(status: UInt16, reason: String, _ head: borrowing RequestHead) {
        let (method, path) = (Self.shown(head.method), Self.shown(head.path))
        let id = RequestTrace.id(of: head) ?? "-"
        refusals.write(
            .warning, "request refused",
            [
                "status": "\(status)", "reason": "\(reason)", "method": "\(method)", "path": "\(path)",
                "requestId": "\(id)",
            ])
    }

    private func logRefusal(status: UInt16, reason: String) {
        refusals.write(.warning, "request refused", ["status": "\(status)", "reason": "\(reason)"])
    }

    private func refuse(_ problem: Problem) -> Admission {
        metrics.refusedRequests.increment()
        return .refuse(Response(problem))
    }
}
