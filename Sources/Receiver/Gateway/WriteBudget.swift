package import Base
internal import SessionModel

/// How many durable writes one user may cause, in all and to one session: a value, told the time. What others ask about a
/// session spends nothing of its user's: anybody may ask about an id that is not known here.
///
/// Each is a rate with a minute's worth at once (GCRA: when the budget is whole again is its whole state).
package struct WriteBudget: Sendable {
    private struct UserSession: Hashable, Sendable {
        let user: SessionKey?
        let session: SessionKey
    }

    private struct Rate<Key: Hashable & Sendable>: Sendable {
        let perMinute: Int
        private(set) var wholeAt: [Key: Int64] = [:]

        init(perMinute: Int) { self.perMinute = max(perMinute, 1) }

        private var each: Int64 { 60_000_000 / Int64(perMinute) }

        /// Microseconds until there is one to spend; 0: now.
        func wait(_ key: Key, _ now: Int64) -> Int64 {
            guard let whole = wholeAt[key] else { return 0 }
            // A clock that was set back must not lock anybody out for longer than a budget takes to be whole.
            return max(0, min(whole - now, 60_000_000) - each * Int64(perMinute - 1))
        }

        mutating func spend(_ key: Key, _ now: Int64, countMax: Int) {
            if wholeAt.count >= countMax, wholeAt[key] == nil {
                wholeAt = wholeAt.filter { $0.value > now }
                if wholeAt.count >= countMax { wholeAt = [:] }
            }
            let whole = min(max(wholeAt[key] ?? now, now), now + 60_000_000)
            wholeAt[key] = whole + each
        }
    }

    private var users: Rate<SessionKey>
    private var sessions: Rate<UserSession>
    private let countMax: Int

    /// - Parameter countMax: users, and sessions of users, of which is known what they have spent.
    package init(perMinuteOfUser: Int, perMinuteOfSession: Int, countMax: Int = 100_000) {
        users = Rate(perMinute: perMinuteOfUser)
        sessions = Rate(perMinute: perMinuteOfSession)
        self.countMax = countMax
    }

    /// Spends one write.
    ///
    /// - Parameters:
    ///   - userId: who causes it; nil where that is nobody's in particular.
    ///   - sessionId: what it is about; nil where that has no id yet.
    /// - Returns: nil when it is paid for, else the whole seconds to wait, and nothing is spent.
    package mutating func spend(userId: String?, sessionId: String?, now: Instant) -> Int? {
        let now = now.microsecondsSince1970
        let user = userId.map { SessionKey($0) }
        let session = sessionId.map { UserSession(user: user, session: SessionKey($0)) }
        let wait = max(user.map { users.wait($0, now) } ?? 0, session.map { sessions.wait($0, now) } ?? 0)
        guard wait == 0 else { return Int((wait + 999_999) / 1_000_000) }
        if let user { users.spend(user, now, countMax: countMax) }
        if let session { sessions.spend(session, now, countMax: countMax) }
        return nil
    }
}

/// The budget of a running server. Safe from any thread.
package final class UserWrites: Sendable {
    private let budget: Locked<WriteBudget>
    private let clock: @Sendable () -> Instant

    package init(_ settings: GatewaySettings, clock: @escaping @Sendable () -> Instant) {
        budget = Locked(
            WriteBudget(
                perMinuteOfUser: settings.userWritesPerMinute, perMinuteOfSession: settings.sessionWritesPerMinute))
        self.clock = clock
    }

    /// Spends one write.
    /// - Returns: the problem to answer where there is none left.
    func refusal(userId: String?, sessionId: String?) -> Problem? {
        budget.withLock { $0.spend(userId: userId, sessionId: sessionId, now: clock()) }.map {
            .writeBudgetSpent(seconds: $0)
        }
    }
}

extension Problem {
    static func writeBudgetSpent(seconds: Int) -> Problem {
        var problem = Problem(
            429, "write-budget-spent",
            "So many requests of this user, or of this user about this session, were noted durably within the last minute."
        )
        problem.retryAfterSeconds = seconds
        return problem
    }
}
