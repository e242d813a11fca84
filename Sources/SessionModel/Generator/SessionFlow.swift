/// The ways a session can go (domain.md), as the generator knows them.
package enum SessionFlow: String, Sendable, Hashable, CaseIterable {
    case remote, localStop, localCard, failedStart, failedStartThenStarted, failedStartThenComplete
    case stopFailedThenStopped, stopFailedForever, feeFirst, feeDuring, ongoing, missingStart, missingStop
    case onlyComplete, unknownEvent, unknownFields, olderNames

    /// How often a flow comes, in relation to the others.
    var weight: Int {
        switch self {
        case .remote: 40
        case .localStop, .localCard: 12
        case .failedStart, .feeDuring: 6
        case .stopFailedThenStopped, .ongoing, .olderNames: 4
        default: 2
        }
    }

    static let totalWeight = allCases.reduce(0) { $0 + $1.weight }

    static func pick(_ random: inout SeededRandom) -> SessionFlow {
        var rest = random.below(totalWeight)
        for flow in allCases {
            rest -= flow.weight
            if rest < 0 { return flow }
        }
        return .remote
    }

    /// What happens, in order, as names of callbacks.
    var steps: [String] {
        switch self {
        case .remote, .localStop, .localCard: ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"]
        case .failedStart: ["SESSION_START_FAILED"]
        case .failedStartThenStarted:
            ["SESSION_START_FAILED", "SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"]
        case .failedStartThenComplete: ["SESSION_START_FAILED", "SESSION_COMPLETE"]
        case .stopFailedThenStopped:
            ["SESSION_STARTED", "SESSION_STOP_FAILED", "SESSION_STOPPED", "SESSION_COMPLETE"]
        case .stopFailedForever: ["SESSION_STARTED", "SESSION_STOP_FAILED", "SESSION_STOP_FAILED"]
        case .feeFirst: ["SESSION_FEE_INCURRING", "SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"]
        case .feeDuring:
            [
                "SESSION_STARTED", "SESSION_FEE_INCURRING", "SESSION_FEE_INCURRING", "SESSION_STOPPED",
                "SESSION_COMPLETE",
            ]
        case .ongoing: ["SESSION_STARTED"]
        case .missingStart: ["SESSION_STOPPED", "SESSION_COMPLETE"]
        case .missingStop: ["SESSION_STARTED", "SESSION_COMPLETE"]
        case .onlyComplete: ["SESSION_COMPLETE"]
        case .unknownEvent:
            ["SESSION_STARTED", "SESSION_PRICE_CHANGED", "SESSION_STOPPED", "SESSION_COMPLETE"]
        case .unknownFields: ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"]
        case .olderNames: ["SESSION_FAILED", "SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETED"]
        }
    }
}
