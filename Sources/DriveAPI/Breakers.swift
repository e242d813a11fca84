internal import SessionModel

/// The breaker of the API as a whole, and those of users for whom alone it fails: a value.
///
/// What happens to one user's calls says little about the API: it is kept back when it fails for several users, or cannot be
/// reached at all. A user for whom it fails is kept back alone, and may stop a session all the same.
struct Breakers: Sendable {
    struct Permit: Sendable {
        fileprivate let ofAll: CircuitBreaker.Permit
        fileprivate let ofUser: CircuitBreaker.Permit?
    }

    private(set) var all: CircuitBreaker
    /// Only of users for whom something has failed since it last worked.
    private var users: [SessionKey: CircuitBreaker] = [:]
    private let ofUser: CircuitBreaker.Settings
    private static let usersMax = 10_000

    init(_ settings: CircuitBreaker.Settings) {
        all = CircuitBreaker(settings)
        var ofUser = settings
        ofUser.usersMin = 1
        self.ofUser = ofUser
    }

    /// - Parameter isStop: whether only the API as a whole keeps the call back.
    mutating func admit(_ user: SessionKey, isStop: Bool, now: UInt64) -> Permit? {
        guard refusedFor(user, isStop: isStop, now: now) == nil else { return nil }
        guard let ofAll = all.admit(user, now: now) else { return nil }
        return Permit(ofAll: ofAll, ofUser: isStop ? nil : users[user]?.admit(now: now))
    }

    func refusedFor(_ user: SessionKey, isStop: Bool, now: UInt64) -> UInt64? {
        all.refusedFor(user, now: now) ?? (isStop ? nil : users[user]?.refusedFor(now: now))
    }

    /// - Returns: whether the API as a whole is now in another state.
    mutating func record(
        _ permit: Permit, of user: SessionKey, isStop: Bool, error: DriveAPIError?, now: UInt64
    ) -> Bool {
        let isOutage = error?.isOutage ?? false
        if !isStop { record(permit.ofUser, of: user, isOutage: isOutage, now: now) }
        return all.record(
            permit.ofAll, isOutage: isOutage, of: error?.mayBeOfOneUser ?? true ? user : nil, now: now)
    }

    private mutating func record(
        _ permit: CircuitBreaker.Permit?, of user: SessionKey, isOutage: Bool, now: UInt64
    ) {
        guard var breaker = users[user] ?? (isOutage ? CircuitBreaker(ofUser) : nil) else { return }
        // The first call that fails was made before there was a breaker.
        guard let permit = permit ?? breaker.admit(now: now) else { return }
        breaker.record(permit, isOutage: isOutage, now: now)
        if !isOutage, breaker.state == .closed {
            users[user] = nil
        } else {
            if users.count >= Self.usersMax, users[user] == nil { users = [:] }
            users[user] = breaker
        }
    }
}

extension DriveAPIError {
    /// Whether the failure may have to do with whose call it was. That the API cannot be reached has not.
    fileprivate var mayBeOfOneUser: Bool {
        switch code {
        case .unreachable, .untrusted: false
        default: true
        }
    }
}
