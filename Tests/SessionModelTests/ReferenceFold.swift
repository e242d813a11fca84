import SessionModel

/// The fold as domain.md words it, with no thought for speed: the oracle for the incremental one.
struct ReferenceFold {
    private struct Known {
        let event: SessionEvent
        var rank: Int { event.status?.rank ?? -1 }
    }

    private var known: [Known] = []
    private(set) var received = 0
    private(set) var duplicates = 0

    mutating func add(_ event: SessionEvent) {
        received += 1
        if known.contains(where: { Self.isSame($0.event, event) }) {
            duplicates += 1
        } else {
            known.append(Known(event: event))
        }
    }

    private static func isSame(_ left: SessionEvent, _ right: SessionEvent) -> Bool {
        left.name.text.utf8.elementsEqual(right.name.text.utf8) && left.source == right.source
            && left.timestamp == right.timestamp && left.payload == right.payload && left.status == right.status
    }

    private static func isBefore(_ left: Known, _ right: Known) -> Bool {
        if left.event.timestamp != right.event.timestamp { return left.event.timestamp < right.event.timestamp }
        if left.rank != right.rank { return left.rank < right.rank }
        if left.event.payload != right.event.payload { return left.event.payload < right.event.payload }
        if left.event.name != right.event.name { return left.event.name.text < right.event.name.text }
        if left.event.source != right.event.source {
            return left.event.source.rawValue < right.event.source.rawValue
        }
        return (left.event.status?.name ?? "") < (right.event.status?.name ?? "")
    }

    private var decider: SessionEvent? {
        var candidates = known.filter { $0.event.status != nil }
        if candidates.contains(where: { $0.event.status == .complete }) {
            candidates = candidates.filter { $0.rank >= 7 }
        }
        return candidates.max(by: Self.isBefore)?.event
    }

    var status: SessionStatus { decider?.status ?? .unknown }
    var statusSince: Instant? { decider?.timestamp }
    var version: Int { known.count }
    var startTime: Instant? { known.filter { $0.event.status == .started }.map(\.event.timestamp).min() }
    var stopTime: Instant? { known.filter { $0.event.status == .stopped }.map(\.event.timestamp).max() }
    var userIds: [String] {
        var ids: [String] = []
        for id in known.compactMap(\.event.userId) where !ids.contains(where: { $0.utf8.elementsEqual(id.utf8) }) {
            ids.append(id)
        }
        return ids.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    var userId: String? {
        let isComplete = known.contains { $0.event.status == .complete }
        let withUser = known.filter { $0.event.userId != nil }
        let tiers: [(Known) -> Bool] = [
            { isComplete && $0.rank >= 7 }, { $0.event.status != nil }, { _ in true },
        ]
        for tier in tiers {
            if let greatest = withUser.filter(tier).max(by: Self.isBefore) { return greatest.event.userId }
        }
        return nil
    }

    var feeCount: Int { known.filter { $0.event.name == .sessionFeeIncurring }.count }
}
