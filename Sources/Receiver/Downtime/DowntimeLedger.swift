package import Base
internal import Dispatch
package import Ledger
package import Logging
import SessionIndex
package import SessionModel
package import SessionStore

/// Keeps the account of times in which callbacks could not be accepted, and of the sessions that may have missed some.
package actor DowntimeLedger {
    /// Sessions noted for one interval.
    package static let affectedMax = 100_000
    /// Downtimes that are kept while they cannot be written; beyond it the two oldest behind the first become one.
    private static let unwrittenMax = 100
    /// Seconds from a search that has failed to the next one.
    package static let searchRetrySeconds = 5
    /// Downtimes among which the last one is looked for in which no receiver accepted.
    private static let lastMax = 100

    private let ledger: Ledger
    private let store: any SessionStore
    private let clock: @Sendable () -> Instant
    private let logger: Logger
    private let sessionsPerPage: Int
    /// Told of open sessions that may have missed events.
    private let onAffected: @Sendable ([SessionRecord]) -> Void
    private let others: Others

    private let executor = QueueExecutor(label: "chargefold.downtime", qos: .utility)
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let state = Locked(State())
    private let watching = RepeatedTask()
    /// The search that is under way.
    package private(set) var searching: Task<Void, Never>?
    /// An interval was recorded meanwhile.
    private var mustSearchAgain = false
    /// Seconds until a search is due; nil: none is.
    private var secondsToSearch: Int?
    /// It was said that something could not be written, or looked up.
    private var isUnwrittenTold = false
    private var isSearchTold = false

    private struct State {
        var tracker: DowntimeTracker?
        /// Without a break.
        var acceptingSince = Instant.earliest
        var last = Last()
        /// What was before the start, until it is known.
        var beginning: Beginning?
        /// Downtimes that could not be written yet, the oldest first.
        var unwritten: [(from: Instant, to: Instant, cause: Downtime.Cause)] = []
        var isStopped = false

        /// To be written: what a tracker has found.
        mutating func add(_ action: DowntimeTracker.Action) {
            guard case .record(let from, let to) = action else { return }
            unwritten.append((from, to, .storeUnavailable))
            guard unwritten.count > unwrittenMax else { return }
            // Rather a longer one than none. Not of the oldest, which may be on its way to the ledger.
            let old = unwritten.remove(at: 1)
            unwritten[1].from = min(old.from, unwritten[1].from)
        }
    }

    /// What a start goes by.
    private struct Beginning {
        /// The receiver listens as of then.
        let at: Instant
        /// When the newest row of the log was received.
        let lastDelivery: Instant?
    }

    /// When the last downtime ended.
    struct Last {
        var here: Instant?
        /// Of those in which no other receiver accepted either, as far as that is known.
        var everywhere: Instant?
    }

    package init(
        ledger: Ledger, store: any SessionStore, logger: Logger,
        clock: @escaping @Sendable () -> Instant = SystemClock.now, sessionsPerPage: Int = 2_000,
        others: Others = Others(),
        onAffected: @escaping @Sendable ([SessionRecord]) -> Void = { _ in }
    ) {
        self.ledger = ledger
        self.store = store
        self.logger = logger
        self.clock = clock
        self.sessionsPerPage = sessionsPerPage
        self.others = others
        self.onAffected = onAffected
    }

    /// The receiver listens as of now: records the time since it last did.
    ///
    /// - Parameter lastDelivery: when the newest row of the log was received, further evidence of life.
    package func began(lastDelivery: Instant?) async {
        let now = clock()
        state.withLock { state in
            state.tracker = DowntimeTracker(now: now)
            state.acceptingSince = now
            state.beginning = Beginning(at: now, lastDelivery: lastDelivery)
        }
        others.accepted(since: now, until: now)
        await writeUnwritten()
    }

    /// Starts to watch, and looks for sessions that may have missed events. Does nothing after `stop`.
    package func start() {
        guard !isStopped else { return }
        watching.start(after: .seconds(1), every: .seconds(1)) { [weak self] in await self?.tick() }
        beginSearch()
    }

    /// A callback could not be accepted. From any thread.
    package nonisolated func refused(at instant: Instant) {
        state.withLock { $0.tracker?.refused(at: instant) }
    }

    /// Downtimes that are not in the ledger yet, the newest first. From any thread.
    package nonisolated var open: [OpenDowntime] {
        state.withLock { state in
            let ended = state.unwritten.map { OpenDowntime(beganAt: $0.from, endedAt: $0.to, cause: $0.cause) }
            let lasting = state.tracker?.outageSince.map {
                OpenDowntime(beganAt: $0, endedAt: nil, cause: .storeUnavailable)
            }
            return (ended + [lasting].compactMap(\.self)).reversed()
        }
    }

    /// When the last downtimes ended. From any thread.
    nonisolated var last: Last { state.withLock { $0.last } }

    private nonisolated var isStopped: Bool { state.withLock { $0.isStopped } }

    /// The receiver accepts nothing more.
    package func stop() async {
        let now = clock()
        let since = state.withLock { state -> Instant? in
            state.isStopped = true
            guard let tracker = state.tracker else { return nil }
            state.add(tracker.stopped(at: now))
            return tracker.isAccepting ? state.acceptingSince : nil
        }
        if let since { others.accepted(since: since, until: now) }
        others.acceptanceEnded()
        await watching.stop()
        guard await writeUnwritten() else { return }
        do throws(StoreError) {
            try await ledger.beat(at: now, isClean: true)
        } catch {
            logger.error("the end could not be recorded", metadata: ["reason": "\(error)"])
        }
    }

    /// Looks whether callbacks are accepted, once a second, and does what could not be done before.
    package func tick() async {
        let (now, isAccepting) = (clock(), store.isWritable)
        let (action, since) = state.withLock { state -> (DowntimeTracker.Action, Instant?) in
            guard !state.isStopped, var tracker = state.tracker else { return (.none, nil) }
            let action = tracker.tick(now: now, isAccepting: isAccepting)
            state.tracker = tracker
            if case .record(_, let ended) = action { state.acceptingSince = ended }
            state.add(action)
            return (action, tracker.isAccepting ? state.acceptingSince : nil)
        }
        if let since { others.accepted(since: since, until: now) } else { others.acceptanceEnded() }
        if await writeUnwritten(), case .beat(let now) = action {
            // One that can't be written makes the next downtime look longer, never shorter.
            try? await ledger.beat(at: now, isClean: false)
        }
        guard let seconds = secondsToSearch else { return }
        if seconds > 0 { secondsToSearch = seconds - 1 } else { beginSearch() }
    }

    // MARK: Writing

    /// Writes what is not in the ledger yet, the oldest first.
    ///
    /// - Returns: whether all of it is. Before, no beat may be written: where this process ends first, the next start finds
    ///   the time that is missing behind the last one.
    @discardableResult
    private func writeUnwritten() async -> Bool {
        do throws(StoreError) {
            try await findBeginning()
            while let next = state.withLock({ $0.unwritten.first }) {
                noted(try await ledger.addDowntime(from: next.from, to: next.to, cause: next.cause))
                state.withLock { _ = $0.unwritten.removeFirst() }
                secondsToSearch = 0
            }
            isUnwrittenTold = false
            return true
        } catch {
            if !isUnwrittenTold {
                logger.error("the downtime could not be recorded", metadata: ["reason": "\(error)"])
            }
            isUnwrittenTold = true
            return false
        }
    }

    /// Finds out what was before the start.
    private func findBeginning() async throws(StoreError) {
        guard let beginning = state.withLock({ $0.beginning }) else { return }
        // Of those that are not looked up yet nobody knows what others did.
        for downtime in try await ledger.downtimes(limit: Self.lastMax)
        where downtime.isSearched || others.log == nil { noteLast(downtime) }
        if let last = try await ledger.lastHeartbeat() {
            let began = max(last.at, last.isClean ? last.at : beginning.lastDelivery ?? last.at)
            state.withLock { state in
                state.unwritten.insert(
                    (min(beginning.at, began), beginning.at, last.isClean ? .stopped : .crashed), at: 0)
            }
        } else {
            try await ledger.beat(at: beginning.at, isClean: false)
        }
        state.withLock { $0.beginning = nil }
    }

    // MARK: The search

    private func beginSearch() {
        secondsToSearch = nil
        guard searching == nil else {
            mustSearchAgain = true
            return
        }
        searching = Task(executorPreference: BackgroundExecutor.shared) { await self.search() }
    }

    private func search() async {
        repeat {
            mustSearchAgain = false
            do throws(StoreError) {
                try await noteOpenSessions()
                isSearchTold = false
            } catch {
                searchFailed(error)
            }
            // After the end the tables are closed, and the next start looks for what is left.
        } while mustSearchAgain && !isStopped
        searching = nil
    }

    /// Notes the open sessions of intervals that have not been searched.
    ///
    /// There may be many of them, and a start is when callbacks are most likely to come at once: so a page at a time, with
    /// pauses nine times as long. What is not done at the end is done by the next start.
    private func noteOpenSessions() async throws(StoreError) {
        var downtimes = try await ledger.unsearchedDowntimes()
        guard !downtimes.isEmpty else { return }
        try await findGaps(of: &downtimes)
        var selection = SessionSelection(.expecting(.events), limit: sessionsPerPage)
        var count = 0
        var pace = Pace()
        while downtimes.contains(where: { $0.missedUntil != nil }) {
            guard !isStopped else { return }
            let page = try await store.select(selection)
            count += page.records.count
            try await note(page.records, downtimes)
            guard count < Self.affectedMax, let next = page.next else { break }
            selection.after = next
            await pace.pause()
        }
        guard !isStopped else { return }
        for downtime in downtimes {
            try await ledger.setSearched(downtime.id, isTruncated: count >= Self.affectedMax)
            noteLast(downtime)
        }
    }

    /// What another receiver accepted is not missed. Where nobody could say so, all are as if there were no others.
    private func findGaps(of downtimes: inout [Downtime]) async throws(StoreError) {
        let unknown = downtimes.indices.filter { downtimes[$0].gaps == nil }
        guard others.log != nil, !unknown.isEmpty else { return }
        let newest = unknown.reduce(Instant.earliest) { max($0, downtimes[$1].endedAt) }
        await others.awaitAcceptance(of: newest, now: clock())
        for index in unknown where !isStopped {
            guard let gaps = await others.gaps(of: downtimes[index]) else { continue }
            downtimes[index].gaps = gaps
            try await ledger.setGaps(gaps, of: downtimes[index].id)
        }
    }

    private func note(_ open: [SessionRecord], _ downtimes: [Downtime]) async throws(StoreError) {
        for downtime in downtimes {
            // A session that was first heard of afterwards had missed nothing that is known of.
            guard let missedUntil = downtime.missedUntil else { continue }
            let ids = open.filter { $0.firstReceivedAt < missedUntil }.map(\.sessionId)
            if !ids.isEmpty { try await ledger.addAffected(ids.sorted(), downtime: downtime.id) }
        }
        onAffected(open)
    }

    /// It is begun again after a while.
    private func searchFailed(_ error: StoreError) {
        secondsToSearch = Self.searchRetrySeconds
        defer { isSearchTold = true }
        guard !isSearchTold else { return }
        logger.error("sessions that may have missed events are not all noted", metadata: ["reason": "\(error)"])
    }

    private func noted(_ downtime: Downtime) {
        // With others it is not known yet what it means for all.
        if others.log == nil { noteLast(downtime) } else { state.withLock { $0.last.here = downtime.endedAt } }
        logger.notice(
            "callbacks were not accepted for a while",
            metadata: [
                "from": "\(downtime.beganAt.rfc3339)", "to": "\(downtime.endedAt.rfc3339)",
                "cause": "\(downtime.cause.rawValue)",
            ])
    }

    private func noteLast(_ downtime: Downtime) {
        state.withLock { state in
            state.last.here = max(state.last.here ?? downtime.endedAt, downtime.endedAt)
            guard let missedUntil = downtime.missedUntil else { return }
            state.last.everywhere = max(state.last.everywhere ?? missedUntil, missedUntil)
        }
    }
}

/// A downtime that is not in the ledger yet.
package struct OpenDowntime: Sendable, Equatable {
    package let beganAt: Instant
    /// nil: it lasts.
    package let endedAt: Instant?
    package let cause: Downtime.Cause

    package init(beganAt: Instant, endedAt: Instant?, cause: Downtime.Cause) {
        self.beganAt = beganAt
        self.endedAt = endedAt
        self.cause = cause
    }
}

extension Downtime {
    /// Until when callbacks may have been missed for good; nil: another receiver accepted all the time.
    fileprivate var missedUntil: Instant? {
        guard let gaps else { return endedAt }
        return gaps.last?.endedAt
    }
}

extension SessionRecord {
    /// When the session was first heard of.
    var firstReceivedAt: Instant {
        facts.reduce(Instant.latest) { min($0, $1.receivedAt) }
    }
}
