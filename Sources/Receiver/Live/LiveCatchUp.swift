internal import Base
import Dispatch
import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// What a resuming stream missed is read here, off the hub's queue and off the event loops.
private let catchUpQueue = DispatchQueue(label: "chargefold.live.catch-up", qos: .utility)

/// Tells a resuming stream what happened behind its id, out of the log, up to where it joined the live changes.
///
/// `@unchecked Sendable`: all mutable state is confined to `catchUpQueue`.
final class LiveCatchUp: @unchecked Sendable {
    private let hub: LiveHub
    private let subscriber: LiveSubscriber
    private var id: LiveEventId
    private let target: LiveEventId
    private var isPaused = false
    /// What is not written yet, and where the next part of the log begins; nil at the end.
    private var pieces: ArraySlice<[UInt8]> = []
    private var next: LiveEventId?
    /// Bytes written at once, and those that may wait for the reader before more is written.
    private let pieceBytes: Int

    init(_ hub: LiveHub, _ subscriber: LiveSubscriber, from id: LiveEventId, to target: LiveEventId) {
        self.hub = hub
        self.subscriber = subscriber
        self.id = id
        self.target = target
        // Two pieces, an event and what happens meanwhile must not be too much.
        pieceBytes = min(64 << 10, subscriber.stream.bufferBytesMax / 4)
    }

    func start() {
        catchUpQueue.async { [self] in
            do throws(StoreError) {
                // From a log that was longer than this one, or went on in another way: another server, or a backup.
                guard id.position <= target.position, try id.cursor.isOfHistory(of: hub.store) else {
                    subscriber.stream.write(
                        Array("event: reset\ndata: {\"reason\":\"UNKNOWN_POSITION\"}\nid: \(target.text)\n\n".utf8))
                    return end()
                }
            } catch {
                return fail(error)
            }
            run()
        }
    }

    private func run() {
        guard !subscriber.stream.isClosed else { return end() }
        do throws(StoreError) {
            let receipt = id.mark == nil ? try receipt(of: id.position) : .start
            var timeline = Timeline(settings: hub.settings, cursor: id.cursor, mark: id.mark ?? receipt)
            var pieces: [[UInt8]] = []
            let (scope, grant) = (subscriber.scope, subscriber.grant)
            func tell(_ event: LiveEvent) {
                guard scope.covers(event.record), grant.allows(event.record) else { return }
                if pieces.last.map({ $0.count >= pieceBytes }) ?? true { pieces.append([]) }
                pieces[pieces.count - 1] += event.bytes
            }
            let missed = try missed(&timeline)
            for change in missed.changes { timeline.apply(change, tell: tell) }
            timeline.reach(hub.store.cursor(at: missed.reached))
            let isWhole = missed.reached >= target.position
            if isWhole, let mark = target.mark { timeline.advance(to: max(mark, timeline.mark), tell: tell) }
            // The place is remembered also where nothing is told: the next time it is not looked through again.
            if isWhole { pieces.append(Array("id: \(target.text)\n\n".utf8)) }
            self.pieces = pieces[...]
            next = isWhole ? nil : LiveEventId(timeline.cursor, mark: timeline.mark)
            write()
        } catch {
            fail(error)
        }
    }

    private func fail(_ error: StoreError) {
        hub.logger.error("a live stream could not catch up", metadata: ["reason": "\(error.message)"])
        subscriber.stream.abort()
        end()
    }

    /// Piece by piece, each when the reader has taken most of what came before. A reader that takes nothing is closed by
    /// the server.
    private func write() {
        while subscriber.stream.bufferedBytes <= pieceBytes {
            guard let piece = pieces.popFirst() else {
                guard let next else { return end() }
                id = next
                // Others have their turn in between.
                return catchUpQueue.async { self.run() }
            }
            guard subscriber.stream.write(piece) else { return end() }
        }
        isPaused = true
        // The stream keeps this alive until it goes on, or closes.
        subscriber.stream.onDrain { [self] in
            catchUpQueue.async { self.resume() }
        }
        if subscriber.stream.bufferedBytes == 0 { resume() }
    }

    private func resume() {
        guard isPaused else { return }
        isPaused = false
        subscriber.stream.onDrain {}
        write()
    }

    private func end() {
        let hub = hub
        let subscriber = subscriber
        hub.queue.async {
            if !subscriber.caughtUp() { hub.remove(subscriber) }
        }
    }

    /// When the delivery at a position was received: up to then, time has been told.
    private func receipt(of position: Int64) throws(StoreError) -> TimeMark {
        guard position > 0 else { return .start }
        var mark: TimeMark?
        try hub.store.scanLog(after: position - 1) { (entry) throws(StoreError) in
            mark = .end(of: entry.receivedAt.microsecondsSince1970)
            return false
        }
        return mark ?? target.mark ?? .start
    }

    // MARK: What happened

    /// The changes behind `id` up to the target, or up to a bound, in the order of the log; the timeline tracks the
    /// sessions as they were at `id`.
    private func missed(
        _ timeline: inout Timeline
    ) throws(StoreError) -> (changes: [FoldedChange], reached: Int64) {
        if case .session(let key) = subscriber.scope {
            guard let record = try session(key) else { return ([], target.position) }
            timeline.track(record.rewound(to: id.position))
            return (changes(of: record, through: target.position), target.position)
        }
        if case .user(let key) = subscriber.scope { return try missed(ofUser: key, &timeline) }
        var keys: Set<SessionKey> = []
        var rows = 0
        let rowsMax = hub.options.catchUpRowsMax
        let last = target.position
        var reached = last
        try hub.store.scanLog(after: id.position) { (entry) throws(StoreError) in
            // Beyond the target for the sessions only: what waited at `id` may not wait any more.
            guard rows < rowsMax else {
                reached = min(reached, entry.position - 1)
                return false
            }
            rows += 1
            var limits = EventLimits()
            limits.bodyBytesMax = .max
            if let event = try? SessionEvent.decode(entry.body, source: entry.source, limits: limits) {
                keys.insert(SessionKey(event.sessionId))
            }
            return true
        }
        for record in try waiting(from: timeline.mark) where subscriber.scope.covers(record) {
            if keys.contains(SessionKey(record.sessionId)) { continue }
            timeline.track(record.rewound(to: id.position))
        }
        var changes: [FoldedChange] = []
        for key in keys {
            guard let record = try session(key) else { continue }
            timeline.track(record.rewound(to: id.position))
            changes += self.changes(of: record, through: reached)
        }
        changes.sort { $0.position < $1.position }
        return (changes, reached)
    }

    /// The same of a user: by the index of their sessions, so that it costs nothing what all others have done meanwhile.
    /// Sessions that were theirs and are another's now are not among them.
    private func missed(
        ofUser key: SessionKey, _ timeline: inout Timeline
    ) throws(StoreError) -> (changes: [FoldedChange], reached: Int64) {
        var changes: [FoldedChange] = []
        var selection = SessionSelection(.user(key.sessionId), limit: 1_000)
        while true {
            let current = selection
            let page: SessionPage = try wait { hub.store.select(current, completion: $0) }
            for record in page.records {
                guard record.lastPosition > id.position else {
                    timeline.track(record)
                    continue
                }
                timeline.track(record.rewound(to: id.position))
                changes += self.changes(of: record, through: target.position)
            }
            guard let next = page.next else { break }
            selection.after = next
        }
        changes.sort { $0.position < $1.position }
        return (changes, target.position)
    }

    private func changes(of record: SessionRecord, through last: Int64) -> [FoldedChange] {
        record.facts.filter { $0.position > id.position && $0.position <= last }
            .sorted { $0.position < $1.position }
            .map {
                FoldedChange(
                    record: record.rewound(to: $0.position), position: $0.position, receivedAt: $0.heardAt,
                    seal: ((try? hub.store.historyMark(at: $0.position)) ?? nil) ?? 0)
            }
    }

    private func session(_ key: SessionKey) throws(StoreError) -> SessionRecord? {
        try wait { hub.store.session(key.sessionId, completion: $0) }
    }

    /// Sessions that time may have changed since the id.
    private func waiting(from mark: TimeMark) throws(StoreError) -> [SessionRecord] {
        let from = Instant(microsecondsSince1970: mark.microseconds).adding(
            seconds: -hub.settings.startTimeoutSeconds - 1)
        var records: [SessionRecord] = []
        var selection = SessionSelection(.waiting(from: from), limit: 1_000)
        while true {
            let current = selection
            let page: SessionPage = try wait { hub.store.select(current, completion: $0) }
            records += page.records
            guard let next = page.next else { return records }
            selection.after = next
        }
    }

    private func wait<Value: Sendable>(
        _ ask: (@escaping @Sendable (Result<Value, StoreError>) -> Void) -> Void
    ) throws(StoreError) -> Value {
        let answer = Answer<Value>()
        ask { answer.give($0) }
        return try answer.wait()
    }
}
