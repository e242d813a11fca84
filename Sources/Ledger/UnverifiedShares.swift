/// Where an unverified body belongs: what looks like a callback is kept apart from noise, and each reason from the others.
struct UnverifiedLane: Hashable, Sendable {
    let isPlausible: Bool
    let reason: String

    init(isPlausible: Bool, reason: String) {
        self.isPlausible = isPlausible
        self.reason = reason
    }

    init(_ body: QuarantinedBody) {
        self.init(isPlausible: body.isPlausible, reason: body.reason)
    }
}

/// What goes when there is too much: a value.
///
/// Noise gives way where it has more than a quarter of the room, and else what looks like a callback, of which so no noise
/// takes three quarters. Of each of the two the reason that has the most gives way, its oldest body first. So whoever sends
/// without end pushes out their own.
struct UnverifiedShares: Sendable {
    struct Usage: Sendable, Equatable {
        var count = 0
        var bytes = 0

        mutating func add(count: Int, bytes: Int) {
            self.count += count
            self.bytes += bytes
        }
    }

    let countMax: Int
    let bytesMax: Int
    private(set) var lanes: [UnverifiedLane: Usage] = [:]
    private var plausible = Usage()
    private(set) var all = Usage()

    init(countMax: Int, bytesMax: Int) {
        self.countMax = countMax
        self.bytesMax = bytesMax
    }

    /// Counts bodies in, or out.
    mutating func add(_ lane: UnverifiedLane, count: Int, bytes: Int) {
        all.add(count: count, bytes: bytes)
        if lane.isPlausible { plausible.add(count: count, bytes: bytes) }
        lanes[lane, default: Usage()].add(count: count, bytes: bytes)
        if lanes[lane]?.count == 0 { lanes[lane] = nil }
    }

    /// The lane whose oldest body has to go; nil where there is room for all.
    var lane: UnverifiedLane? {
        if all.count > countMax { return largest(\.count, countMax) }
        return all.bytes > bytesMax ? largest(\.bytes, bytesMax) : nil
    }

    private func largest(_ size: KeyPath<Usage, Int>, _ most: Int) -> UnverifiedLane? {
        let noise = all[keyPath: size] - plausible[keyPath: size]
        return largest(size, isPlausible: noise <= most / 4) ?? largest(size, isPlausible: noise > most / 4)
    }

    private func largest(_ size: KeyPath<Usage, Int>, isPlausible: Bool) -> UnverifiedLane? {
        lanes.lazy.filter { $0.key.isPlausible == isPlausible }
            .max { ($0.value[keyPath: size], $0.key.reason) < ($1.value[keyPath: size], $1.key.reason) }?.key
    }
}
