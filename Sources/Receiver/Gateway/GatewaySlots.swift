import SessionModel

/// Requests under way through the gateway: a value.
///
/// One user has so many of them, and as many stops. A quarter of all is left to stops, which cost money for as long as they
/// wait.
struct GatewaySlots: Sendable {
    private struct Place: Hashable {
        let user: SessionKey
        let isStop: Bool
    }

    private let countMax: Int
    private let othersMax: Int
    private let ofUserMax: Int
    private var stops = 0
    /// Requests that are no stops.
    private var others = 0
    /// Only of users that have any.
    private var ofUsers: [Place: Int] = [:]

    init(count: Int, ofUserMax: Int) {
        countMax = count
        othersMax = count >= 2 ? count - max(1, count / 4) : count
        self.ofUserMax = ofUserMax
    }

    /// - Returns: whether there is room; then it is taken until it is given back.
    mutating func take(_ user: SessionKey, isStop: Bool) -> Bool {
        let place = Place(user: user, isStop: isStop)
        guard stops + others < countMax, isStop || others < othersMax, ofUsers[place, default: 0] < ofUserMax else {
            return false
        }
        ofUsers[place, default: 0] += 1
        if isStop { stops += 1 } else { others += 1 }
        return true
    }

    mutating func giveBack(_ user: SessionKey, isStop: Bool) {
        let place = Place(user: user, isStop: isStop)
        let left = ofUsers[place, default: 1] - 1
        ofUsers[place] = left > 0 ? left : nil
        if isStop { stops -= 1 } else { others -= 1 }
    }
}

extension Principal {
    /// The user, or something that is no user's id, under which requests that are about nobody are counted: requests that
    /// nobody is counted for have no bound, and what they fail by would be everybody's failure.
    var countedAs: String {
        switch self {
        case .user(let user): user.sessionId
        // No request about a user with a NUL in the id gets here.
        case .token(let name): "\0token " + name
        case .anonymous: "\0anonymous"
        }
    }
}
