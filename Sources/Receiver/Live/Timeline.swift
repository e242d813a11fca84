internal import Base
import SessionIndex
import SessionModel
import SessionStore

/// Turns folded changes and the passing of time into live events, in one order with ids to resume from.
///
/// A value without clock or I/O: the live stream and the replay of the log for who resumes are the same code, so that
/// both tell the same. The rule of the order: before a delivery is told, everything is told that time alone brought up
/// to when it was received.
///
/// It holds outlines of sessions and notices of fees to come, never a record, and one change costs the same however many
/// facts its session has.
struct Timeline: Sendable {
    private static let kindEffectiveStatus: Int64 = 1
    private static let kindFee: Int64 = 2

    private struct Timer: Sendable {
        let mark: TimeMark
        let key: SessionKey
        let at: Instant

        var isFee: Bool { mark.kind == Timeline.kindFee }
    }

    /// A session that time alone will change.
    private struct Waiting: Sendable {
        var outline: SessionOutline
        /// When the wait for its start is over; nil where it does not wait, or that has been told.
        var startLimit: Instant?
        /// What starts to apply at an instant. Of a session that has ended it is kept, as it may go on.
        var fees: [Instant: Fees] = [:]

        var isOver: Bool { startLimit == nil && fees.isEmpty }

        func has(_ timer: Timer) -> Bool { timer.isFee ? fees[timer.at] != nil : startLimit == timer.at }
    }

    /// Notices of fees that start at the same instant: these are told together.
    struct Fees: Sendable {
        /// The last of them in the order of notices, as many as an event shows.
        private(set) var notices: [FeeNotice] = []
        private(set) var total = 0
        private var bytes = 0

        mutating func add(_ notice: FeeNotice) {
            total += 1
            bytes += notice.bytes
            let place = notices.firstIndex { FeeNotice.order($0, notice) > 0 } ?? notices.count
            notices.insert(notice, at: place)
            while notices.count > 1,
                notices.count > SessionOutline.listedMax || bytes > SessionOutline.listedBytesMax
            {
                bytes -= notices.removeFirst().bytes
            }
        }
    }

    private let settings: GuidanceSettings
    private(set) var cursor: LogCursor
    /// The same as places, where several receivers share a log.
    private(set) var frontier: SharedCursor?
    /// Everything up to here has been told.
    private(set) var mark: TimeMark
    private var timers = Heap<Timer> { $0.mark < $1.mark }
    private var waiting: [SessionKey: Waiting] = [:]
    /// Timers of which no session knows any more, about.
    private var voidCount = 0

    init(settings: GuidanceSettings, cursor: LogCursor, frontier: SharedCursor? = nil, mark: TimeMark) {
        self.frontier = frontier
        self.settings = settings
        self.cursor = cursor
        self.mark = mark
    }

    /// Sessions that time alone will change.
    var waitingCount: Int { waiting.count }
    /// Timers, void ones included.
    var timerCount: Int { timers.count }

    // MARK: Sessions

    /// Sets the timers of a session as it is now; what is due already counts as told.
    mutating func track(_ record: SessionRecord) {
        let key = SessionKey(record.sessionId)
        forget(key)
        guard !record.facts.isEmpty else { return }
        let outline = SessionOutline(record)
        guard !outline.isFinal else { return }
        waiting[key] = Waiting(outline: outline)
        for fee in record.state.fees { wait(for: fee, key, outline.tie) }
        follow(outline, key)
    }

    /// Takes note of what a session has become.
    private mutating func follow(_ change: SessionChange, _ key: SessionKey) {
        let outline = change.outline
        guard !outline.isFinal else { return forget(key) }
        if waiting[key] == nil {
            waiting[key] = Waiting(outline: outline)
            // Of a session that had ended, nobody else knows them any more.
            for fee in change.feesToCome { wait(for: fee, key, outline.tie) }
        }
        if let fee = change.fee { wait(for: fee, key, outline.tie) }
        follow(outline, key)
    }

    private mutating func follow(_ outline: SessionOutline, _ key: SessionKey) {
        waiting[key]?.outline = outline
        let limit = outline.startLimit(settings).flatMap {
            timeMark(outline.tie, Self.kindEffectiveStatus, $0) > mark ? $0 : nil
        }
        if let known = waiting[key]?.startLimit, known != limit { voidCount += 1 }
        if let limit, waiting[key]?.startLimit != limit {
            add(limit, Self.kindEffectiveStatus, key, outline.tie)
        }
        waiting[key]?.startLimit = limit
        if waiting[key]?.isOver ?? false { waiting[key] = nil }
        compact()
    }

    private mutating func wait(for fee: FeeNotice, _ key: SessionKey, _ number: Int64) {
        guard let start = fee.feeWillApplyFrom, timeMark(number, Self.kindFee, start) > mark else { return }
        if waiting[key]?.fees[start] == nil { add(start, Self.kindFee, key, number) }
        waiting[key]?.fees[start, default: Fees()].add(fee)
    }

    private mutating func add(_ instant: Instant, _ kind: Int64, _ key: SessionKey, _ number: Int64) {
        timers.insert(Timer(mark: timeMark(number, kind, instant), key: key, at: instant))
    }

    private func timeMark(_ number: Int64, _ kind: Int64, _ instant: Instant) -> TimeMark {
        TimeMark(microseconds: instant.microsecondsSince1970, number: number, kind: kind)
    }

    private mutating func forget(_ key: SessionKey) {
        guard let session = waiting.removeValue(forKey: key) else { return }
        voidCount += session.fees.count + (session.startLimit == nil ? 0 : 1)
        compact()
    }

    /// Drops void timers once they are the most.
    private mutating func compact() {
        guard voidCount > 1024, voidCount > timers.count / 2 else { return }
        let waiting = waiting
        timers.removeAll { !(waiting[$0.key]?.has($0) ?? false) }
        voidCount = 0
    }

    // MARK: What happens

    /// Tells of a new fact, and before it of what time brought until it was received.
    ///
    /// - Parameter isWanted: whether anybody wants to know; without, only the account is kept.
    mutating func apply(_ change: FoldedChange, isWanted: Bool = true, tell: (LiveEvent) -> Void) {
        let received = TimeMark.end(of: change.receivedAt.microsecondsSince1970)
        if received > mark { advance(to: received, tell: tell) }
        cursor = LogCursor(position: change.position, seal: change.seal)
        frontier?.advance(change.place)
        let outline = change.outline
        follow(change.change, SessionKey(outline.sessionId))
        guard isWanted else { return }
        let kind: LiveEvent.Kind =
            if change.change.name == .sessionFeeIncurring {
                .fee
            } else if change.change.statusBefore != outline.state.status {
                .status
            } else {
                .fact
            }
        let now = max(change.receivedAt, Instant(microsecondsSince1970: mark.microseconds))
        tell(
            LiveEvent(
                id: LiveEventId(cursor, frontier?.frontier, mark: received == mark && frontier == nil ? nil : mark),
                kind: kind, outline: outline,
                at: change.receivedAt, effectiveStatus: outline.effectiveStatus(at: now, settings: settings)))
    }

    /// Everything up to there has been seen, whether it changed anything or not.
    mutating func reach(_ cursor: LogCursor) {
        if cursor.position > self.cursor.position { self.cursor = cursor }
    }

    /// Where the stream stands.
    var id: LiveEventId { LiveEventId(cursor, frontier?.frontier, mark: mark) }

    /// Tells of everything that time alone brings up to `target`.
    mutating func advance(to target: TimeMark, tell: (LiveEvent) -> Void) {
        while let event = next(through: target) { tell(event) }
        mark = max(mark, target)
    }

    /// The first thing that time alone brings up to `target`; nil where there is nothing (more).
    mutating func next(through target: TimeMark) -> LiveEvent? {
        while let timer = timers.first, timer.mark <= target {
            timers.removeFirst()
            guard waiting[timer.key]?.has(timer) ?? false else {
                voidCount = max(0, voidCount - 1)
                continue
            }
            var fees: Fees?
            if timer.isFee {
                fees = waiting[timer.key]?.fees.removeValue(forKey: timer.at)
            } else {
                waiting[timer.key]?.startLimit = nil
            }
            guard let outline = waiting[timer.key]?.outline else { continue }
            if waiting[timer.key]?.isOver ?? false { waiting[timer.key] = nil }
            // A notice means nothing to who has stopped.
            if timer.isFee, outline.hasEnded { continue }
            mark = max(mark, timer.mark)
            return LiveEvent(
                id: LiveEventId(cursor, frontier?.frontier, mark: timer.mark),
                kind: timer.isFee ? .feeApplies : .effectiveStatus,
                outline: outline, at: timer.at,
                effectiveStatus: outline.effectiveStatus(at: timer.at, settings: settings), fees: fees)
        }
        return nil
    }
}
