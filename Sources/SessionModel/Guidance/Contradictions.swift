internal import Base

/// Where facts about one session cannot all be right, or not be meant for it.
extension SessionRecord {
    /// Clocks of a charge point operator, of the Drive API and of whoever prices are not the same, and a session may begin
    /// some time before energy flows.
    private static let recordSecondsApartMax: Int64 = 300
    /// Meters are read at slightly different moments, and values are rounded.
    private static let energyWattHoursApartMax = 10.0
    private static let energyShareApartMax = 0.01

    /// Those of the anomalies that are contradictions, in the order of the cases.
    var contradictions: [Anomaly] {
        var found: [Anomaly] = []
        // Whole seconds and fractions of them are both in use.
        if let start = state.startTime, let stop = state.stopTime, stop.adding(seconds: 1) <= start {
            found.append(.stoppedBeforeStarted)
        }
        let told = facts.filter { $0.source == .cdr || $0.source == .driveApi }
        guard !told.isEmpty else { return found }
        if told.contains(where: \.endsBeforeItStarts) { found.append(.recordEndsBeforeStart) }
        if told.contains(where: \.hasNegativeEnergy) { found.append(.negativeEnergy) }
        guard let record = told.last(where: { $0.source == .cdr }) else { return found }
        if isApart(record.payload.instant("startTime"), toldStart(told)) || isApart(record.endTime, state.stopTime) {
            found.append(.recordTimesDisagree)
        }
        // While a session runs its energy and price are those of the moment.
        guard
            let session = told.last(where: {
                $0.source == .driveApi && $0.status.map { $0.rank >= SessionStatus.complete.rank } ?? false
            })
        else { return found }
        if let left = record.wattHours, let right = session.wattHours,
            abs(left - right) > max(Self.energyWattHoursApartMax, Self.energyShareApartMax * max(abs(left), abs(right)))
        {
            found.append(.recordEnergyDisagrees)
        }
        if Self.disagree(record.payload.member("price"), session.payload.member("price")) {
            found.append(.recordPriceDisagrees)
        }
        return found
    }

    /// When the session started, as others than records tell.
    private func toldStart(_ told: [Fact]) -> Instant? {
        tracking.startedByEvent
            ?? told.lazy.filter { $0.source == .driveApi }.compactMap { $0.payload.instant("startTime") }.min()
    }

    private func isApart(_ left: Instant?, _ right: Instant?) -> Bool {
        guard let left, let right else { return false }
        return left.adding(seconds: Self.recordSecondsApartMax) < right
            || right.adding(seconds: Self.recordSecondsApartMax) < left
    }

    /// Members that both have, and that differ.
    private static func disagree(_ left: CanonicalJSON?, _ right: CanonicalJSON?) -> Bool {
        guard let left, let right else { return false }
        return (["currencyCode", "minorInclVat"] as [StaticString]).contains { name in
            guard let left = left.member(name), let right = right.member(name) else { return false }
            return !left.isNull && !right.isNull && left.bytes != right.bytes
        }
    }
}

extension Fact {
    fileprivate var endTime: Instant? { payload.instant("endTime") }

    /// What a record, or a session as the Drive API shows it, says of itself.
    fileprivate var endsBeforeItStarts: Bool {
        guard source == .cdr, let end = endTime, let start = payload.instant("startTime") else { return false }
        return end < start
    }

    /// Whatever its unit, and whether it stands alone, in an object, or in quotes.
    fileprivate var hasNegativeEnergy: Bool {
        guard let energy = payload.member("energy"), let value = energy.isObject ? energy.member("value") : energy
        else { return false }
        return (value.double ?? value.string.flatMap { Double($0) } ?? 0) < 0
    }

    /// The energy that the fact tells of; nil where it tells of none, or in a unit that is not known.
    fileprivate var wattHours: Double? {
        guard let energy = payload.member("energy"), let value = energy.member("value")?.double else { return nil }
        return switch energy.string("unit")?.uppercased() {
        case "WH", nil: value
        case "KWH": value * 1000
        case "MWH": value * 1_000_000
        default: nil
        }
    }
}
