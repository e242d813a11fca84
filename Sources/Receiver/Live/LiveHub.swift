internal import Base
import Dispatch
import HTTPServer
package import Logging
import SessionIndex
package import SessionModel
package import SessionStore
import Synchronization

/// Where changes come in and live streams and long polls go out: on a queue of its own, so that nobody who listens makes
/// the fold wait. While nobody listens the store tells it nothing, and it costs nothing.
///
/// `@unchecked Sendable`: all mutable state is confined to `queue`.
package final class LiveHub: @unchecked Sendable {
    let queue = DispatchQueue(label: "chargefold.live", qos: .userInitiated)
    let store: any SessionStore
    let settings: GuidanceSettings
    let options: LiveOptions
    let logger: Logger
    private let clock: @Sendable () -> Instant

    /// nil while nobody listens.
    var timeline: Timeline?
    /// Batches that came before the sessions that wait for something were known; nil once they are.
    private var backlog: [(changes: [FoldedChange], cursor: LogCursor)]?
    private var changedMeanwhile: Set<SessionKey> = []
    /// Signalled when there is no backlog any more.
    private var awaitingLoad: [DispatchSemaphore] = []
    /// Tells one period of listening from the next.
    private var period: UInt64 = 0

    var subscribers: [LiveScope: [ObjectIdentifier: LiveSubscriber]] = [:]
    private var heartbeats: [[ObjectIdentifier: LiveSubscriber]]
    private var ticks = 0
    /// When streams end because their reader's token does.
    private var expiries = LiveExpiries<LiveSubscriber>()
    var waiters: [SessionKey: [UInt64: LiveWaiter]] = [:]
    let nextWaiter = Atomic<UInt64>(0)
    private var subscriberCount = 0 { didSet { publishCount() } }
    var waiterCount = 0 { didSet { publishCount() } }
    private let count = Atomic(0)
    private(set) var isClosed = false
    private var ticker: (any DispatchSourceTimer)?
    private var everythingBytes: [UInt8] = []

    package init(
        store: any SessionStore, settings: GuidanceSettings, options: LiveOptions, logger: Logger,
        clock: @escaping @Sendable () -> Instant
    ) {
        self.store = store
        self.settings = settings
        self.options = options
        self.logger = logger
        self.clock = clock
        let slots = max(1, options.heartbeatSeconds * 1000 / max(1, options.tickMilliseconds))
        heartbeats = Array(repeating: [:], count: slots)
    }

    // MARK: Listening

    /// Begins to listen if nobody did. Changes from here on are told.
    func activate() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard timeline == nil else { return }
        period += 1
        let period = period
        backlog = []
        changedMeanwhile = []
        let position = store.observe { [weak self] changes, position, seal in
            guard let self else { return }
            queue.async { self.folded(changes, LogCursor(position: position, seal: seal), period) }
        }
        let now = clock()
        timeline = Timeline(
            settings: settings, cursor: store.cursor(at: position),
            mark: .end(of: now.microsecondsSince1970 - graceMicroseconds))
        load(from: now.adding(seconds: -settings.startTimeoutSeconds - 1), after: nil, period)
        guard options.ticksAutomatically else { return }
        let ticker = DispatchSource.makeTimerSource(queue: queue)
        let interval = DispatchTimeInterval.milliseconds(options.tickMilliseconds)
        ticker.schedule(deadline: .now() + interval, repeating: interval, leeway: .milliseconds(50))
        ticker.setEventHandler { [weak self] in self?.onTick() }
        ticker.resume()
        self.ticker = ticker
    }

    /// For waits: a clock that is set ends none, and makes none longer.
    var elapsedMicroseconds: Int64 { options.elapsedMicroseconds?() ?? clock().microsecondsSince1970 }

    private var graceMicroseconds: Int64 { Int64(options.graceMilliseconds) * 1000 }

    /// Reads which sessions wait for something, page by page; only then does time begin to pass.
    private func load(from: Instant, after: SessionPlace?, _ period: UInt64) {
        var selection = SessionSelection(.waiting(from: from), limit: 1_000)
        selection.after = after
        store.select(selection) { [self] result in
            queue.async { [self] in
                guard period == self.period, timeline != nil else { return }
                switch result {
                case .success(let page):
                    for record in page.records where !changedMeanwhile.contains(SessionKey(record.sessionId)) {
                        timeline?.track(record)
                    }
                    if let next = page.next { return load(from: from, after: next, period) }
                case .failure(let error):
                    logger.error(
                        "changes by time alone are not told for sessions known before",
                        metadata: ["reason": "\(error.message)"])
                }
                let batches = backlog ?? []
                backlog = nil
                changedMeanwhile = []
                for batch in batches { process(batch.changes, batch.cursor) }
                endBacklog()
            }
        }
    }

    private func deactivate() {
        ticker?.cancel()
        ticker = nil
        timeline = nil
        backlog = nil
        period += 1
        store.observe(nil)
        endBacklog()
    }

    private func endBacklog() {
        for settled in awaitingLoad { settled.signal() }
        awaitingLoad = []
    }

    // MARK: Changes

    private func folded(_ changes: [FoldedChange], _ cursor: LogCursor, _ period: UInt64) {
        guard period == self.period, timeline != nil else { return }
        guard backlog == nil else {
            for change in changes { changedMeanwhile.insert(SessionKey(change.record.sessionId)) }
            backlog?.append((changes, cursor))
            return
        }
        process(changes, cursor)
    }

    private func process(_ changes: [FoldedChange], _ cursor: LogCursor) {
        endExpired()
        for change in changes {
            timeline?.apply(change, isWanted: isWanted(change.record)) { tell($0) }
            wake(change.record)
        }
        timeline?.reach(cursor)
        flushEverything()
    }

    private func isWanted(_ record: SessionRecord) -> Bool {
        subscribers[.everything] != nil || subscribers[.session(SessionKey(record.sessionId))] != nil
            || record.state.userId.map { subscribers[.user(SessionKey($0))] != nil } ?? false
    }

    private func tell(_ event: LiveEvent) {
        guard isWanted(event.record) else { return }
        let ofSession = subscribers[.session(SessionKey(event.record.sessionId))]
        let ofUser = event.record.state.userId.flatMap { subscribers[.user(SessionKey($0))] }
        let toAll = subscribers[.everything] != nil
        let bytes = event.bytes
        for streams in [ofSession, ofUser] {
            for subscriber in (streams ?? [:]).values where subscriber.grant.allows(event.record) {
                if !subscriber.send(bytes) { remove(subscriber) }
            }
        }
        if toAll { everythingBytes += bytes }
        if everythingBytes.count > 16 << 10 { flushEverything() }
    }

    /// Streams of everything get what happens at once in one piece.
    private func flushEverything() {
        guard !everythingBytes.isEmpty else { return }
        let bytes = everythingBytes
        everythingBytes = []
        for subscriber in (subscribers[.everything] ?? [:]).values where !subscriber.send(bytes) { remove(subscriber) }
    }

    // MARK: Time

    /// Looks at the clock now. For tests; otherwise a timer does.
    package func tick() {
        settle()
        queue.sync { onTick() }
    }

    /// Waits until everything handed over so far is told, and it is known which sessions wait for something: before that
    /// no time passes. For tests.
    package func settle() {
        let settled = DispatchSemaphore(value: 0)
        queue.sync {
            if backlog == nil { settled.signal() } else { awaitingLoad.append(settled) }
        }
        settled.wait()
    }

    /// Open streams and long polls.
    package var listenerCount: Int { count.load(ordering: .relaxed) }

    /// Whether one more may come.
    var hasRoom: Bool { listenerCount < options.subscribersMax }

    private func publishCount() {
        count.store(subscriberCount + waiterCount, ordering: .relaxed)
    }

    private func onTick() {
        let now = clock()
        endExpired()
        if backlog == nil {
            timeline?.advance(to: .end(of: now.microsecondsSince1970 - graceMicroseconds)) { tell($0) }
            flushEverything()
        }
        for (key, ofSession) in waiters {
            for (id, waiter) in ofSession where waiter.isOver(now, elapsedMicroseconds) { finish(id, key, nil) }
        }
        ticks += 1
        let slot = ticks % heartbeats.count
        for subscriber in heartbeats[slot].values where !subscriber.heartbeat() { remove(subscriber) }
        if subscriberCount == 0, waiterCount == 0, timeline != nil { deactivate() }
    }

    // MARK: Streams

    /// Opens a stream from now on, or from behind an id.
    func subscribe(_ subscriber: LiveSubscriber, resumingAfter id: LiveEventId?) {
        queue.async { [self] in
            guard !isClosed, listenerCount < options.subscribersMax, !subscriber.stream.isClosed,
                !subscriber.grant.hasExpired(clock())
            else {
                return subscriber.stream.finish()
            }
            activate()
            guard let timeline else { return }
            subscribers[subscriber.scope, default: [:]][ObjectIdentifier(subscriber)] = subscriber
            subscriberCount += 1
            if let end = subscriber.grant.expiresAt {
                expiries.add(subscriber, endsAt: end, openCount: subscriberCount)
            }
            // Spread over the slots, so that no tick has to write to all.
            subscriber.heartbeatSlot = subscriberCount % heartbeats.count
            heartbeats[subscriber.heartbeatSlot][ObjectIdentifier(subscriber)] = subscriber
            subscriber.stream.onClose { [weak self, weak subscriber] in
                guard let self, let subscriber else { return }
                queue.async { self.remove(subscriber) }
            }
            let joined = LiveEventId(timeline.cursor, mark: timeline.mark)
            guard let id else {
                // An id without data is remembered by the reader, and told to nobody.
                _ = subscriber.send(Array("id: \(joined.text)\n\n".utf8))
                return
            }
            LiveCatchUp(self, subscriber, from: id, to: joined).start()
        }
    }

    func remove(_ subscriber: LiveSubscriber) {
        dispatchPrecondition(condition: .onQueue(queue))
        let key = ObjectIdentifier(subscriber)
        guard subscribers[subscriber.scope]?.removeValue(forKey: key) != nil else { return }
        if subscribers[subscriber.scope]?.isEmpty ?? false { subscribers[subscriber.scope] = nil }
        heartbeats[subscriber.heartbeatSlot][key] = nil
        subscriberCount -= 1
    }

    /// Ends the streams whose token has: nothing is told to its bearer any more.
    private func endExpired() {
        while let subscriber = expiries.takeExpired(clock()) {
            subscriber.expire()
            remove(subscriber)
        }
    }

    /// Answers all who wait and ends all streams; nobody is taken any more.
    package func close() {
        queue.sync {
            isClosed = true
            for (key, ofSession) in waiters {
                for id in ofSession.keys { finish(id, key, nil) }
            }
            for subscriber in subscribers.values.flatMap(\.values) {
                subscriber.stream.finish()
                remove(subscriber)
            }
            if timeline != nil { deactivate() }
        }
    }
}
