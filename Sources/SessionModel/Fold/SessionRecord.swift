package import Base

/// Everything known of one session: the set of its facts, the account of deliveries, and the state that follows.
///
/// The cost of one `apply` with n facts known: log n comparisons, one insertion (a move of at most n facts in memory),
/// a handful of index updates, and, for a fact with a status that comes in before the one that decides, a look at the
/// statuses of at most n facts beside it. Nothing is moved or looked at where facts come in order, and the state is
/// never recomputed from all facts. A session that is flooded with thousands of distinct facts costs some ten
/// microseconds an event. The counters are worked out when they are asked for, in one pass over the facts.
///
/// Everything that answers show of a record is a function of the set of its deliveries (event, `receivedAt`, place).
/// What depends on who came here first (`number`, `lastPosition`, `Fact.position`, `Fact.heardAt`) is for this receiver
/// alone.
///
/// Change a record in place (`records[key]?.apply(…)`): a copy that is changed copies the array of facts.
package struct SessionRecord: Sendable {
    package let sessionId: String
    /// In fold order (`Fact.foldOrder`); no two are the same fact.
    package internal(set) var facts: [Fact] = []
    /// The highest log position applied; 0 where there is none.
    package internal(set) var lastPosition: Int64 = 0
    package internal(set) var state: SessionState
    var tracking = FoldTracking()

    package init(sessionId: String) {
        self.sessionId = sessionId
        state = SessionState(sessionId: sessionId)
    }

    /// What became of a delivery.
    package enum Application: Sendable, Hashable {
        /// A fact that was not known before.
        case accepted
        /// A fact that was known.
        case duplicate
        /// A position that this record has already; nothing was changed.
        case alreadyApplied
    }

    /// Takes note of a delivery. Positions must be positive and rise from call to call: one that is not above
    /// `lastPosition` has been applied before and changes nothing, so that a tail of the log may be applied twice.
    ///
    /// - Parameters:
    ///   - position: where the delivery stands in this receiver's own log.
    ///   - receivedAt: when its origin received it.
    ///   - place: its name. No two deliveries have the same one.
    @discardableResult
    package mutating func apply(
        _ event: SessionEvent, position: Int64, receivedAt: Instant, place: Place
    ) -> Application {
        guard position > lastPosition else { return .alreadyApplied }
        lastPosition = position
        let receipt = Fact.Receipt(receivedAt: receivedAt, place: place)
        let fact = Fact(event, position: position, heardAt: receivedAt, first: receipt)
        let (index, isKnown) = search(fact)
        if isKnown {
            facts[index].deliveries += 1
            // What comes later here may have been received earlier somewhere else.
            facts[index].first = min(facts[index].first, receipt)
            trackWaits(facts[index])
            return .duplicate
        }
        insert(fact, at: index)
        return .accepted
    }

    /// Adds a fact, unless it is known.
    mutating func add(_ fact: Fact) {
        let (index, isKnown) = search(fact)
        if !isKnown { insert(fact, at: index) }
    }

    private mutating func insert(_ fact: Fact, at index: Int) {
        // Few sessions have more.
        if facts.isEmpty { facts.reserveCapacity(4) }
        facts.insert(fact, at: index)
        foldInsertedFact(at: index)
    }

    /// Whether the event is a fact that is known: applied, it would be a duplicate.
    package func knows(_ event: SessionEvent) -> Bool {
        let nowhere = Fact.Receipt(receivedAt: .epoch, place: Place(origin: .none, sequence: 0))
        return search(Fact(event, position: 0, heardAt: .epoch, first: nowhere)).isKnown
    }

    /// Where a fact stands, or where it belongs.
    private func search(_ fact: Fact) -> (index: Int, isKnown: Bool) {
        // In most histories, facts come in order.
        if let last = facts.last {
            let order = Fact.foldOrder(last, fact)
            if order < 0 { return (facts.count, false) }
            if order == 0 { return (facts.count - 1, true) }
        }
        var low = 0
        var high = facts.count
        while low < high {
            let middle = (low + high) / 2
            let order = Fact.foldOrder(facts[middle], fact)
            if order == 0 { return (middle, true) }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }
}
