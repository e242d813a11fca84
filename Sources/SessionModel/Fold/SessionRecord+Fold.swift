/// What the incremental fold remembers between facts, besides the state itself.
struct FoldTracking: Sendable {
    /// A COMPLETE is known: facts of rank 7 and above come before all others.
    var isComplete = false
    /// The fact that the state's `userId` is from.
    var userIndex: Int?
    /// The earliest STARTED that callbacks and clients reported.
    var startedByEvent: Instant?
    /// The earliest start of which other sources tell.
    var startedByOthers: Instant?
    var stoppedByEvent: Instant?
    var stoppedByOthers: Instant?
}

extension SessionRecord {
    /// The order that decides, as a pair to compare: the tier of a fact, then its place in fold order.
    ///
    /// Tier 0 changes no status; 1 does; 2 is COMPLETE and what follows it, once a COMPLETE is known (rule 3).
    private func tier(_ index: Int) -> Int {
        guard let status = facts[index].status else { return 0 }
        return tracking.isComplete && status.isFinal ? 2 : 1
    }

    private func decides(_ index: Int, over other: Int?) -> Bool {
        guard let other else { return true }
        return (tier(index), index) > (tier(other), other)
    }

    /// Brings the state up to date with the fact that has just been inserted at `index`.
    mutating func foldInsertedFact(at index: Int) {
        shiftIndices(from: index)
        state.version = facts.count
        if facts[index].status == .complete, !tracking.isComplete {
            // All that has been decided so far has to be looked at again, once in the life of a session.
            tracking.isComplete = true
            state.decidingIndex = nil
            tracking.userIndex = nil
            state.enrichment = Enrichment()
            for other in facts.indices { decide(with: other) }
        } else {
            decide(with: index)
        }
        if let deciding = state.decidingIndex, let status = facts[deciding].status {
            state.status = status
            state.statusSince = facts[deciding].timestamp
        }
        state.userId = tracking.userIndex.flatMap { facts[$0].userId }
        collect(facts[index])
    }

    /// Rebuilds the state of a record whose facts have been put in place.
    mutating func foldAll() {
        state = SessionState(sessionId: sessionId)
        tracking = FoldTracking()
        tracking.isComplete = facts.contains { $0.status == .complete }
        for index in facts.indices {
            decide(with: index)
            collect(facts[index])
        }
        state.version = facts.count
        if let deciding = state.decidingIndex, let status = facts[deciding].status {
            state.status = status
            state.statusSince = facts[deciding].timestamp
        }
        state.userId = tracking.userIndex.flatMap { facts[$0].userId }
    }

    private mutating func shiftIndices(from index: Int) {
        if let deciding = state.decidingIndex, deciding >= index { state.decidingIndex = deciding + 1 }
        if let user = tracking.userIndex, user >= index { tracking.userIndex = user + 1 }
        for entry in state.enrichment.entries.indices where state.enrichment.entries[entry].factIndex >= index {
            state.enrichment.entries[entry].factIndex += 1
        }
    }

    /// Lets one fact compete for all that the greatest fact decides.
    private mutating func decide(with index: Int) {
        let fact = facts[index]
        if fact.status != nil, decides(index, over: state.decidingIndex) { state.decidingIndex = index }
        if fact.userId != nil, decides(index, over: tracking.userIndex) { tracking.userIndex = index }
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

    /// Adds what a fact contributes wherever it stands.
    private mutating func collect(_ fact: Fact) {
        let isEvent = fact.source == .webhook || fact.source == .client
        if let userId = fact.userId { insert(userId: userId) }
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
