import SessionIndex
import SessionModel
import SessionStore

/// Turns folded changes and the passing of time into live events, in one order with ids to resume from.
///
/// A value without clock or I/O: the live stream and the replay of the log for who resumes are the same code, so that
/// both tell the same. The rule of the order: before a delivery is told, everything is told that time alone brought up
/// to when it was received.
struct Timeline: Sendable {
    private static let kindEffectiveStatus: Int64 = 1
    private static let kindFee: Int64 = 2

    private struct Timer: Sendable {
        let mark: TimeMark
        let key: SessionKey
        let at: Instant
        /// Which setting of the session's timers it belongs to; older ones are void.
        let serial: UInt64
    }

    private struct Waiting: Sendable {
        var record: SessionRecord
        var serial: UInt64
        /// Timers still to come.
        var count: Int
    }

    private let settings: GuidanceSettings
    private(set) var cursor: LogCursor
    /// Everything up to here has been told.
    private(set) var mark: TimeMark
    private var timers = Heap<Timer> { $0.mark < $1.mark }
    private var waiting: [SessionKey: Waiting] = [:]
    private var serial: UInt64 = 0

    init(settings: GuidanceSettings, cursor: LogCursor, mark: TimeMark) {
        self.settings = settings
        self.cursor = cursor
        self.mark = mark
    }

    /// Sessions that time alone will change.
    var waitingCount: Int { waiting.count }
    /// Timers, void ones included.
    var timerCount: Int { timers.count }

    /// Sets the timers of a session as it is now; what is due already counts as told.
    mutating func track(_ record: SessionRecord) {
        let key = SessionKey(record.sessionId)
        waiting[key] = nil
        guard !record.facts.isEmpty else { return }
        serial += 1
        var count = 0
        let number = record.number
        let now = Instant(microsecondsSince1970: mark.microseconds)
        func add(_ instant: Instant, _ kind: Int64) {
            let timer = Timer(
                mark: TimeMark(microseconds: instant.microsecondsSince1970, number: number, kind: kind), key: key,
                at: instant, serial: serial)
            guard timer.mark > mark else { return }
            timers.insert(timer)
            count += 1
        }
        if let change = record.effectiveStatus(at: min(now, record.latestReceipt), settings: settings).changesAt {
            add(change, Self.kindEffectiveStatus)
        }
        var last: Instant?
        for fee in record.feesToCome(after: .earliest) {
            // Notices of the same instant are told together.
            guard let start = fee.feeWillApplyFrom, start != last else { continue }
            last = start
            add(start, Self.kindFee)
        }
        if count > 0 { waiting[key] = Waiting(record: record, serial: serial, count: count) }
        compact()
    }

    /// Tells of a new fact, and before it of what time brought until it was received.
    ///
    /// - Parameter isWanted: whether anybody wants to know; without, only the account is kept.
    mutating func apply(_ change: FoldedChange, isWanted: Bool = true, tell: (LiveEvent) -> Void) {
        let received = TimeMark.end(of: change.receivedAt.microsecondsSince1970)
        if received > mark { advance(to: received, tell: tell) }
        cursor = LogCursor(position: change.position, seal: change.seal)
        let after = change.record
        track(after)
        guard isWanted else { return }
        let before = after.rewound(to: change.position - 1)
        let fact = after.facts.first { $0.position == change.position }
        let kind: LiveEvent.Kind =
            if fact?.name == .sessionFeeIncurring {
                .fee
            } else if before.facts.isEmpty || before.state.status != after.state.status {
                .status
            } else {
                .fact
            }
        let now = max(change.receivedAt, Instant(microsecondsSince1970: mark.microseconds))
        tell(
            LiveEvent(
                id: LiveEventId(cursor, mark: received == mark ? nil : mark), kind: kind, record: after,
                at: change.receivedAt, effectiveStatus: after.effectiveStatus(at: now, settings: settings).status))
    }

    /// Everything up to there has been seen, whether it changed anything or not.
    mutating func reach(_ cursor: LogCursor) {
        if cursor.position > self.cursor.position { self.cursor = cursor }
    }

    /// Tells of everything that time alone brings up to `target`.
    mutating func advance(to target: TimeMark, tell: (LiveEvent) -> Void) {
        while let timer = timers.first, timer.mark <= target {
            timers.removeFirst()
            guard var session = waiting[timer.key], session.serial == timer.serial else { continue }
            session.count -= 1
            waiting[timer.key] = session.count > 0 ? session : nil
            mark = max(mark, timer.mark)
            let record = session.record
            let status = record.effectiveStatus(at: timer.at, settings: settings).status
            let isFee = timer.mark.kind == Self.kindFee
            tell(
                LiveEvent(
                    id: LiveEventId(cursor, mark: timer.mark),
                    kind: isFee ? .feeApplies : .effectiveStatus, record: record, at: timer.at,
                    effectiveStatus: status,
                    fees: isFee ? record.state.fees.filter { $0.feeWillApplyFrom == timer.at } : []))
        }
        mark = max(mark, target)
    }

    /// Drops void timers once they are the most.
    private mutating func compact() {
        guard timers.count > 1024, timers.count > waiting.count * 8 else { return }
        let waiting = waiting
        timers.removeAll { waiting[$0.key]?.serial != $0.serial }
    }
}

extension SessionRecord {
    /// When the latest of the facts was received first.
    var latestReceipt: Instant { facts.map(\.receivedAt).max() ?? .earliest }
}

/// A binary heap with the least element first.
struct Heap<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private let isLess: @Sendable (Element, Element) -> Bool

    init(_ isLess: @escaping @Sendable (Element, Element) -> Bool) {
        self.isLess = isLess
    }

    var count: Int { elements.count }
    var first: Element? { elements.first }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isLess(elements[child], elements[parent]) else { return }
            elements.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() {
        guard let last = elements.popLast(), !elements.isEmpty else { return }
        elements[0] = last
        sink(from: 0)
    }

    mutating func removeAll(where isUnwanted: (Element) -> Bool) {
        elements.removeAll(where: isUnwanted)
        for parent in stride(from: elements.count / 2 - 1, through: 0, by: -1) { sink(from: parent) }
    }

    private mutating func sink(from start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < elements.count {
                if isLess(elements[child], elements[least]) { least = child }
            }
            guard least != parent else { return }
            elements.swapAt(parent, least)
            parent = least
        }
    }
}
