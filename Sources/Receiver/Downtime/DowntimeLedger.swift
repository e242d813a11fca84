package import Base
import Dispatch
package import Ledger
package import Logging
import SessionIndex
package import SessionModel
package import SessionStore

/// Keeps the account of times in which callbacks could not be accepted, and of the sessions that may have missed some.
///
/// `@unchecked Sendable`: the timer belongs to `queue`; everything else is constant or guarded.
package final class DowntimeLedger: @unchecked Sendable {
    /// Sessions noted for one interval.
    package static let affectedMax = 100_000
    /// Downtimes among which the last one is looked for in which no receiver accepted.
    private static let lastMax = 100

    private let ledger: Ledger
    private let store: any SessionStore
    private let clock: @Sendable () -> Instant
    private let logger: Logger
    private let sessionsPerPage: Int
    private let queue = DispatchQueue(label: "chargefold.downtime", qos: .utility)
    private let state: Locked<State>
    private var timer: (any DispatchSourceTimer)?
    /// The search that is under way; on `queue`.
    private var search: Search?
    /// An interval was recorded meanwhile.
    private var mustSearchAgain = false
    private let searching = DispatchGroup()
    /// Told of open sessions that may have missed events.
    private let onAffected: @Sendable ([SessionRecord]) -> Void
    private let others: Others

    private struct Search {
        var downtimes: [Downtime]
        var selection: SessionSelection
        var count = 0
    }

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
        state = Locked(State())
    }

    /// The receiver listens as of now: records the time since it last did. Blocks.
    ///
    /// - Parameter lastDelivery: when the newest row of the log was received, further evidence of life.
    package func began(lastDelivery: Instant?) {
        let now = clock()
        state.withLock { state in
            state.tracker = DowntimeTracker(now: now)
            state.acceptingSince = now
        }
        others.accepted(since: now, until: now)
        do throws(StoreError) {
            let known = try ledger.blocking { (ledger) throws(StoreError) in try ledger.downtimes(limit: Self.lastMax) }
            // Of those that are not looked up yet nobody knows what others did.
            for downtime in known where downtime.isSearched || others.log == nil { noteLast(downtime) }
            let last = try ledger.blocking { (ledger) throws(StoreError) in try ledger.lastHeartbeat() }
            if let last {
                let began = min(now, max(last.at, last.isClean ? last.at : lastDelivery ?? last.at))
                let cause: Downtime.Cause = last.isClean ? .stopped : .crashed
                let downtime = try ledger.blocking { (ledger) throws(StoreError) in
                    try ledger.addDowntime(from: began, to: now, cause: cause)
                }
                noted(downtime)
            } else {
                try ledger.blocking { (ledger) throws(StoreError) in try ledger.beat(at: now, isClean: false) }
            }
        } catch {
            logger.error("the downtime could not be recorded", metadata: ["reason": "\(error)"])
        }
    }

    /// Starts to watch, and looks for sessions that may have missed events. Does nothing after `stop`.
    package func start() {
        guard !state.withLock({ $0.isStopped }) else { return }
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + 1, repeating: 1, leeway: .milliseconds(100))
        timer.setEventHandler { [weak self] in self?.tick() }
        queue.sync { self.timer = timer }
        timer.activate()
        queue.async { [weak self] in self?.beginSearch() }
    }

    /// A callback could not be accepted. From any thread.
    package func refused(at instant: Instant) {
        state.withLock { $0.tracker?.refused(at: instant) }
    }

    /// The receiver accepts nothing more. Blocks.
    package func stop() {
        let now = clock()
        let (action, since) = state.withLock { state -> (DowntimeTracker.Action, Instant?) in
            state.isStopped = true
            guard let tracker = state.tracker else { return (.none, nil) }
            return (tracker.stopped(at: now), tracker.isAccepting ? state.acceptingSince : nil)
        }
        if let since { others.accepted(since: since, until: now) }
        others.acceptanceEnded()
        queue.sync {
            timer?.cancel()
            timer = nil
            perform(action)
            do throws(StoreError) {
                try ledger.blocking { (ledger) throws(StoreError) in try ledger.beat(at: now, isClean: true) }
            } catch {
                logger.error("the end could not be recorded", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Waits for what the queue is doing, and for a search that is under way. For tests.
    package func settle() {
        queue.sync {}
        searching.wait()
    }

    // MARK: On the queue

    /// What the timer does each second; tests call it themselves.
    package func tick() {
        let (now, isAccepting) = (clock(), store.isWritable)
        let (action, since) = state.withLock { state -> (DowntimeTracker.Action, Instant?) in
            guard !state.isStopped, var tracker = state.tracker else { return (.none, nil) }
            let action = tracker.tick(now: now, isAccepting: isAccepting)
            state.tracker = tracker
            if case .record(_, let ended) = action { state.acceptingSince = ended }
            return (action, tracker.isAccepting ? state.acceptingSince : nil)
        }
        if let since { others.accepted(since: since, until: now) } else { others.acceptanceEnded() }
        perform(action)
    }

    /// When the last downtimes ended.
    var last: Last { state.withLock { $0.last } }

    private func perform(_ action: DowntimeTracker.Action) {
        switch action {
        case .none: break
        case .beat(let now):
            // One that can't be written makes the next downtime look longer, never shorter.
            ledger.perform { try? $0.beat(at: now, isClean: false) }
        case .record(let from, let to): state.withLock { $0.unwritten.append((from, to)) }
        }
        let unwritten = state.withLock { state in
            defer { state.unwritten = [] }
            return state.unwritten
        }
        guard !unwritten.isEmpty else { return }
        for (index, interval) in unwritten.enumerated() {
            do throws(StoreError) {
                let downtime = try ledger.blocking { (ledger) throws(StoreError) in
                    try ledger.addDowntime(from: interval.from, to: interval.to, cause: .storeUnavailable)
                }
                noted(downtime)
            } catch {
                state.withLock { $0.unwritten = Array(unwritten[index...].suffix(100)) + $0.unwritten }
                return
            }
        }
        beginSearch()
    }

    /// Notes the open sessions of intervals that have not been searched.
    ///
    /// There may be many of them, and a start is when callbacks are most likely to come at once: so a page at a time, with
    /// pauses nine times as long. What is not done at the end is done by the next start.
    private func beginSearch() {
        guard search == nil else {
            mustSearchAgain = true
            return
        }
        do throws(StoreError) {
            let downtimes = try ledger.blocking { (ledger) throws(StoreError) in try ledger.unsearchedDowntimes() }
            guard !downtimes.isEmpty else { return }
            search = Search(
                downtimes: downtimes, selection: SessionSelection(.expecting(.events), limit: sessionsPerPage))
        } catch {
            return searchFailed(error)
        }
        searching.enter()
        findGaps()
    }

    /// What another receiver accepted is not missed.
    private func findGaps() {
        let unknown = search?.downtimes.filter { $0.gaps == nil } ?? []
        guard others.log != nil, !unknown.isEmpty else { return searchPage() }
        let newest = unknown.reduce(Instant.earliest) { max($0, $1.endedAt) }
        Task { [others, queue, clock] in
            await others.awaitAcceptance(of: newest, now: clock())
            var found: [Int64: [Downtime.Gap]] = [:]
            for downtime in unknown { found[downtime.id] = await others.gaps(of: downtime) }
            queue.async { [found] in
                self.note(found)
                self.searchPage()
            }
        }
    }

    /// Where nobody could say so, all are as if there were no others.
    private func note(_ gaps: [Int64: [Downtime.Gap]]) {
        guard var search, !state.withLock({ $0.isStopped }) else { return }
        for index in search.downtimes.indices {
            let downtime = search.downtimes[index]
            guard let gaps = gaps[downtime.id] else { continue }
            search.downtimes[index].gaps = gaps
            do throws(StoreError) {
                try ledger.blocking { (ledger) throws(StoreError) in try ledger.setGaps(gaps, of: downtime.id) }
            } catch {
                searchFailed(error)
            }
        }
        self.search = search
    }

    private func searchPage() {
        guard var search, !state.withLock({ $0.isStopped }) else { return endSearch() }
        let began = DispatchTime.now().uptimeNanoseconds
        do throws(StoreError) {
            guard search.downtimes.contains(where: { $0.missedUntil != nil }) else { return try endSearch(search) }
            let page = try store.page(search.selection)
            let open = page.records
            search.count += open.count
            for downtime in search.downtimes {
                // A session that was first heard of afterwards had missed nothing that is known of.
                guard let missedUntil = downtime.missedUntil else { continue }
                let ids = open.filter { $0.firstReceivedAt < missedUntil }.map(\.sessionId)
                guard !ids.isEmpty else { continue }
                try ledger.blocking { (ledger) throws(StoreError) in
                    try ledger.addAffected(ids.sorted(), downtime: downtime.id)
                }
            }
            onAffected(open)
            guard search.count < Self.affectedMax, let next = page.next else { return try endSearch(search) }
            search.selection.after = next
            self.search = search
        } catch {
            searchFailed(error)
            return endSearch()
        }
        let taken = DispatchTime.now().uptimeNanoseconds - began
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(min(9 * taken, 1_000_000_000)))) { self.searchPage() }
    }

    /// All sessions are noted, or as many as are kept.
    private func endSearch(_ search: Search) throws(StoreError) {
        let isTruncated = search.count >= Self.affectedMax
        for downtime in search.downtimes {
            try ledger.blocking { (ledger) throws(StoreError) in
                try ledger.setSearched(downtime.id, isTruncated: isTruncated)
            }
            noteLast(downtime)
        }
        endSearch()
    }

    private func endSearch() {
        search = nil
        searching.leave()
        // After the end the tables are closed, and the next start looks for what is left.
        guard mustSearchAgain, !state.withLock({ $0.isStopped }) else { return }
        mustSearchAgain = false
        beginSearch()
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

extension SessionStore {
    /// A page, waited for: for queues that may block.
    func page(_ selection: SessionSelection) throws(StoreError) -> SessionPage {
        let done = DispatchSemaphore(value: 0)
        let page = Locked<Result<SessionPage, StoreError>>(.success(SessionPage()))
        select(selection) { result in
            page.withLock { $0 = result }
            done.signal()
        }
        done.wait()
        return try page.withLock { $0 }.get()
    }
}

extension SessionRecord {
    /// When the session was first heard of.
    var firstReceivedAt: Instant {
        facts.reduce(Instant.latest) { min($0, $1.receivedAt) }
    }
}
