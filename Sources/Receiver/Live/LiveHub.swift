package import Base
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
    /// Where changes come in; one a period of listening, and nil between them.
    private var inbox: LiveInbox?
    /// Until it is known which sessions wait for something, changes wait in the inbox, and no time passes.
    private var isLoading = false
    /// Called when that is known.
    private var awaitingLoad: [@Sendable () -> Void] = []
    /// What resuming streams work with.
    let missedRecords: MissedRecords
    /// What streams hold back while they resume.
    let heldBytes: HeldBytes

    var subscribers: [LiveScope: [ObjectIdentifier: LiveSubscriber]] = [:]
    private var heartbeats: [[ObjectIdentifier: LiveSubscriber]]
    private var ticks = 0
    /// When streams end because their reader's token does.
    private var expiries = LiveExpiries<LiveSubscriber>()
    var waiters: [SessionKey: [UInt64: LiveWaiter]] = [:]
    /// Sessions that are being looked up for who waits, and whether they changed meanwhile.
    var lookingUp: [SessionKey: Bool] = [:]
    let nextWaiter = Atomic<UInt64>(0)
    private var subscriberCount = 0 { didSet { publishCount() } }
    var waiterCount = 0 { didSet { publishCount() } }
    private let count = Atomic(0)
    private(set) var isClosed = false
    private let closing = Atomic(false)
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
        missedRecords = MissedRecords(bytesMax: options.resumptionBytesMax)
        heldBytes = HeldBytes(bytesMax: options.heldBytesMax)
    }

    // MARK: Listening

    /// Begins to listen if nobody did. Changes from here on are told.
    func activate() {
        dispatchPrecondition(condition: .onQueue(queue))
        guard timeline == nil else { return }
        var inbox = LiveInbox(bytesMax: options.queueBytesMax)
        var position: Int64 = 0
        var frontier: SharedCursor?
        // Once more where something was folded between the two: they must say the same.
        for _ in 0..<8 {
            frontier = store.sharedCursor
            inbox = LiveInbox(bytesMax: options.queueBytesMax)
            position = observe(inbox)
            if store.sharedCursor == frontier { break }
        }
        self.inbox = inbox
        let now = clock()
        timeline = Timeline(
            settings: settings, cursor: store.cursor(at: position), frontier: frontier,
            mark: .end(of: now.microsecondsSince1970 - graceMicroseconds))
        isLoading = true
        load(.waiting(since: now, settings, factsPerPage: options.factsPerPage), inbox)
        guard options.ticksAutomatically else { return }
        let ticker = DispatchSource.makeTimerSource(queue: queue)
        let interval = DispatchTimeInterval.milliseconds(options.tickMilliseconds)
        ticker.schedule(deadline: .now() + interval, repeating: interval, leeway: .milliseconds(50))
        ticker.setEventHandler { [weak self] in self?.onTick() }
        ticker.resume()
        self.ticker = ticker
    }

    private func observe(_ inbox: LiveInbox) -> Int64 {
        store.observe { [weak self] changes, position, seal in
            guard inbox.add(changes, LogCursor(position: position, seal: seal)), let self else { return }
            queue.async { self.takeChanges(inbox) }
        }
    }

    /// For waits: a clock that is set ends none, and makes none longer.
    var elapsedMicroseconds: Int64 { options.elapsedMicroseconds?() ?? clock().microsecondsSince1970 }

    private var graceMicroseconds: Int64 { Int64(options.graceMilliseconds) * 1000 }

    /// Reads which sessions wait for something, page by page; only then does time begin to pass.
    private func load(_ pages: RecordPages, _ inbox: LiveInbox) {
        store.select(pages.selection) { [self] result in
            queue.async { [self] in
                guard inbox === self.inbox, let position = timeline?.cursor.position else { return }
                switch result {
                case .success(let page):
                    // As they were when the changes began that wait in the inbox.
                    for record in page.records { timeline?.track(record.rewound(to: position)) }
                    if let next = pages.following(page) { return load(next, inbox) }
                case .failure(let error):
                    logger.error(
                        "changes by time alone are not told for sessions known before",
                        metadata: ["reason": "\(error.message)"])
                }
                isLoading = false
                takeChanges(inbox)
                endLoad()
            }
        }
    }

    private func deactivate() {
        ticker?.cancel()
        ticker = nil
        timeline = nil
        inbox = nil
        isLoading = false
        store.observe(nil)
        endLoad()
    }

    private func endLoad() {
        guard !isLoading else { return }
        for loaded in awaitingLoad { loaded() }
        awaitingLoad = []
    }

    // MARK: Changes

    private func takeChanges(_ inbox: LiveInbox) {
        guard inbox === self.inbox, !isLoading, let content = inbox.take() else { return }
        if content.hasGap { return resumeAll() }
        endExpired()
        for change in content.changes {
            timeline?.apply(change, isWanted: isWanted(change.outline)) { tell($0) }
            wake(change.outline)
        }
        timeline?.reach(content.cursor)
        flushEverything()
    }

    /// Changes came faster than they could be told and were not kept: everybody who listens resumes from the log, from
    /// where the hub has come to.
    private func resumeAll() {
        guard let told = timeline?.id else { return }
        logger.notice("live streams go on from the log", metadata: ["position": "\(told.position)"])
        deactivate()
        activate()
        guard let timeline else { return }
        let joined = timeline.id
        for subscriber in subscribers.values.flatMap(\.values) where subscriber.resumeAgain() {
            LiveResumption(self, subscriber, from: told, to: joined).start()
        }
        for key in waiters.keys { lookUp(key) }
    }

    private func isWanted(_ session: SessionOutline) -> Bool {
        subscribers[.everything] != nil || subscribers[.session(SessionKey(session.sessionId))] != nil
            || session.state.userId.map { subscribers[.user(SessionKey($0))] != nil } ?? false
    }

    private func tell(_ event: LiveEvent) {
        guard isWanted(event.outline) else { return }
        let ofSession = subscribers[.session(SessionKey(event.outline.sessionId))]
        let ofUser = event.outline.state.userId.flatMap { subscribers[.user(SessionKey($0))] }
        let toAll = subscribers[.everything] != nil
        let bytes = event.bytes
        for streams in [ofSession, ofUser] {
            for subscriber in (streams ?? [:]).values where subscriber.grant.allows(event.outline) {
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
        let loaded = DispatchGroup()
        loaded.enter()
        queue.sync {
            if isLoading { awaitingLoad.append { loaded.leave() } } else { loaded.leave() }
        }
        loaded.wait()
    }

    /// Open streams and long polls.
    package var listenerCount: Int { count.load(ordering: .relaxed) }

    /// Whether no stream is worth opening any more.
    var isClosing: Bool { closing.load(ordering: .relaxed) }

    /// Whether one more may come.
    var hasRoom: Bool { listenerCount < options.subscribersMax }

    private func publishCount() {
        count.store(subscriberCount + waiterCount, ordering: .relaxed)
    }

    private func onTick() {
        let now = clock()
        endExpired()
        if !isLoading {
            timeline?.advance(to: .end(of: now.microsecondsSince1970 - graceMicroseconds)) { tell($0) }
            flushEverything()
        }
        for (key, ofSession) in waiters {
            for (id, waiter) in ofSession where waiter.isOver(now, elapsedMicroseconds) { finish(id, key, .over) }
        }
        ticks += 1
        let slot = ticks % heartbeats.count
        for subscriber in heartbeats[slot].values where !subscriber.heartbeat() { remove(subscriber) }
        if subscriberCount == 0, waiterCount == 0, timeline != nil { deactivate() }
    }

    // MARK: Streams

    /// Opens a stream from now on, or from behind an id; where that is another receiver's, as soon as this one has everything
    /// that is behind it, so that nothing is told twice.
    func subscribe(_ subscriber: LiveSubscriber, resumingAfter id: LiveEventId?) {
        guard let seen = id?.frontier, let origins = store.originNumbers else {
            return join(subscriber, resumingAfter: id)
        }
        let end = DispatchTime.now() + .seconds(Self.behindSecondsMax)
        queue.async { self.awaitOthers(subscriber, seen, origins, until: end, resumingAfter: id) }
    }

    /// Waits until this receiver has what a reader has seen elsewhere.
    private func awaitOthers(
        _ subscriber: LiveSubscriber, _ seen: Frontier, _ origins: OriginNumbers, until end: DispatchTime,
        resumingAfter id: LiveEventId?
    ) {
        guard let frontier = origins.sequences(seen) else {
            if subscriber.stream.isClosed { return }
            if DispatchTime.now() < end {
                return queue.asyncAfter(deadline: .now() + .milliseconds(Self.unknownMilliseconds)) {
                    self.awaitOthers(subscriber, seen, origins, until: end, resumingAfter: id)
                }
            }
            // Where nobody can be asked the reader's origin may be one that only another receiver knows yet.
            return origins.isForeign(seen) ? join(subscriber, resumingAfter: id) : subscriber.stream.finish()
        }
        let cancel = store.whenFolded(frontier) { [self] in queue.async { self.join(subscriber, resumingAfter: id) } }
        guard let cancel else { return }
        // It comes back, and then perhaps to another one.
        queue.asyncAfter(deadline: end) {
            if cancel() { subscriber.stream.finish() }
        }
    }

    /// For how long a reader waits until this receiver has what it has seen at another one.
    private static let behindSecondsMax = 10
    /// Between two looks whether an origin is known now.
    private static let unknownMilliseconds = 200

    private func join(_ subscriber: LiveSubscriber, resumingAfter id: LiveEventId?) {
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
            let joined = timeline.id
            guard let id else {
                // An id without data is remembered by the reader, and told to nobody.
                _ = subscriber.send(Array("id: \(joined.text)\n\n".utf8))
                return
            }
            LiveResumption(self, subscriber, from: id, to: joined).start()
        }
    }

    func remove(_ subscriber: LiveSubscriber) {
        dispatchPrecondition(condition: .onQueue(queue))
        let key = ObjectIdentifier(subscriber)
        guard subscribers[subscriber.scope]?.removeValue(forKey: key) != nil else { return }
        if subscribers[subscriber.scope]?.isEmpty ?? false { subscribers[subscriber.scope] = nil }
        heartbeats[subscriber.heartbeatSlot][key] = nil
        subscriber.release()
        subscriberCount -= 1
    }

    /// Ends the streams whose token has: nothing is told to its bearer any more.
    private func endExpired() {
        while let subscriber = expiries.takeExpired(clock()) {
            subscriber.end(.expired)
            remove(subscriber)
        }
    }

    /// Ends the streams and waits of tokens that are good no more. Once more a moment later: whoever was let in just before
    /// may not have been here yet.
    func endAll(of principals: Set<Principal>) {
        for delay in [0, 1_000] {
            queue.asyncAfter(deadline: .now() + .milliseconds(delay)) { [self] in
                for subscriber in subscribers.values.flatMap(\.values)
                where principals.contains(subscriber.grant.principal) {
                    subscriber.end(.removed)
                    remove(subscriber)
                }
                for (key, ofSession) in waiters {
                    for (id, waiter) in ofSession where principals.contains(waiter.grant.principal) {
                        finish(id, key, .tokenEnded)
                    }
                }
            }
        }
    }

    /// Answers all who wait and ends all streams; nobody is taken any more.
    package func close() {
        closing.store(true, ordering: .relaxed)
        queue.sync {
            isClosed = true
            for (key, ofSession) in waiters {
                for id in ofSession.keys { finish(id, key, .over) }
            }
            for subscriber in subscribers.values.flatMap(\.values) {
                subscriber.stream.finish()
                remove(subscriber)
            }
            if timeline != nil { deactivate() }
        }
    }
}
