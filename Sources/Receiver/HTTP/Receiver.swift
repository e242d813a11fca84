package import Base
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

    private static let openAPI = ContentCoding.Fixed(Response(json: OpenAPIDocument.json))

    let store: any SessionStore
    package let ledger: Ledger
    let authenticator: CallbackAuthenticator
    let access: AccessControl
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

    /// - Parameter callbackBodyBytesMax: the largest callback body, in bytes, after decompression.
    package init(_ dependencies: Dependencies, callbackBodyBytesMax: Int = 65_536) {
        store = dependencies.store
        ledger = dependencies.ledger
        authenticator = dependencies.authenticator
        access = dependencies.access
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

    var isDraining: Bool { draining.load(ordering: .relaxed) }

    package func admit(_ head: borrowing RequestHead) -> Admission {
        let resource: Resource
        switch Resource.match(head.path) {
        case .resource(let found): resource = found
        // About the server as a whole (RFC 9110 section 9.3.7): a ping that needs no resource.
        case .none where head.isMethod("OPTIONS") && head.isPath("*"): return .refuse(.serverOptions)
        case .none: return admitStray(head) ?? refuse(.notFound)
        case .malformed: return admitStray(head) ?? refuse(.malformedPath)
        }
        guard resource.allows(head.method) else {
            if let admission = admitStray(head) { return admission }
            if resource == .sessionEvents { logRefusal(status: 405, reason: "METHOD_NOT_ALLOWED") }
            return refuse(.methodNotAllowed(allow: resource.allow))
        }
        if yieldsToCallbacks(resource, head) {
            metrics.shedQueries.increment()
            return .refuse(Response(.yielding))
        }
        if store.isCatchingUp, resource.needsSessions {
            metrics.shedQueries.increment()
            return .refuse(Response(.sessionsCatchingUp))
        }
        switch resource {
        case .sessionEvents:
            guard head.hasBodyFraming else {
                logRefusal(status: 411, reason: "LENGTH_REQUIRED")
                return refuse(.lengthRequired)
            }
            return .accept(bodyBytesMax: callbackBodyBytesMax, displacesOthers: true)
        case .chargeDetailRecords:
            guard head.hasBodyFraming else { return refuse(.lengthRequired) }
            return .accept(bodyBytesMax: callbackBodyBytesMax, displacesOthers: true)
        case .quarantineRetry: return .accept(bodyBytesMax: callbackBodyBytesMax)
        default:
            let isSigned = isSigned(head, elsewhere: resource)
            return .accept(bodyBytesMax: isSigned ? callbackBodyBytesMax : 4_096, displacesOthers: isSigned)
        }
    }

    package func handle(_ request: borrowing Request, _ exchange: Exchange) {
        let resource: Resource
        switch Resource.match(request.head.path) {
        case .resource(let found): resource = found
        case .none: return takeStray(request, .notFound, exchange)
        case .malformed: return takeStray(request, .malformedPath, exchange)
        }
        guard resource.allows(request.head.method) else {
            return takeStray(request, .methodNotAllowed(allow: resource.allow), exchange)
        }
        if isSigned(request.head, elsewhere: resource), isAuthentic(request, clock()) {
            return takeStray(request, .notFound, exchange)
        }
        var exchange = exchange
        if resource.hasCodedAnswers { exchange.transform = ContentCoding.transform(for: request.head) }
        switch resource {
        case .sessionEvents: receiveCallback(request, exchange)
        case .session(let id): answerSession(id, request, exchange)
        case .sessionFacts(let id): answerFacts(id, request, exchange)
        case .chargeDetailRecords: receiveChargeDetailRecord(request, exchange)
        case .sessionRecords(let id): answerRecords(id, request, exchange)
        case .startSession, .stopSession, .receipt, .retryPayment: passOn(resource, request, exchange)
        case .sessionAbandon(let id): abandon(id, request, exchange)
        case .sessions: answerAnomalies(request, exchange)
        case .userSessions(let userId), .userHistory(let userId): answerHistory(userId, request, exchange)
        case .userActive(let userId): answerActive(userId, request, exchange)
        case .userSession(let userId, let id): answerSession(id, of: userId, request, exchange)
        case .sessionEventStream(let id): streamSession(id, request, exchange)
        case .userEventStream(let userId): streamUser(userId, request, exchange)
        case .eventStream: streamEverything(request, exchange)
        case .fees: answerFees(request, exchange)
        case .quarantine, .quarantined, .quarantineRetry, .quarantinedRetry, .log, .downtime, .backfill, .tokens,
            .user:
            if isOperator(request, exchange) { operate(resource, request, exchange) }
        case .openAPI: exchange.respond(Self.openAPI.response(for: request.head))
        case .health: exchange.respond(health)
        case .ready: exchange.respond(readiness)
        case .metrics: exchange.respond(metricsPage)
        }
    }

    /// A callback is sent once, a query can be asked again: while the store's queue is half full, reads make way.
    private func yieldsToCallbacks(_ resource: Resource, _ head: borrowing RequestHead) -> Bool {
        switch resource {
        case .sessionEvents, .health, .ready, .metrics: false
        default: store.isUnderPressure && (head.isMethod("GET") || head.isMethod("HEAD"))
        }
    }

    /// Answers what only operators may ask for; the caller has made sure that it is one.
    func operate(_ resource: Resource, _ request: borrowing Request, _ exchange: Exchange) {
        switch resource {
        case .log: streamLog(request, exchange)
        case .tokens: mintToken(request, exchange)
        case .user(let userId): eraseUser(userId, exchange)
        case .downtime: answerDowntime(request, exchange)
        case .backfill: runBackfill(request, exchange)
        default: answerQuarantine(resource, request, exchange)
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
    private func logRefusal(status: UInt16, reason: String) {
        refusals.write(.warning, "request refused", ["status": "\(status)", "reason": "\(reason)"])
    }

    private func refuse(_ problem: Problem) -> Admission {
        metrics.refusedRequests.increment()
        return .refuse(Response(problem))
    }
}
