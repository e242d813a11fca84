package import Base
internal import Dispatch
package import DriveAPI
package import Ledger
package import Logging
package import SessionIndex
package import SessionModel
package import SessionStore
internal import Synchronization

/// Asks the Drive API about sessions whose state calls for it, and logs what it answers as facts.
///
/// What others hand over waits in an inbox for the next tick: to hand it over costs one lock. A question is a task.
package actor Reconciler {
    /// News that wait for the next tick; beyond it they are dropped and the store is searched again.
    static let newsMax = 65_536
    private static let beginning = SortKey(key: 0, tie: 0)

    let client: DriveAPIClient
    let store: any SessionStore
    let settings: ReconciliationSettings
    let logger: Logger
    let clock: @Sendable () -> Instant
    let monotonic: @Sendable () -> UInt64
    let ledger: Ledger?
    package nonisolated let metrics = ReconciliationMetrics()

    private let executor = QueueExecutor(label: "chargefold.reconciler", qos: .utility)
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    var schedule: ReconciliationSchedule
    var starts: StartLookUps
    var underWay = 0
    /// Where the search for unsettled sessions stands; nil: none is under way.
    private var searchAfter: SortKey?
    private var isSearching = false
    private var pausedUntil: UInt64 = 0
    var reconciled: [(sessionId: String, sentAt: Instant)] = []
    /// Settled since the last tick, to be asked about once more some day.
    var settledMeanwhile: [String] = []
    /// To be asked about once more now, the first one last.
    var refundsDue: [String] = []
    var nextRefundLookAt: UInt64 = 0
    private var isStopped = false
    private let ticking = RepeatedTask()
    private let ticksAutomatically: Bool
    /// Whether this receiver asks of itself. Another one does otherwise, and here only what was requested here is asked.
    private let leads: @Sendable () -> Bool
    /// What `leads` said when it was asked last.
    private(set) var leadsNow = true

    private struct Inbox {
        var news: [(sessionId: String, status: SessionStatus, isDescribed: Bool)] = []
        /// News were dropped.
        var isIncomplete = false
        /// Sessions that may have missed events.
        var doubtful: [(key: SessionKey, status: SessionStatus, isDescribed: Bool, at: UInt64)] = []
        /// Sessions about which something was asked of the Drive API.
        var requested: [(key: SessionKey, at: UInt64)] = []
        /// Starts of unknown outcome, as the ledger numbers them.
        var starts: [(id: Int64, at: UInt64)] = []
    }

    private let inbox = Locked(Inbox())

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
    package func start() async {
        await loadUnansweredStarts()
        leadsNow = leads()
        searchAfter = leadsNow ? Self.beginning : nil
        guard ticksAutomatically, !isStopped else { return }
        ticking.start(every: .milliseconds(250)) { [weak self] in await self?.tick() }
    }

    /// Asks no more. What is under way may still be logged, as long as the store is open.
    package func stop() async {
        isStopped = true
        await ticking.stop()
        await writeReconciled()
        await writeRefundChecks()
    }

    // MARK: From any thread

    /// Something new is known of a session.
    package nonisolated func noted(_ outcome: IngestOutcome) {
        if !outcome.duplicate { noted(sessionId: outcome.sessionId, outcome.status) }
    }

    /// The same of news that came another way.
    ///
    /// - Parameter isDescribed: they came from the Drive API, with the session's charger.
    package nonisolated func noted(sessionId: String, _ status: SessionStatus, isDescribed: Bool = false) {
        inbox.withLock { inbox in
            guard inbox.news.count < Self.newsMax else {
                inbox.isIncomplete = true
                return
            }
            inbox.news.append((sessionId, status, isDescribed))
        }
    }

    /// To be asked about soon, whatever is known of them: they may have missed events.
    package nonisolated func mayHaveMissedEvents(_ records: [SessionRecord]) {
        let now = monotonic()
        let sessions = records.map { (SessionKey($0.sessionId), $0.state.status, $0.isDescribed, now) }
        inbox.withLock { $0.doubtful += sessions }
    }

    /// To be asked about at once: the outcome of a request about it is not known.
    package nonisolated func askAtOnce(_ sessionId: String) { ask(sessionId, afterSeconds: 0) }

    /// To be asked about soon: a request about it was taken, and what comes of it is not to be waited for.
    package nonisolated func askSoon(_ sessionId: String) {
        if settings.soonSeconds > 0 { ask(sessionId, afterSeconds: settings.soonSeconds) }
    }

    private nonisolated func ask(_ sessionId: String, afterSeconds seconds: Int64) {
        let instant = monotonic() + UInt64(seconds) * 1_000_000_000
        inbox.withLock { $0.requested.append((SessionKey(sessionId), instant)) }
    }

    /// A start that is noted in the ledger is to be looked for.
    package nonisolated func lookFor(unansweredStart id: Int64) {
        let now = monotonic()
        inbox.withLock { $0.starts.append((id, now)) }
    }

    // MARK: Ticks

    /// Does what is due, four times a second.
    ///
    /// - Returns: what it has begun.
    @discardableResult
    package func tick() async -> [Task<Void, Never>] {
        guard !isStopped else { return [] }
        let now = monotonic()
        noteLeadership()
        takeInbox(now)
        var begun = [searchStore(now)]
        await writeReconciled()
        await writeRefundChecks()
        metrics.watched.store(schedule.count, ordering: .relaxed)
        metrics.givenUp.store(schedule.givenUpCount, ordering: .relaxed)
        metrics.done.store(schedule.doneCount, ordering: .relaxed)
        metrics.doneCalls.store(schedule.doneCallCount, ordering: .relaxed)
        // It may have been stopped meanwhile.
        if isStopped || now < pausedUntil { return begun.compactMap(\.self) }
        // Once its time is over, a call has to be made for it to close.
        if case .open(let until) = client.statistics.breaker, until > now {
            pausedUntil = min(until, now + 1_000_000_000)
            return begun.compactMap(\.self)
        }
        while underWay < settings.callsMax, let key = schedule.takeDue(now: now) { begun.append(ask(key)) }
        begun.append(lookForStarts(now))
        if leadsNow { begun.append(await checkRefunds(now)) }
        return begun.compactMap(\.self)
    }

    /// Work between two ticks: what it awaits blocks no tick.
    func begin(_ work: @escaping @Sendable (isolated Reconciler) async -> Void) -> Task<Void, Never> {
        Task(executorPreference: BackgroundExecutor.shared) { await work(self) }
    }

    /// Asks nothing for so long.
    func pause(seconds: UInt64) { pausedUntil = max(pausedUntil, monotonic() + seconds * 1_000_000_000) }

    /// Whoever begins to lead looks up what is unsettled, whoever has received it; whoever does no more lets it go.
    private func noteLeadership() {
        let leads = leads()
        guard leads != leadsNow else { return }
        leadsNow = leads
        searchAfter = leads ? Self.beginning : nil
        if !leads { schedule.forgetAll() }
    }

    func takeInbox(_ now: UInt64) {
        let taken = inbox.withLock { inbox in
            defer { inbox = Inbox() }
            return inbox
        }
        for start in taken.starts { starts.add(start.id, now: start.at) }
        for request in taken.requested { schedule.requested(request.key, at: request.at) }
        guard leadsNow else { return }
        for session in taken.doubtful {
            schedule.add(session.key, session.status, isDescribed: session.isDescribed, at: session.at)
        }
        for news in taken.news {
            schedule.noted(SessionKey(news.sessionId), news.status, isDescribed: news.isDescribed, now: now)
        }
        if taken.isIncomplete, searchAfter == nil { searchAfter = Self.beginning }
    }

    /// One page of the sessions that are not settled, while such a search is under way.
    private func searchStore(_ now: UInt64) -> Task<Void, Never>? {
        if searchAfter == nil, leadsNow, schedule.wantsMore {
            schedule.willLookUp()
            searchAfter = Self.beginning
        }
        guard let after = searchAfter, !isSearching, schedule.count < settings.sessionsMax else { return nil }
        isSearching = true
        var selection = SessionSelection(.expecting(.payment), limit: 500)
        selection.after = after
        return begin { [selection] in await $0.search(selection) }
    }

    private func search(_ selection: SessionSelection) async {
        do throws(StoreError) {
            let page = try await store.select(selection)
            if leadsNow { found(page) }
        } catch {
            logger.warning("sessions to reconcile can't be looked up", metadata: ["reason": "\(error)"])
            pause(seconds: 1)
        }
        isSearching = false
    }

    private func found(_ page: SessionPage) {
        let (now, wall) = (monotonic(), clock())
        for record in page.records where isYoung(record, wall) {
            // As if the news had just been heard, less the time that has passed since.
            let waited = max(0, wall.microseconds(since: record.lastReceivedAt)) / 1_000_000
            let rest = max(0, settings.patienceSeconds(record.state.status) - waited)
            schedule.add(
                SessionKey(record.sessionId), record.state.status, isDescribed: record.isDescribed,
                at: now + UInt64(rest) * 1_000_000_000)
        }
        searchAfter = page.next
    }

    private func isYoung(_ record: SessionRecord, _ now: Instant) -> Bool {
        record.lastReceivedAt > now.adding(seconds: -settings.giveUpDays * 86_400)
    }

    private func writeReconciled() async {
        guard let ledger, !reconciled.isEmpty else { return }
        let sessions = reconciled
        reconciled = []
        do throws(StoreError) {
            try await ledger.setReconciled(sessions)
        } catch {
            // Kept for the next time, within bounds.
            reconciled = Array((sessions + reconciled).suffix(10_000))
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
    /// Off: time passes when somebody calls `Reconciler.tick()`.
    package var ticksAutomatically = true

    package init() {}
}
