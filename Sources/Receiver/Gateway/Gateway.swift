package import Base
import Dispatch
package import DriveAPI
package import HTTPServer
package import Ledger
package import Logging
import SessionIndex
internal import SessionModel
package import SessionStore

/// Passes requests about sessions on to the Drive API, and notes what follows from them.
///
/// Nothing here waits: every call takes what is to be done with its answer, and that runs on a queue of the store or of the
/// Drive API's client.
package final class Gateway: Sendable {
    /// Called once.
    package typealias Respond = @Sendable (Response) -> Void

    let client: DriveAPIClient
    let store: any SessionStore
    let ledger: Ledger
    let settings: GatewaySettings
    let logger: Logger
    let clock: @Sendable () -> Instant
    let reconciler: Reconciler?
    let writes: UserWrites
    let others: Others
    /// Stops that are being noted.
    let stops = SharedWork<StoreError?>()
    package let metrics = GatewayMetrics()
    let cooldowns: ConnectorCooldowns
    /// Keyed requests that are under way in this process.
    let keysInFlight = Locked<[KeyedRequest.Name: String]>([:])
    private let slots: Locked<GatewaySlots>
    /// One user's app must not keep everybody else's from being passed on.
    package static let requestsPerUserMax = 8

    /// Reads which connectors still cool down. Blocks.
    package init(
        client: DriveAPIClient, store: any SessionStore, ledger: Ledger, settings: GatewaySettings,
        writes: UserWrites, cooldowns: ConnectorCooldowns, reconciler: Reconciler?, others: Others = Others(),
        logger: Logger, clock: @escaping @Sendable () -> Instant = SystemClock.now
    ) {
        self.client = client
        self.store = store
        self.ledger = ledger
        self.settings = settings
        slots = Locked(GatewaySlots(count: settings.requestsMax, ofUserMax: Self.requestsPerUserMax))
        self.writes = writes
        self.reconciler = reconciler
        self.others = others
        self.logger = logger
        self.clock = clock
        self.cooldowns = cooldowns
        do throws(StoreError) {
            let since = clock().adding(seconds: -cooldowns.seconds)
            for start in try ledger.blocking({ (ledger) throws(StoreError) in try ledger.starts(since: since) }) {
                cooldowns.note(start.connectorId, startedAt: start.startedAt)
            }
        } catch {
            logger.warning("starts of a moment ago are not known", metadata: ["reason": "\(error)"])
        }
    }

    /// Counts a request in and, once it is answered, out.
    ///
    /// - Parameters:
    ///   - userId: whose it is.
    ///   - isStop: stops are counted apart: who waits for a receipt may stop a session all the same.
    /// - Returns: what to answer with; nil when too many are under way, and then it has been answered.
    func admit(userId: String, isStop: Bool = false, _ respond: @escaping Respond) -> Respond? {
        let user = SessionKey(userId)
        guard slots.withLock({ $0.take(user, isStop: isStop) }) else {
            respond(Response(.gatewayBusy))
            return nil
        }
        return { [self] response in
            slots.withLock { $0.giveBack(user, isStop: isStop) }
            respond(response)
        }
    }

    /// Goes on with a session that may be the user's: one of which no owner is known, or whose facts name them. Another's
    /// is answered like one that does not exist, and upstream is not asked.
    ///
    /// - Parameters:
    ///   - isUrgent: whether to go on where sessions cannot be read now.
    ///   - others: the answer where the session is another's; whatever one that does not exist is counted for, this has to be.
    ///   - body: told whether the session is known as the user's, and what is known of it.
    func with(
        _ sessionId: String, of userId: String, isUrgent: Bool = false, _ respond: @escaping Respond,
        others: @escaping @Sendable () -> Problem = { .sessionNotFound },
        _ body: @escaping @Sendable (_ isOwn: Bool, SessionRecord?) -> Void
    ) {
        store.session(sessionId) { result in
            switch result {
            case .success(let record?):
                let users = record.state.userIds
                guard users.isEmpty || users.contains(where: { SessionKey($0) == SessionKey(userId) }) else {
                    return respond(Response(others()))
                }
                body(!users.isEmpty, record)
            case .success: body(false, nil)
            case .failure where isUrgent: body(false, nil)
            case .failure(let error): respond(Response(Problem(error, .storeUnreadable)))
            }
        }
    }

    // MARK: What needs no memory

    /// The signed URL of a receipt, as the Drive API answers it.
    package func receipt(
        userId: String, sessionId: String, trace: RequestTrace = .none, respond: @escaping Respond
    ) {
        guard let respond = admit(userId: userId, respond) else { return }
        metrics.requests[.receipt]?.increment()
        with(sessionId, of: userId, respond) { [self] isOwn, _ in
            client.receipt(userId: userId, sessionId: sessionId, trace: trace) { [self] in
                pass($0, isOwn: isOwn, respond)
            }
        }
    }

    /// Another try to take a payment. What the answer tells of the payment is known before it is passed on; the session is
    /// looked at afterwards.
    package func retryPayment(
        userId: String, sessionId: String, trace: RequestTrace = .none, respond: @escaping Respond
    ) {
        guard let respond = admit(userId: userId, respond) else { return }
        metrics.requests[.retryPayment]?.increment()
        let work = store.beginWork(about: userId)
        with(sessionId, of: userId, respond) { [self] isOwn, record in
            client.retryPayment(userId: userId, sessionId: sessionId, trace: trace) { [self] result in
                let goOn = { @Sendable [self] in
                    // Refused, it tells that the payment is not as it is known here.
                    if result.hasReachedTheAPI || result.isRefusal { reconciler?.askAtOnce(sessionId) }
                    pass(result, isOwn: isOwn, respond)
                }
                guard isOwn, let record, case .success(let answer) = result,
                    let session = answer.value.flatMap({ DriveSession($0) }),
                    session.tells(of: sessionId, whatIsNotIn: record)
                else { return goOn() }
                let observation = Observation(
                    session, sessionId: sessionId, userId: userId, sentAt: answer.sentAt, within: work)
                Task(executorPreference: BackgroundExecutor.shared) { [self] in
                    do throws(StoreError) {
                        _ = try await observation.log(in: store, clock: clock)
                    } catch {
                        if error.code != .erased {
                            logger.warning(
                                "the answer to a payment can't be logged", metadata: ["reason": "\(error)"])
                        }
                    }
                    goOn()
                }
            }
        }
    }

    /// Where there are chargers, as the Drive API answers it.
    ///
    /// - Parameter asker: who asks. It is no user's session, but somebody's request: counted as any other of theirs.
    package func geosearch(
        by asker: Principal, query: String, body: [UInt8], trace: RequestTrace = .none, respond: @escaping Respond
    ) {
        let userId = asker.countedAs
        guard let respond = admit(userId: userId, respond) else { return }
        metrics.requests[.geosearch]?.increment()
        guard let json = try? CanonicalJSON(parsing: body.isEmpty ? Array("{}".utf8) : body), json.isObject else {
            return respond(Response(.malformedGeosearch))
        }
        client.geosearch(query: query, body: json.bytes, of: userId, trace: trace) { [self] in
            pass($0, isOwn: true, respond)
        }
    }

    /// Answers as the Drive API did.
    ///
    /// - Parameter isOwn: whether the session is known as the user's. Where it is not, one that the Drive API does not know
    ///   is answered to the byte as another user's is, so that nobody learns which ids there are.
    func pass<Value>(
        _ result: Result<DriveAPIAnswer<Value>, DriveAPIError>, isOwn: Bool, _ respond: Respond
    ) {
        switch result {
        case .success(let answer): respond(Response(passing: answer))
        case .failure(let error) where error.code == .notFound && !isOwn:
            metrics.failures.increment()
            respond(Response(.sessionNotFound))
        case .failure(let error):
            metrics.failures.increment()
            respond(Response(Problem(error)))
        }
    }
}

extension Result where Failure == DriveAPIError {
    /// Whether the API may have acted on the call.
    var hasReachedTheAPI: Bool {
        switch self {
        case .success: true
        case .failure(let error): error.mayHaveBeenSent
        }
    }

    /// Whether the API has looked at the call and does not do it.
    var isRefusal: Bool {
        switch self {
        case .success: false
        case .failure(let error): error.code == .rejected || error.code == .notFound
        }
    }
}

extension DriveSession {
    /// Whether this is an answer about the session, with another state of its payment than is known. Its form is not
    /// documented upstream: a whole session, or no more than the state.
    fileprivate func tells(of sessionId: String, whatIsNotIn record: SessionRecord) -> Bool {
        guard let balanceStatus, self.sessionId.map({ $0 == sessionId }) ?? true else { return false }
        guard status != nil || record.state.status.isFinal else { return false }
        return balanceStatus != record.state.enrichment.string(.balanceStatus)
    }
}

extension Response {
    /// The Drive API's answer, as far as it is one for an app.
    init<Value>(passing answer: DriveAPIAnswer<Value>) {
        self.init(KeptAnswer(passing: answer))
    }
}

extension Response {
    init(_ answer: KeptAnswer) {
        self.init(status: answer.status, body: answer.body)
        if !answer.body.isEmpty { add("Content-Type", answer.contentType) }
        add("Cache-Control", "no-store" as StaticString)
    }
}

extension KeptAnswer {
    /// JSON as it came, and the plain URL of a receipt; with types of our own. Anything else, a proxy's page for one, would
    /// be shown by a browser as ours.
    init<Value>(passing answer: DriveAPIAnswer<Value>) {
        // What else is a success is about parts of a resource, or forms that are to be reset.
        let status = UInt16([200, 201, 202, 204].contains(answer.status) ? answer.status : 200)
        if (try? CanonicalJSON(parsing: answer.body)) != nil {
            self.init(status: status, contentType: "application/json", body: answer.body)
        } else if (answer.value as? ReceiptAnswer)?.url != nil, answer.body.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            self.init(status: status, contentType: "text/plain; charset=utf-8", body: answer.body)
        } else {
            self.init(status: status, contentType: "application/json", body: [])
        }
    }
}

/// What the gateway counts. Safe from any thread.
package final class GatewayMetrics: Sendable {
    package enum Request: String, Sendable, CaseIterable {
        case start, stop, receipt, geosearch
        case retryPayment = "retry_payment"
    }

    package let requests: [Request: Counter]
    /// Starts turned away because the connector cools down.
    package let cooldowns = Counter()
    /// Answers given again for an idempotency key.
    package let replays = Counter()
    /// Starts that were made while nobody could say what other receivers do.
    package let localStarts = Counter()
    /// Requests that the Drive API did not answer, or not with success.
    package let failures = Counter()

    package init() {
        requests = Dictionary(uniqueKeysWithValues: Request.allCases.map { ($0, Counter()) })
    }
}
