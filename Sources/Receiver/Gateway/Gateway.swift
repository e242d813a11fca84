package import Base
package import DriveAPI
package import HTTPServer
package import Ledger
package import Logging
import SessionIndex
internal import SessionModel
package import SessionStore

/// Passes requests about sessions on to the Drive API, and notes what follows from them.
package final class Gateway: Sendable {
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
    }

    /// Reads which connectors still cool down.
    func restoreCooldowns() async {
        do throws(StoreError) {
            for start in try await ledger.starts(since: clock().adding(seconds: -cooldowns.seconds)) {
                cooldowns.note(start.connectorId, startedAt: start.startedAt)
            }
        } catch {
            logger.warning("starts of a moment ago are not known", metadata: ["reason": "\(error)"])
        }
    }

    /// Counts a request in and, once there is an answer, out.
    ///
    /// - Parameters:
    ///   - userId: whose it is.
    ///   - isStop: stops are counted apart: who waits for a receipt may stop a session all the same.
    func counted(
        _ kind: GatewayMetrics.Request, userId: String, isStop: Bool = false,
        _ work: () async throws(Problem) -> Response
    ) async -> Response {
        let user = SessionKey(userId)
        guard slots.withLock({ $0.take(user, isStop: isStop) }) else { return Response(.gatewayBusy) }
        defer { slots.withLock { $0.giveBack(user, isStop: isStop) } }
        metrics.requests[kind]?.increment()
        do throws(Problem) { return try await work() } catch { return Response(error) }
    }

    /// A session as far as it may be the user's.
    struct Known {
        /// Whether the session is known as the user's: its facts name them.
        let isOwn: Bool
        /// What is known of it.
        let record: SessionRecord?
    }

    /// Looks up a session that may be the user's: one of which no owner is known, or whose facts name them.
    ///
    /// - Parameter isUrgent: whether to go on where sessions cannot be read now.
    /// - Returns: nil where it is another's: that is answered as one that does not exist, and upstream is not asked.
    func lookUp(
        _ sessionId: String, of userId: String, isUrgent: Bool = false
    ) async throws(Problem) -> Known? {
        do throws(StoreError) {
            guard let record = try await store.session(sessionId) else { return Known(isOwn: false, record: nil) }
            let users = record.state.userIds
            guard users.isEmpty || users.contains(where: { SessionKey($0) == SessionKey(userId) }) else { return nil }
            return Known(isOwn: !users.isEmpty, record: record)
        } catch {
            guard isUrgent else { throw Problem(error, .storeUnreadable) }
            return Known(isOwn: false, record: nil)
        }
    }

    // MARK: What needs no memory

    /// The signed URL of a receipt, as the Drive API answers it.
    package func receipt(userId: String, sessionId: String, trace: RequestTrace = .none) async -> Response {
        await counted(.receipt, userId: userId) { () async throws(Problem) in
            guard let known = try await lookUp(sessionId, of: userId) else { throw .sessionNotFound }
            let result = await client.result {
                client.receipt(userId: userId, sessionId: sessionId, trace: trace, completion: $0)
            }
            return pass(result, isOwn: known.isOwn)
        }
    }

    /// Another try to take a payment. What the answer tells of the payment is known before it is passed on; the session is
    /// looked at afterwards.
    package func retryPayment(userId: String, sessionId: String, trace: RequestTrace = .none) async -> Response {
        await counted(.retryPayment, userId: userId) { () async throws(Problem) in
            let work = store.beginWork(about: userId)
            guard let known = try await lookUp(sessionId, of: userId) else { throw .sessionNotFound }
            let result = await client.result {
                client.retryPayment(userId: userId, sessionId: sessionId, trace: trace, completion: $0)
            }
            if known.isOwn, let record = known.record, case .success(let answer) = result,
                let session = answer.value.flatMap({ DriveSession($0) }),
                session.tells(of: sessionId, whatIsNotIn: record)
            {
                await log(
                    Observation(session, sessionId: sessionId, userId: userId, sentAt: answer.sentAt, within: work))
            }
            // Refused, it tells that the payment is not as it is known here.
            if result.hasReachedTheAPI || result.isRefusal { reconciler?.askAtOnce(sessionId) }
            return pass(result, isOwn: known.isOwn)
        }
    }

    private func log(_ observation: Observation) async {
        do throws(StoreError) {
            _ = try await observation.log(in: store, clock: clock)
        } catch {
            if error.code == .erased { return }
            logger.warning("the answer to a payment can't be logged", metadata: ["reason": "\(error)"])
        }
    }

    /// Where there are chargers, as the Drive API answers it.
    ///
    /// - Parameter asker: who asks. It is no user's session, but somebody's request: counted as any other of theirs.
    package func geosearch(
        by asker: Principal, query: String, body: [UInt8], trace: RequestTrace = .none
    ) async -> Response {
        let userId = asker.countedAs
        return await counted(.geosearch, userId: userId) { () async throws(Problem) in
            guard let json = try? CanonicalJSON(parsing: body.isEmpty ? Array("{}".utf8) : body), json.isObject else {
                throw .malformedGeosearch
            }
            let result = await client.result {
                client.geosearch(query: query, body: json.bytes, of: userId, trace: trace, completion: $0)
            }
            return pass(result, isOwn: true)
        }
    }

    /// Answers as the Drive API did.
    ///
    /// - Parameter isOwn: whether the session is known as the user's. Where it is not, one that the Drive API does not know
    ///   is answered to the byte as another user's is, so that nobody learns which ids there are.
    func pass<Value>(_ result: Result<DriveAPIAnswer<Value>, DriveAPIError>, isOwn: Bool) -> Response {
        switch result {
        case .success(let answer): return Response(passing: answer)
        case .failure(let error):
            metrics.failures.increment()
            return Response(error.code == .notFound && !isOwn ? .sessionNotFound : Problem(error))
        }
    }

    /// Logs what a client did, as a fact of the second in which the request was sent: what the Drive API reports of it
    /// happens later, but its callbacks may name whole seconds only. Where they are known to be exact, so is this.
    func logFact(
        _ action: SessionEvent.ClientAction, sessionId: String, userId: String?, connectorId: String? = nil,
        at sentAt: Instant, record: SessionRecord? = nil, within work: WorkTicket
    ) async throws(StoreError) {
        let body = SessionEvent.clientBody(
            action, sessionId: sessionId, userId: userId, connectorId: connectorId,
            at: OwnTimestamp.of(sentAt, knowing: record))
        let event: SessionEvent
        do throws(EventError) {
            event = try SessionEvent.decode(body, source: .client, limits: .unbounded)
        } catch {
            throw StoreError(.unavailable, error.detail)
        }
        // Two requests within one second are one fact; a client's repeat is no delivery to be counted.
        if let record, record.knows(event) { return }
        let outcome = try await store.append(Delivery(event: event, body: body, receivedAt: clock()), within: work)
        reconciler?.noted(outcome)
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
