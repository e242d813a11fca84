package import SessionModel

/// Which session is asked about next, and when: a value, told the time (nanoseconds of a monotonic clock).
///
/// Of each session it knows only when it is due, how often it was asked about in vain, and its last known status. A session
/// that is settled, or that was asked about too often without a change, is forgotten until something new is heard of it.
package struct ReconciliationSchedule: Sendable {
    private struct Entry {
        var dueAt: UInt64
        var tries = 0
        var status: SessionStatus
        /// Being asked about.
        var isOut = false
        /// Something was heard of it while it was being asked about.
        var isFresh = false
        /// It has to be asked about by then, whatever is heard of it. What such a question does not change is no try.
        var isUrgent = false
        /// The question under way is one of those.
        var isUrgentOut = false
        /// Something of ours was asked about it: a question follows, also where nothing seems to be left to learn.
        var isRequested = false
        /// The question under way is that one.
        var isRequestedOut = false
        /// The Drive API has told which charger it is.
        var isDescribed = false
        /// Questions asked so far.
        var calls = 0
    }

    /// How a question ended.
    package enum Outcome: Sendable, Equatable {
        /// Nothing more is to be learnt, or nobody can be asked.
        case settled
        /// The API has answered; what the session's status is now, and whether its charger is known.
        case answered(SessionStatus, isDescribed: Bool = true)
        /// No answer, and it was not the session's fault: try again after so many nanoseconds.
        case postponed(nanoseconds: UInt64)
    }

    package let settings: ReconciliationSettings
    private var entries: [SessionKey: Entry] = [:]
    private var heap = DueHeap()
    private var random: SeededRandom
    /// Sessions had to be left out for want of room: they have to be looked up again.
    package private(set) var isIncomplete = false
    /// Sessions left alone after too many answers without a change.
    package private(set) var givenUpCount = 0
    /// Sessions that are done with, and the questions that they took: how many a session costs.
    package private(set) var doneCount = 0
    package private(set) var doneCallCount = 0

    package init(_ settings: ReconciliationSettings = ReconciliationSettings(), seed: UInt64) {
        self.settings = settings
        random = SeededRandom(seed: seed)
    }

    package var count: Int { entries.count }

    /// When a session is asked about next; nil where it is not watched.
    package func question(about key: SessionKey) -> Question? {
        entries[key].map { Question(dueAt: $0.isOut ? nil : $0.dueAt, tries: $0.tries) }
    }

    package var nextDueAt: UInt64? { heap.first?.dueAt }
    /// Elements of the heap, those that no longer count included.
    var heapCount: Int { heap.count }
    /// Whether the sessions that were left out should be looked up again.
    package var wantsMore: Bool { isIncomplete && entries.count < settings.sessionsMax / 2 }

    /// All sessions that may belong here are being looked up again.
    package mutating func willLookUp() { isIncomplete = false }

    /// Something new was heard of a session: the wait starts anew. Of one that is complete it brings the question forward,
    /// never back: its record may come while the payment is being settled.
    ///
    /// - Parameter isDescribed: it was the Drive API that told, and it has named the charger.
    package mutating func noted(
        _ key: SessionKey, _ status: SessionStatus, isDescribed: Bool = false, now: UInt64
    ) {
        if status == .refunded {
            if entries[key]?.isOut != true { entries[key] = nil }
            return
        }
        let isSoon = !isDescribed && asksSoon(status, entries[key])
        let dueAt = now + (isSoon ? soon : wait(status, tries: 0))
        if var entry = entries[key] {
            entry.status = status
            entry.tries = 0
            entry.isUrgent = entry.isUrgent || isSoon
            entry.isDescribed = entry.isDescribed || isDescribed
            if entry.isOut {
                entry.isFresh = true
                entry.dueAt = dueAt
                entries[key] = entry
                return
            }
            entry.dueAt = entry.isUrgent || status == .complete ? min(entry.dueAt, dueAt) : dueAt
            entries[key] = entry
            push(key, entry.dueAt)
        } else {
            insert(key, Entry(dueAt: dueAt, status: status, isUrgent: isSoon, isDescribed: isDescribed))
        }
    }

    private var soon: UInt64 { UInt64(settings.soonSeconds) * 1_000_000_000 }

    /// What callbacks do not tell is asked for soon: the charger and the key as soon as there is a session, and again when
    /// it goes on and they are still not known; price and payment as soon as it is complete.
    private func asksSoon(_ status: SessionStatus, _ known: Entry?) -> Bool {
        guard settings.soonSeconds > 0, known?.status != status else { return false }
        return status == .complete || known?.isDescribed != true
    }

    /// Something was asked of the Drive API about a session, and what came of it is to be seen by then.
    package mutating func requested(_ key: SessionKey, at instant: UInt64) {
        guard var entry = entries[key] else {
            return insert(key, Entry(dueAt: instant, status: .unknown, isUrgent: true, isRequested: true))
        }
        // What is under way may have been answered before.
        let isWaiting = !entry.isOut || entry.isFresh
        entry.dueAt = isWaiting && entry.isUrgent ? min(entry.dueAt, instant) : instant
        entry.tries = 0
        entry.isUrgent = true
        entry.isRequested = true
        entry.isFresh = entry.isOut
        entries[key] = entry
        if !entry.isOut { push(key, entry.dueAt) }
    }

    /// A session that has to be asked about by then, or earlier where it already is to be: at the start, or after a
    /// downtime. Spread over `spreadSeconds` beyond it.
    package mutating func add(
        _ key: SessionKey, _ status: SessionStatus, isDescribed: Bool = false, at instant: UInt64
    ) {
        let dueAt = instant + UInt64(random.between(0, settings.spreadSeconds * 1_000_000_000))
        if var entry = entries[key] {
            guard !entry.isOut, dueAt < entry.dueAt else { return }
            entry.dueAt = dueAt
            entry.tries = 0
            entry.isUrgent = true
            entries[key] = entry
            push(key, dueAt)
        } else {
            insert(key, Entry(dueAt: dueAt, status: status, isUrgent: true, isDescribed: isDescribed))
        }
    }

    /// The next session that is due, marked as being asked about; ``ended(_:_:now:)`` must follow.
    package mutating func takeDue(now: UInt64) -> SessionKey? {
        while let first = heap.first, first.dueAt <= now {
            heap.removeFirst()
            // Entries of the heap that no longer count are passed over.
            guard var entry = entries[first.key], !entry.isOut, entry.dueAt == first.dueAt else { continue }
            entry.isOut = true
            entry.isFresh = false
            entry.isUrgentOut = entry.isUrgent
            entry.isUrgent = false
            entry.isRequestedOut = entry.isRequested
            entry.isRequested = false
            entries[first.key] = entry
            return first.key
        }
        return nil
    }

    /// Whether the question under way follows a request of ours.
    package func isRequested(_ key: SessionKey) -> Bool { entries[key]?.isRequestedOut ?? false }

    /// - Parameter calls: how often the Drive API was asked; 0 where that had become needless.
    package mutating func ended(_ key: SessionKey, _ outcome: Outcome, calls: Int = 1, now: UInt64) {
        guard var entry = entries[key], entry.isOut else { return }
        entry.isOut = false
        entry.calls += calls
        switch outcome {
        case .settled:
            if !entry.isFresh { return forget(key, entry) }
        case .answered(let status, let isDescribed):
            entry.isDescribed = entry.isDescribed || isDescribed
            if !entry.isFresh {
                let isTry = status == entry.status && !entry.isUrgentOut
                entry.tries = isTry ? entry.tries + 1 : 0
                entry.status = status
                guard entry.tries < settings.triesMax else {
                    givenUpCount += 1
                    return forget(key, entry)
                }
                entry.dueAt = now + wait(status, tries: entry.tries)
            }
        case .postponed(let nanoseconds):
            // What is due later than that anyway stays there.
            entry.isRequested = entry.isRequested || entry.isRequestedOut
            let again = now + nanoseconds + UInt64(random.between(0, Int64(clamping: nanoseconds / 4)))
            entry.dueAt = entry.isFresh ? max(entry.dueAt, again) : again
        }
        entries[key] = entry
        push(key, entry.dueAt)
    }

    /// Everything that nobody is asking about just now.
    package mutating func forgetAll() {
        for key in entries.filter({ !$0.value.isOut }).keys { entries[key] = nil }
        isIncomplete = false
    }

    private mutating func forget(_ key: SessionKey, _ entry: Entry) {
        entries[key] = nil
        doneCount += 1
        doneCallCount += entry.calls
    }

    private mutating func insert(_ key: SessionKey, _ entry: Entry) {
        guard entries.count < settings.sessionsMax else {
            isIncomplete = true
            return
        }
        entries[key] = entry
        push(key, entry.dueAt)
    }

    private mutating func push(_ key: SessionKey, _ dueAt: UInt64) {
        heap.insert(DueHeap.Element(dueAt: dueAt, key: key))
        // Elements that no longer count are thrown out before they outnumber the others.
        if heap.count > 2 * entries.count + 1024 {
            heap = DueHeap(
                entries.lazy.filter { !$0.value.isOut }.map { DueHeap.Element(dueAt: $0.value.dueAt, key: $0.key) })
        }
    }

    /// Nanoseconds, doubling with each try, and up to a fifth more or less, so that sessions drift apart.
    private mutating func wait(_ status: SessionStatus, tries: Int) -> UInt64 {
        let first = settings.patienceSeconds(status)
        let seconds = max(1, min(first << Int64(min(tries, 20)), max(first, settings.backOffSecondsMax)))
        let nanoseconds = seconds * 1_000_000_000
        // The first question never comes before its time.
        let jitter = random.between(tries == 0 ? 0 : -nanoseconds / 5, nanoseconds / 5)
        return UInt64(nanoseconds + jitter)
    }
}

/// A binary heap of sessions by when they are due.
struct DueHeap: Sendable {
    struct Element: Sendable {
        let dueAt: UInt64
        let key: SessionKey
    }

    private var elements: [Element] = []

    init() {}

    init(_ elements: some Sequence<Element>) {
        self.elements = elements.sorted { $0.dueAt < $1.dueAt }
    }

    var first: Element? { elements.first }
    var count: Int { elements.count }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var index = elements.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard elements[index].dueAt < elements[parent].dueAt else { return }
            elements.swapAt(index, parent)
            index = parent
        }
    }

    mutating func removeFirst() {
        guard let last = elements.popLast(), !elements.isEmpty else { return }
        elements[0] = last
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < elements.count {
                if elements[child].dueAt < elements[least].dueAt { least = child }
            }
            if least == index { return }
            elements.swapAt(index, least)
            index = least
        }
    }
}
