internal import SessionModel

/// Who may have a connection next: a value.
///
/// - One user has so many calls under way of each kind, however many wait: whoever is slow makes nobody else wait.
/// - Some connections are left to stops, which cost money for as long as they wait; and one user's stops leave room for the
///   others' too.
/// - Background calls have half of the rest.
/// - Of those who may, it is the turn of the user who has had none for the longest.
struct FairLanes: Sendable {
    enum Kind: Sendable, Hashable, CaseIterable {
        case stop, interactive, background
    }

    private struct Place: Hashable {
        let kind: Kind
        let user: SessionKey
    }

    private let ofUserMax: Int
    /// Calls under way that are no stops.
    private let othersMax: Int
    private let backgroundMax: Int
    private var others = 0
    private var background = 0
    private var underWay: [Place: Int] = [:]
    /// When users had their last turn. Those who have never had any, or a long time ago, are not in it.
    private var turns: [SessionKey: UInt64] = [:]
    private var turn: UInt64 = 0
    private static let turnsMax = 4_096

    init(count: Int, ofUserMax: Int) {
        let left = count >= 2 ? count - max(1, count / 4) : count
        othersMax = left
        backgroundMax = (left + 1) / 2
        self.ofUserMax = max(1, ofUserMax)
    }

    private func mayRun(_ kind: Kind, _ user: SessionKey) -> Bool {
        if kind != .stop, others >= othersMax { return false }
        if kind == .background, background >= backgroundMax { return false }
        return underWay[Place(kind: kind, user: user), default: 0] < ofUserMax
    }

    /// The one of those who wait, in the order of their coming, whose turn it is; nil: nobody's now.
    func next<Calls: RandomAccessCollection>(
        of calls: Calls, _ describe: (Calls.Element) -> (kind: Kind, user: SessionKey)
    ) -> Calls.Index? {
        var best: (index: Calls.Index, isStop: Bool, turn: UInt64)?
        for index in calls.indices {
            let (kind, user) = describe(calls[index])
            if let best, best.isStop, kind != .stop { continue }
            let turn = turns[user] ?? 0
            if let best, best.isStop == (kind == .stop), best.turn <= turn { continue }
            if mayRun(kind, user) { best = (index, kind == .stop, turn) }
        }
        return best?.index
    }

    mutating func begin(_ kind: Kind, _ user: SessionKey) {
        if kind != .stop { others += 1 }
        if kind == .background { background += 1 }
        underWay[Place(kind: kind, user: user), default: 0] += 1
        turn += 1
        if turns.count >= Self.turnsMax, turns[user] == nil { turns = [:] }
        turns[user] = turn
    }

    mutating func end(_ kind: Kind, _ user: SessionKey) {
        if kind != .stop { others -= 1 }
        if kind == .background { background -= 1 }
        let place = Place(kind: kind, user: user)
        let left = underWay[place, default: 1] - 1
        underWay[place] = left > 0 ? left : nil
    }
}
