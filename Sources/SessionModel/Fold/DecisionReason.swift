/// Why a fact did, or did not, decide the status of its session (domain.md, "The fold"). The codes are part of the
/// interface.
package enum DecisionReason: String, Sendable, Hashable, CaseIterable {
    // Of the fact that decided.
    case onlyStatusFact = "ONLY_STATUS_FACT"
    case latestTimestamp = "LATEST_TIMESTAMP"
    case higherRankAtEqualTimestamp = "HIGHER_RANK_AT_EQUAL_TIMESTAMP"
    case greaterPayloadAtEqualRank = "GREATER_PAYLOAD_AT_EQUAL_RANK"
    case greaterNameAtEqualPayload = "GREATER_NAME_AT_EQUAL_PAYLOAD"
    case completeIsFinal = "COMPLETE_IS_FINAL"
    case refundedIsFinal = "REFUNDED_IS_FINAL"
    // Of the others.
    case changesNoStatus = "CHANGES_NO_STATUS"
    case earlierTimestamp = "EARLIER_TIMESTAMP"
    case lowerRankAtEqualTimestamp = "LOWER_RANK_AT_EQUAL_TIMESTAMP"
    case smallerPayloadAtEqualRank = "SMALLER_PAYLOAD_AT_EQUAL_RANK"
    case smallerNameAtEqualPayload = "SMALLER_NAME_AT_EQUAL_PAYLOAD"
    case overruledByComplete = "OVERRULED_BY_COMPLETE"
    case overruledByRefunded = "OVERRULED_BY_REFUNDED"
    // Of a session that no fact decided.
    case noStatusFact = "NO_STATUS_FACT"

    /// A sentence for people.
    package var explanation: StaticString {
        switch self {
        case .onlyStatusFact: "It is the only fact that reports a status."
        case .latestTimestamp: "Of all facts that report a status it has the latest timestamp."
        case .higherRankAtEqualTimestamp: "Another fact has the same timestamp; the status of this one ranks higher."
        case .greaterPayloadAtEqualRank:
            "Another fact has the same timestamp and rank; the canonical payload of this one is the greater."
        case .greaterNameAtEqualPayload:
            "Another fact has the same timestamp, rank and payload; name, source or status of this one is the greater."
        case .completeIsFinal: "The session is complete: later facts of a lower rank do not change that."
        case .refundedIsFinal: "The session is refunded: later facts of a lower rank do not change that."
        case .changesNoStatus: "Events of this name report no status; they are kept and shown."
        case .earlierTimestamp: "The fact that decided has a later timestamp."
        case .lowerRankAtEqualTimestamp: "The fact that decided has the same timestamp and a higher rank."
        case .smallerPayloadAtEqualRank: "The fact that decided has the same timestamp and rank, and a greater payload."
        case .smallerNameAtEqualPayload:
            "The fact that decided has the same timestamp, rank and payload, and a greater name, source or status."
        case .overruledByComplete: "The session is complete, and the status of this fact ranks lower."
        case .overruledByRefunded: "The session is refunded, and the status of this fact ranks lower."
        case .noStatusFact: "No known fact reports a status."
        }
    }
}

extension SessionRecord {
    /// Why the session has the status it has. Cost: linear in the facts behind the deciding one.
    package var decisionReason: DecisionReason {
        guard let deciding = state.decidingIndex else { return .noStatusFact }
        let decider = facts[deciding]
        if facts[(deciding + 1)...].contains(where: { $0.status != nil }) {
            return decider.status == .refunded ? .refundedIsFinal : .completeIsFinal
        }
        guard let other = facts[..<deciding].last(where: { $0.status != nil }) else { return .onlyStatusFact }
        if other.timestamp != decider.timestamp { return .latestTimestamp }
        if other.rank != decider.rank { return .higherRankAtEqualTimestamp }
        return other.payload == decider.payload ? .greaterNameAtEqualPayload : .greaterPayloadAtEqualRank
    }

    /// Why the fact at `index` did not decide; the session's reason where it did.
    ///
    /// - Parameter decision: `decisionReason`, so that it is worked out once for all facts.
    package func reason(ofFactAt index: Int, decision: DecisionReason) -> DecisionReason {
        let fact = facts[index]
        guard fact.status != nil, let deciding = state.decidingIndex else { return .changesNoStatus }
        if index == deciding { return decision }
        let decider = facts[deciding]
        if index > deciding { return decider.status == .refunded ? .overruledByRefunded : .overruledByComplete }
        if fact.timestamp != decider.timestamp { return .earlierTimestamp }
        if fact.rank != decider.rank { return .lowerRankAtEqualTimestamp }
        return fact.payload == decider.payload ? .smallerNameAtEqualPayload : .smallerPayloadAtEqualRank
    }
}
