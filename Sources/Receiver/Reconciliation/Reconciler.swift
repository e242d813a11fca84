package import Base
import Dispatch
package import DriveAPI
package import Ledger
package import Logging
package import SessionIndex
package import SessionModel
package import SessionStore
internal import Synchronization

/// Asks the Drive API about sessions whose state calls for it, and logs what it answers as facts.
///
/// `@unchecked Sendable`: schedule, timer and look-up belong to `queue`; what other threads touch is guarded.
package final class Reconciler: @unchecked Sendable {
    /// News that wait for the next tick; beyond it they are dropped and the store is searched again.
    static let newsMax = 65_536
    private static let beginning = SessionPlace(key: 0, tie: 0)

    let client: DriveAPIClient
    let store: any SessionStore
    let settings: ReconciliationSettings
    let logger: Logger
    let clock: @Sendable () -> Instant
    let monotonic: @Sendable () -> UInt64
    let ledger: Ledger?
    package let metrics = ReconciliationMetrics()

    let queue = DispatchQueue(label: "chargefold.reconciler", qos: .utility)
    var schedule: ReconciliationSchedule
    var starts: StartLookUps
    private var timer: (any DispatchSourceTimer)?
    var underWay = 0
    /// Where the search for unsettled sessions stands; nil: none is under way.
    private var searchAfter: SessionPlace?
    private var isSearching = false
    var pausedUntil: UInt64 = 0
    var reconciled: [(sessionId: String, sentAt: Instant)] = []
    /// Settled since the last tick, to be asked about once more some day.
    var settledMeanwhile: [String] = []
    /// To be asked about once more now, the first one last.
    var refundsDue: [String] = []
    var nextRefundLookAt: UInt64 = 0
    private var isStopped = false
    /// Signalled when nothing is under way any more.
    private var awaitingIdle: [DispatchSemaphore] = []
    private let ticksAutomatically: Bool
    /// Whether this receiver asks of itself. Another one does otherwise, and here only what was requested here is asked.
    private let leads: @Sendable () -> Bool
    /// What `leads` said when it was asked last.
    private(set) var leadsNow = true

    private struct News {
        var outcomes: [(sessionId: String, status: SessionStatus, isDescribed: Bool)] = []
        var isIncomplete = false
    }

    private let news = Locked(News())

    package init(
        client: DriveAPIClient, store: any SessionStore, ledger: Ledger?,
        settings: ReconciliationSettings, logger: Logger, seed: UInt64 = .random(in: 0 ... .max),
        clock: @escaping @Sendable () -> Instant = SystemClock.now, timing: ReconcilerTiming = ReconcilerTiming(),
        leads: @escaping @Sendable () -> Bool = { true }
    ) {
        self.leads = leads
        self.client = client
        self.store = store
        self.ledger = ledger
        self.settings = settings
        self.logger = logger
        self.clock = clock
        monotonic = timing.monotonic
        ticksAutomatically = timing.ticksAutomatically
        schedule = ReconciliationSchedule(settings, seed: seed)
        starts = StartLookUps(settings)
    }

    /// Looks up the sessions that are not settled, and begins to ask.
    package func start() {
        loadUnansweredStarts()
        queue.sync {
            leadsNow = leads()
            searchAfter = leadsNow ? Self.beginning : nil
        }
        guard ticksAutomatically else { return }
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: .milliseconds(250), leeway: .milliseconds(50))
        timer.setEventHandler { [weak self] in self?.tick() }
        queue.sync { self.timer = timer }
        timer.activate()
    }

    /// Asks no more. What is under way may still be logged, as long as the store is open.
    package func stop() {
        queue.sync {
            isStopped = true
            timer?.cancel()
            timer = nil
            writeReconciled()
            writeRefundChecks()
        }
    }

    /// Something new is known of a session. From any thread; costs one lock.
    package func noted(_ outcome: IngestOutcome) {
        if !outcome.duplicate { noted(sessionId: outcome.sessionId, outcome.status) }
    }

    /// The same of news that came another way.
    ///
    /// - Parameter isDescribed: they came from the Drive API, with the session's charger.
    package func noted(sessionId: String, _ status: SessionStatus, isDescribed: Bool = false) {
        news.withLock { news in
            guard news.outcomes.count < Self.newsMax else {
                news.isIncomplete = true
                return
            }
            news.outcomes.append((sessionId, status, isDescribed))
        }
    }

    /// To be asked about soon, whatever is known of them: they may have missed events.
    package func mayHaveMissedEvents(_ records: [SessionRecord]) {
        let sessions = records.map { (SessionKey($0.sessionId), $0.state.status, $0.isDescribed) }
        let now = monotonic()
        queue.async { [self] in
            for (key, status, isDescribed) in sessions where leadsNow {
                schedule.add(key, status, isDescribed: isDescribed, at: now)
            }
        }
    }

    /// To be asked about at once: the outcome of a request about it is not known.
    package func askAtOnce(_ sessionId: String) { ask(sessionId, afterSeconds: 0) }

    /// To be asked about soon: a request about it was taken, and what comes of it is not to be waited for.
    package func askSoon(_ sessionId: String) {
        if settings.soonSeconds > 0 { ask(sessionId, afterSeconds: settings.soonSeconds) }
    }

    private func ask(_ sessionId: String, afterSeconds seconds: Int64) {
        let instant = monotonic() + UInt64(seconds) * 1_000_000_000
        queue.async { [self] in schedule.requested(SessionKey(sessionId), at: instant) }
    }

    /// Does what the timer does, and waits until everything that it began has ended. For tests.
    package func run() {
        let idle = DispatchSemaphore(value: 0)
        queue.sync {
            tick()
            awaitingIdle.append(idle)
            checkWhetherIdle()
        }
        idle.wait()
    }

    // MARK: On the queue

    func checkWhetherIdle() {
        guard !awaitingIdle.isEmpty, underWay == 0, !isSearching, starts.underWay == nil else { return }
        for idle in awaitingIdle { idle.signal() }
        awaitingIdle = []
    }

    private func tick() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard !isStopped else { return }
        let now = monotonic()
        noteLeadership()
        takeNews(now)
        searchStore(now)
        writeReconciled()
        writeRefundChecks()
        metrics.watched.store(schedule.count, ordering: .relaxed)
        metrics.givenUp.store(schedule.givenUpCount, ordering: .relaxed)
        metrics.done.store(schedule.doneCount, ordering: .relaxed)
        metrics.doneCalls.store(schedule.doneCallCount, ordering: .relaxed)
        if now < pausedUntil { return }
        // Once its time is over, a call has to be made for it to close.
        if case .open(let until) = client.statistics.breaker, until > now {
            pausedUntil = min(until, now + 1_000_000_000)
            return
        }
        while underWay < settings.callsMax, let key = schedule.takeDue(now: now) { ask(key) }
        lookForStarts(now)
        if leadsNow { checkRefunds(now) }
    }

    /// Whoever begins to lead looks up what is unsettled, whoever has received it; whoever does no more lets it go.
    private func noteLeadership() {
        let leads = leads()
        guard leads != leadsNow else { return }
        leadsNow = leads
        searchAfter = leads ? Self.beginning : nil
        if !leads { schedule.forgetAll() }
    }

    private func takeNews(_ now: UInt64) {
        let taken = news.withLock { news in
            defer { news = News() }
            return news
        }
        guard leadsNow else { return }
        for news in taken.outcomes {
            schedule.noted(SessionKey(news.sessionId), news.status, isDescribed: news.isDescribed, now: now)
        }
        if taken.isIncomplete, searchAfter == nil { searchAfter = Self.beginning }
    }

    /// One page of the sessions that are not settled, while such a search is under way.
    private func searchStore(_ now: UInt64) {
        if searchAfter == nil, leadsNow, schedule.wantsMore {
            schedule.willLookUp()
            searchAfter = Self.beginning
        }
        guard let after = searchAfter, !isSearching, schedule.count < settings.sessionsMax else { return }
        isSearching = true
        var selection = SessionSelection(.expecting(.payment), limit: 500)
        selection.after = after
        store.select(selection) { [self] result in
            queue.async { [self] in
                isSearching = false
                if leadsNow { found(result) }
                checkWhetherIdle()
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
                    SessionKey(record.sessionId), record.state.status, isDescribed: record.isDescribed,
                    at: now + UInt64(rest) * 1_000_000_000)
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
        guard let ledger, !reconciled.isEmpty else { return }
        let sessions = reconciled
        do throws(StoreError) {
            try ledger.blocking { (ledger) throws(StoreError) in try ledger.setReconciled(sessions) }
            reconciled = []
        } catch {
            // Kept for the next time, within bounds.
            reconciled = Array(sessions.suffix(10_000))
        }
    }
}

extension SessionRecord {
    /// Whether the Drive API has told which charger it is: nobody else does.
    var isDescribed: Bool { state.enrichment[.charger] != nil }

    /// When something was last heard of the session.
    var lastReceivedAt: Instant {
        facts.reduce(Instant.earliest) { max($0, $1.receivedAt) }
    }
}

/// How time passes for the reconciler.
package struct ReconcilerTiming: Sendable {
    /// Nanoseconds since some moment.
    package var monotonic: @Sendable () -> UInt64 = SystemClock.monotonicNanoseconds
    /// Off: only `Reconciler.run()` looks at the clock. For tests that choose the moment.
    package var ticksAutomatically = true

    package init() {}
}
