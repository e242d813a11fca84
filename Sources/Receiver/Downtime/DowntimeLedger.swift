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

    private struct State {
        var tracker: DowntimeTracker?
        /// Without a break.
        var acceptingSince = Instant.earliest
        var last = Last()
        /// Intervals that could not be written yet.
        var unwritten: [(from: Instant, to: Instant)] = []
        var isStopped = false
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
        }
        others.accepted(since: now, until: now)
        do throws(StoreError) {
            // Of those that are not looked up yet nobody knows what others did.
            for downtime in try await ledger.downtimes(limit: Self.lastMax)
            where downtime.isSearched || others.log == nil { noteLast(downtime) }
            if let last = try await ledger.lastHeartbeat() {
                let began = min(now, max(last.at, last.isClean ? last.at : lastDelivery ?? last.at))
                noted(try await ledger.addDowntime(from: began, to: now, cause: last.isClean ? .stopped : .crashed))
            } else {
                try await ledger.beat(at: now, isClean: false)
            }
        } catch {
            logger.error("the downtime could not be recorded", metadata: ["reason": "\(error)"])
        }
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

    /// When the last downtimes ended. From any thread.
    nonisolated var last: Last { state.withLock { $0.last } }

    private nonisolated var isStopped: Bool { state.withLock { $0.isStopped } }

    /// The receiver accepts nothing more.
    package func stop() async {
        let now = clock()
        let (action, since) = state.withLock { state -> (DowntimeTracker.Action, Instant?) in
            state.isStopped = true
            guard let tracker = state.tracker else { return (.none, nil) }
            return (tracker.stopped(at: now), tracker.isAccepting ? state.acceptingSince : nil)
        }
        if let since { others.accepted(since: since, until: now) }
        others.acceptanceEnded()
        await watching.stop()
        await perform(action)
        do throws(StoreError) {
            try await ledger.beat(at: now, isClean: true)
        } catch {
            logger.error("the end could not be recorded", metadata: ["reason": "\(error)"])
        }
    }

    /// Looks whether callbacks are accepted, once a second.
    func tick() async {
        let (now, isAccepting) = (clock(), store.isWritable)
        let (action, since) = state.withLock { state -> (DowntimeTracker.Action, Instant?) in
            guard !state.isStopped, var tracker = state.tracker else { return (.none, nil) }
            let action = tracker.tick(now: now, isAccepting: isAccepting)
            state.tracker = tracker
            if case .record(_, let ended) = action { state.acceptingSince = ended }
            return (action, tracker.isAccepting ? state.acceptingSince : nil)
        }
        if let since { others.accepted(since: since, until: now) } else { others.acceptanceEnded() }
        await perform(action)
    }

    private func perform(_ action: DowntimeTracker.Action) async {
        switch action {
        case .none: break
        case .beat(let now):
            // One that can't be written makes the next downtime look longer, never shorter.
            try? await ledger.beat(at: now, isClean: false)
        case .record(let from, let to): state.withLock { $0.unwritten.append((from, to)) }
        }
        let unwritten = state.withLock { state in
            defer { state.unwritten = [] }
            return state.unwritten
        }
        guard !unwritten.isEmpty else { return }
        for (index, interval) in unwritten.enumerated() {
            do throws(StoreError) {
                noted(try await ledger.addDowntime(from: interval.from, to: interval.to, cause: .storeUnavailable))
            } catch {
                state.withLock { $0.unwritten = Array(unwritten[index...].suffix(100)) + $0.unwritten }
                return
            }
        }
        beginSearch()
    }

    // MARK: The search

    private func beginSearch() {
        guard searching == nil else {
            mustSearchAgain = true
            return
        }
        searching = Task(executorPreference: BackgroundExecutor.shared) { await self.search() }
    }

    private func search() async {
        repeat {
            mustSearchAgain = false
            do throws(StoreError) { try await noteOpenSessions() } catch { searchFailed(error) }
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
        await findGaps(of: &downtimes)
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
    private func findGaps(of downtimes: inout [Downtime]) async {
        let unknown = downtimes.indices.filter { downtimes[$0].gaps == nil }
        guard others.log != nil, !unknown.isEmpty else { return }
        let newest = unknown.reduce(Instant.earliest) { max($0, downtimes[$1].endedAt) }
        await others.awaitAcceptance(of: newest, now: clock())
        for index in unknown where !isStopped {
            guard let gaps = await others.gaps(of: downtimes[index]) else { continue }
            downtimes[index].gaps = gaps
            do throws(StoreError) {
                try await ledger.setGaps(gaps, of: downtimes[index].id)
            } catch {
                searchFailed(error)
            }
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

    private func searchFailed(_ error: StoreError) {
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
