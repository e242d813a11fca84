internal import Base

/// What the incremental fold remembers between facts, besides the state itself.
struct FoldTracking: Sendable {
    /// The fact that the state's `userId` is from.
    var userIndex: Int?
    /// The earliest STARTED that callbacks and clients reported.
    var startedByEvent: Instant?
    /// The earliest start of which other sources tell.
    var startedByOthers: Instant?
    var stoppedByEvent: Instant?
    var stoppedByOthers: Instant?
    /// The least position of a fact.
    var number = Int64.max
    /// From when on the session has waited for a start, where it was asked for.
    var startRequestedAt: Instant?
}

extension SessionRecord {
    /// The order that decides: by the tier of a fact, then by its place in fold order.
    private func decides(_ index: Int, over other: Int?) -> Bool {
        guard let other else { return true }
        return (facts[index].tier, index) > (facts[other].tier, other)
    }

    /// Whether an event would decide the status if it were applied now.
    package func wouldDecide(_ event: SessionEvent) -> Bool {
        guard event.status != nil else { return false }
        guard let deciding = state.decidingIndex else { return true }
        let nowhere = Fact.Receipt(receivedAt: .epoch, place: Place(origin: .none, sequence: 0))
        let fact = Fact(event, position: 0, heardAt: .epoch, first: nowhere)
        let decider = facts[deciding]
        return fact.tier == decider.tier ? Fact.foldOrder(decider, fact) < 0 : fact.tier > decider.tier
    }

    /// Brings the state up to date with the fact that has just been inserted at `index`.
    mutating func foldInsertedFact(at index: Int) {
        shiftIndices(from: index)
        decide(with: index)
        collect(facts[index])
        summarize()
    }

    /// Rebuilds the state of a record whose facts have been put in place.
    mutating func foldAll() {
        state = SessionState(sessionId: sessionId)
        tracking = FoldTracking()
        for index in facts.indices {
            decide(with: index)
            collect(facts[index])
        }
        summarize()
    }

    /// Says in the state what the indices point to.
    private mutating func summarize() {
        state.version = facts.count
        state.statusSince = state.sinceIndex.map { facts[$0].timestamp }
        state.userId = tracking.userIndex.flatMap { facts[$0].ownerId }
    }

    private mutating func shiftIndices(from index: Int) {
        if let deciding = state.decidingIndex, deciding >= index { state.decidingIndex = deciding + 1 }
        if let since = state.sinceIndex, since >= index { state.sinceIndex = since + 1 }
        if let user = tracking.userIndex, user >= index { tracking.userIndex = user + 1 }
        for entry in state.enrichment.entries.indices where state.enrichment.entries[entry].factIndex >= index {
            state.enrichment.entries[entry].factIndex += 1
        }
    }

    /// Lets one fact compete for all that the greatest fact decides.
    private mutating func decide(with index: Int) {
        let fact = facts[index]
        if let status = fact.status { decideStatus(with: index, status) }
        if fact.ownerId != nil, decides(index, over: tracking.userIndex) { tracking.userIndex = index }
        for (field, value) in Enrichment.fields(of: fact.payload) {
            let place = state.enrichment.entries.firstIndex { $0.field.rawValue >= field.rawValue }
            if let place, state.enrichment.entries[place].field == field {
                guard decides(index, over: state.enrichment.entries[place].factIndex) else { continue }
                state.enrichment.entries.remove(at: place)
            }
            state.enrichment.entries.insert(
                Enrichment.Entry(
                    field: field, value: CanonicalJSON(canonical: Array(fact.payload.bytes[value])), factIndex: index),
                at: place ?? state.enrichment.entries.count)
        }
    }

    /// Lets one fact compete for the status, and keeps track of where the run of facts that report it begins.
    ///
    /// Facts are looked through only where one comes in late: where it breaks the run for the first one behind it, and
    /// where it may lengthen the run for one that stands in between.
    private mutating func decideStatus(with index: Int, _ status: SessionStatus) {
        guard let deciding = state.decidingIndex, let since = state.sinceIndex,
            facts[index].tier <= facts[deciding].tier
        else {
            (state.status, state.decidingIndex, state.sinceIndex) = (status, index, index)
            return
        }
        guard facts[index].tier == facts[deciding].tier else { return }
        let isSame = status == state.status
        // Also where it is the same: names that are equal may have other bytes.
        if index > deciding { (state.status, state.decidingIndex) = (status, index) }
        if status.isFinal {
            // All of the tier report the one status.
            state.sinceIndex = min(index, since)
        } else if isSame {
            if index < since, !facts[(index + 1)..<since].contains(where: { $0.status != nil }) {
                state.sinceIndex = index
            }
        } else if index > deciding {
            state.sinceIndex = index
        } else if index > since {
            state.sinceIndex = facts[(index + 1)...].firstIndex { $0.status != nil }
        }
    }

    /// Adds what a fact contributes wherever it stands.
    private mutating func collect(_ fact: Fact) {
        tracking.number = min(tracking.number, fact.position)
        trackWaits(fact)
        let isEvent = fact.source == .webhook || fact.source == .client
        if let userId = fact.ownerId { insert(userId: userId) }
        if fact.status == .started, isEvent {
            tracking.startedByEvent = min(tracking.startedByEvent ?? fact.timestamp, fact.timestamp)
        }
        if !isEvent {
            let start = fact.payload.instant("startTime") ?? (fact.status == .started ? fact.timestamp : nil)
            if let start { tracking.startedByOthers = min(tracking.startedByOthers ?? start, start) }
        }
        if fact.status == .stopped {
            if isEvent {
                tracking.stoppedByEvent = max(tracking.stoppedByEvent ?? fact.timestamp, fact.timestamp)
            } else {
                tracking.stoppedByOthers = max(tracking.stoppedByOthers ?? fact.timestamp, fact.timestamp)
            }
        }
        if fact.source == .client, fact.name == .sessionAbandoned {
            state.abandonedAt = min(state.abandonedAt ?? fact.timestamp, fact.timestamp)
        }
        if fact.source == .webhook, fact.name == .sessionFeeIncurring { insert(fee: FeeNotice(fact)) }
        state.startTime = tracking.startedByEvent ?? tracking.startedByOthers
        state.stopTime = tracking.stoppedByEvent ?? tracking.stoppedByOthers
    }

    /// A repeat may have been received earlier than what came first here.
    mutating func trackWaits(_ fact: Fact) {
        guard fact.status == .created || fact.status == .waitingToStart else { return }
        let reference = FactSummary.reference(fact)
        tracking.startRequestedAt = min(tracking.startRequestedAt ?? reference, reference)
    }

    private mutating func insert(userId: String) {
        var low = 0
        var high = state.userIds.count
        while low < high {
            let middle = (low + high) / 2
            let order = compareUTF8(state.userIds[middle], userId)
            if order == 0 { return }
            if order < 0 { low = middle + 1 } else { high = middle }
        }
        state.userIds.insert(userId, at: low)
    }

    private mutating func insert(fee: FeeNotice) {
        var low = 0
        var high = state.fees.count
        while low < high {
            let middle = (low + high) / 2
            if FeeNotice.order(state.fees[middle], fee) < 0 { low = middle + 1 } else { high = middle }
        }
        state.fees.insert(fee, at: low)
    }
}
