import Dispatch
package import DriveAPI
import Locks
package import Logging
package import SessionModel
package import SessionStore
package import Synchronization

/// Asks the Drive API about sessions whose state calls for it, and logs what it answers as facts.
///
/// `@unchecked Sendable`: schedule, timer and look-up belong to `queue`; what other threads touch is guarded.
package final class Reconciler: @unchecked Sendable {
    /// News that wait for the next tick; beyond it they are dropped and the store is searched again.
    static let newsMax = 65_536
    private static let beginning = SessionPlace(key: 0, number: 0)

    private let client: DriveAPIClient
    private let store: any SessionStore
    private let settings: ReconciliationSettings
    private let logger: Logger
    private let clock: @Sendable () -> Instant
    private let monotonic: @Sendable () -> UInt64
    private let operations: OperationsStore?
    package let metrics = ReconciliationMetrics()

    let queue = DispatchQueue(label: "chargefold.reconciler", qos: .utility)
    private var schedule: ReconciliationSchedule
    private var timer: (any DispatchSourceTimer)?
    private var underWay = 0
    /// Where the search for unsettled sessions stands; nil: none is under way.
    private var searchAfter: SessionPlace?
    private var isSearching = false
    private var pausedUntil: UInt64 = 0
    private var reconciled: [(sessionId: String, sentAt: Instant)] = []
    private var isStopped = false

    private struct News {
        var outcomes: [(sessionId: String, status: SessionStatus)] = []
        var isIncomplete = false
    }

    private let news = Locked(News())

    package init(
        client: DriveAPIClient, store: any SessionStore, operations: OperationsStore?,
        settings: ReconciliationSettings, logger: Logger, seed: UInt64 = .random(in: 0 ... .max),
        clock: @escaping @Sendable () -> Instant = SystemClock.now,
        monotonic: @escaping @Sendable () -> UInt64 = SystemClock.monotonicNanoseconds
    ) {
        self.client = client
        self.store = store
        self.operations = operations
        self.settings = settings
        self.logger = logger
        self.clock = clock
        self.monotonic = monotonic
        schedule = ReconciliationSchedule(settings, seed: seed)
    }

    /// Looks up the sessions that are not settled, and begins to ask.
    package func start() {
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: .milliseconds(250), leeway: .milliseconds(50))
        timer.setEventHandler { [weak self] in self?.tick() }
        queue.sync {
            self.timer = timer
            searchAfter = Self.beginning
        }
        timer.activate()
    }

    /// Asks no more. What is under way may still be logged, as long as the store is open.
    package func stop() {
        queue.sync {
            isStopped = true
            timer?.cancel()
            timer = nil
            writeReconciled()
        }
    }

    /// Something new is known of a session. From any thread; costs one lock.
    package func noted(_ outcome: IngestOutcome) {
        guard !outcome.duplicate else { return }
        news.withLock { news in
            guard news.outcomes.count < Self.newsMax else {
                news.isIncomplete = true
                return
            }
            news.outcomes.append((outcome.sessionId, outcome.status))
        }
    }

    /// To be asked about soon, whatever is known of them: they may have missed events.
    package func mayHaveMissedEvents(_ records: [SessionRecord]) {
        let sessions = records.map { (SessionKey($0.sessionId), $0.state.status) }
        queue.async { [self] in
            let now = monotonic()
            for (key, status) in sessions { schedule.add(key, status, at: now) }
        }
    }

    /// To be asked about at once: the outcome of a request about it is not known.
    package func askSoon(_ sessionId: String) {
        queue.async { [self] in schedule.add(SessionKey(sessionId), .unknown, at: monotonic()) }
    }

    // MARK: On the queue

    /// What the timer does; tests call it themselves.
    func tick() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard !isStopped else { return }
        let now = monotonic()
        takeNews(now)
        searchStore(now)
        writeReconciled()
        metrics.watched.store(schedule.count, ordering: .relaxed)
        metrics.givenUp.store(schedule.givenUpCount, ordering: .relaxed)
        if now < pausedUntil { return }
        if case .open(let until) = client.statistics.breaker {
            pausedUntil = min(until, now + 1_000_000_000)
            return
        }
        while underWay < settings.callsMax, let key = schedule.takeDue(now: now) { ask(key) }
    }

    private func takeNews(_ now: UInt64) {
        let taken = news.withLock { news in
            defer { news = News() }
            return news
        }
        for (sessionId, status) in taken.outcomes { schedule.noted(SessionKey(sessionId), status, now: now) }
        if taken.isIncomplete, searchAfter == nil { searchAfter = Self.beginning }
    }

    /// One page of the sessions that are not settled, while such a search is under way.
    private func searchStore(_ now: UInt64) {
        if searchAfter == nil, schedule.wantsMore {
            schedule.willLookUp()
            searchAfter = Self.beginning
        }
        guard let after = searchAfter, !isSearching, schedule.count < settings.sessionsMax else { return }
        isSearching = true
        var selection = SessionSelection(.unsettled(.unsettled), limit: 500)
        selection.after = after
        store.select(selection) { [self] result in
            queue.async { [self] in
                isSearching = false
                found(result)
            }
        }
    }

    private func found(_ result: Result<SessionPage, StoreError>) {
        let now = monotonic()
        switch result {
        case .success(let page):
            let wall = clock()
            for record in page.records where isYoung(record, wall) {
                // As if the news had just been heard, less the time that has passed since.
                let waited = max(0, wall.microseconds(since: record.lastReceivedAt)) / 1_000_000
                let rest = max(0, settings.patienceSeconds(record.state.status) - waited)
                schedule.add(
                    SessionKey(record.sessionId), record.state.status, at: now + UInt64(rest) * 1_000_000_000)
            }
            searchAfter = page.next
        case .failure(let error):
            logger.warning("sessions to reconcile can't be looked up", metadata: ["reason": "\(error)"])
            pausedUntil = now + 1_000_000_000
        }
    }

    private func isYoung(_ record: SessionRecord, _ now: Instant) -> Bool {
        record.lastReceivedAt > now.adding(seconds: -settings.giveUpDays * 86_400)
    }

    private func writeReconciled() {
        guard let operations, !reconciled.isEmpty else { return }
        let sessions = reconciled
        do throws(StoreError) {
            try operations.setReconciled(sessions)
            reconciled = []
        } catch {
            // Kept for the next time, within bounds.
            reconciled = Array(sessions.suffix(10_000))
        }
    }

    private func ask(_ key: SessionKey) {
        underWay += 1
        store.session(key.sessionId) { [self] result in
            guard case .success(let record?) = result, record.settlement != .settled else {
                var outcome = ReconciliationSchedule.Outcome.settled
                switch result {
                case .failure: outcome = .postponed(nanoseconds: 5_000_000_000)
                case .success(nil): break
                // Nothing more is to be learnt of it: whatever was missed has been made up for.
                case .success: queue.async { [self] in reconciled.append((key.sessionId, clock())) }
                }
                return ended(key, outcome)
            }
            // A session of which only a fee is known names no user, and only a user's session can be asked about.
            guard let userId = record.state.userId else {
                metrics.unaskable.increment()
                return ended(key, .settled)
            }
            metrics.calls.increment()
            client.session(userId: userId, sessionId: key.sessionId, priority: .background) { [self] result in
                switch result {
                case .success(let answer): take(answer, key, userId)
                case .failure(let error): failed(error, key, record.state.status)
                }
            }
        }
    }

    private func take(_ answer: DriveAPIAnswer<DriveSession>, _ key: SessionKey, _ userId: String) {
        let observation = Observation(answer.value, sessionId: key.sessionId, userId: userId, sentAt: answer.sentAt)
        observation.log(in: store, clock: clock) { [self] result in
            switch result {
            case .success(let logged):
                (logged.isNews ? metrics.news : metrics.unchanged).increment()
                queue.async { [self] in reconciled.append((key.sessionId, answer.sentAt)) }
                ended(key, logged.isSettled ? .settled : .answered(logged.status))
            case .failure(let error):
                logger.warning("an answer of the Drive API can't be logged", metadata: ["reason": "\(error)"])
                ended(key, .postponed(nanoseconds: 5_000_000_000))
            }
        }
    }

    private func failed(_ error: DriveAPIError, _ key: SessionKey, _ status: SessionStatus) {
        metrics.failures.increment()
        switch error.code {
        case .notFound, .invalidRequest, .rejected, .malformedAnswer:
            // It is about this session: counts as an answer, so that it ends some time.
            ended(key, .answered(status))
        case .unauthorized:
            logger.error("the Drive API refuses the API key", metadata: ["error": "\(error)"])
            pause(seconds: 60)
            ended(key, .postponed(nanoseconds: 60_000_000_000))
        default:
            let seconds = UInt64(clamping: max(1, error.retryAfterSeconds ?? 5))
            if error.code == .rateLimited { pause(seconds: seconds) }
            ended(key, .postponed(nanoseconds: seconds * 1_000_000_000))
        }
    }

    private func pause(seconds: UInt64) {
        queue.async { [self] in pausedUntil = max(pausedUntil, monotonic() + seconds * 1_000_000_000) }
    }

    private func ended(_ key: SessionKey, _ outcome: ReconciliationSchedule.Outcome) {
        queue.async { [self] in
            underWay -= 1
            schedule.ended(key, outcome, now: monotonic())
        }
    }
}

extension SessionRecord {
    /// When something was last heard of the session.
    var lastReceivedAt: Instant {
        facts.reduce(Instant.earliest) { max($0, $1.receivedAt) }
    }
}

/// What the reconciler counts. Safe from any thread.
package final class ReconciliationMetrics: Sendable {
    package let calls = Counter()
    /// Answers that told something new.
    package let news = Counter()
    package let unchanged = Counter()
    package let failures = Counter()
    /// Sessions that can't be asked about, because nobody has named their user.
    package let unaskable = Counter()
    package let watched = Atomic<Int>(0)
    package let givenUp = Atomic<Int>(0)

    package init() {}
}
