import Base
import SessionModel

/// The fold as domain.md words it, with no thought for speed: the oracle for the incremental one.
struct ReferenceFold {
    private struct Known {
        let event: SessionEvent
        var deliveries: [Fact.Receipt]
        var rank: Int { event.status?.rank ?? -1 }
        /// Rule 3: what is final decides over all of a lower rank.
        var tier: Int { event.status == nil ? -1 : rank >= SessionStatus.complete.rank ? rank : 0 }
        var first: Fact.Receipt? { deliveries.min() }
    }

    private var known: [Known] = []
    private(set) var received = 0

    mutating func add(_ event: SessionEvent, _ receipt: Fact.Receipt) {
        received += 1
        if let index = known.firstIndex(where: { Self.isSame($0.event, event) }) {
            known[index].deliveries.append(receipt)
        } else {
            known.append(Known(event: event, deliveries: [receipt]))
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

    private var inDecidingOrder: [Known] {
        known.sorted { $0.tier == $1.tier ? Self.isBefore($0, $1) : $0.tier < $1.tier }
    }

    var status: SessionStatus { inDecidingOrder.last { $0.event.status != nil }?.event.status ?? .unknown }
    var statusSince: Instant? {
        let reports = inDecidingOrder.filter { $0.event.status != nil }
        return reports.suffix(while: { $0.event.status == status }).first?.event.timestamp
    }
    var version: Int { known.count }
    var startTime: Instant? { times(of: .started).min() }
    var stopTime: Instant? { times(of: .stopped).max() }

    /// What callbacks say; failing that, what others do.
    private func times(of status: SessionStatus) -> [Instant] {
        let reports = known.filter { $0.event.status == status }
        let callbacks = reports.filter { $0.event.source == .webhook }
        return (callbacks.isEmpty ? reports : callbacks).map(\.event.timestamp)
    }

    var userIds: [String] {
        var ids: [String] = []
        for id in known.compactMap(\.event.ownerId) where !ids.contains(where: { $0.utf8.elementsEqual(id.utf8) }) {
            ids.append(id)
        }
        return ids.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    var userId: String? {
        inDecidingOrder.last { $0.event.ownerId != nil }?.event.ownerId
    }

    var duplicates: Int { received - known.count }
    var arrivedLate: Int {
        known.count { late in
            known.contains { other in
                guard let first = other.first, let own = late.first else { return false }
                return other.event.timestamp > late.event.timestamp && first < own
            }
        }
    }
    var firstHeard: Instant? {
        known.min { left, right in
            guard let left = left.first, let right = right.first else { return false }
            return left < right
        }?.event.timestamp
    }

    var feeCount: Int { known.filter { $0.event.name == .sessionFeeIncurring }.count }
}

extension Array {
    /// The longest run of elements at the end that all fulfil a condition.
    fileprivate func suffix(while condition: (Element) -> Bool) -> ArraySlice<Element> {
        let end = lastIndex { !condition($0) }
        return self[(end.map { $0 + 1 } ?? startIndex)...]
    }
}
