package import Base
import HTTPServer
package import SessionModel

/// What the bearer of a request may see and do. Every resource with users or sessions asks here, and nowhere else.
package struct AccessGrant: Sendable, Equatable {
    private enum Reach: Equatable {
        case everybody
        /// None of them: nobody.
        case users([String])

        func includes(_ userId: String?) -> Bool {
            switch self {
            case .everybody: return true
            case .users(let users):
                guard let userId else { return false }
                return users.contains { SessionKey($0) == SessionKey(userId) }
            }
        }

        /// Where several users are named each of them must be within reach, and at least one must be named.
        func includes(all userIds: [String]) -> Bool {
            self == .everybody || !userIds.isEmpty && userIds.allSatisfy { includes($0) }
        }
    }

    /// Whether operators' resources are open.
    package let isAdmin: Bool
    /// When the token ends, and with it whatever it has opened; nil: never.
    package private(set) var expiresAt: Instant?
    /// Whose it is: what is handed out by shares goes by this.
    package let principal: Principal
    private let reading: Reach
    private let acting: Reach

    /// - Parameter scopes: none at all means `read`.
    package init(_ scopes: some Sequence<Scope>, of principal: Principal = .anonymous) {
        self.principal = principal
        var isAdmin = false
        var readsEverybody = false
        var actsForEverybody = false
        var readUsers: [String] = []
        var actUsers: [String] = []
        for scope in scopes {
            switch scope {
            case .admin: isAdmin = true
            case .read: readsEverybody = true
            case .act: actsForEverybody = true
            case .readUser(let userId): readUsers.append(userId)
            case .actUser(let userId): actUsers.append(userId)
            }
        }
        self.isAdmin = isAdmin
        let users = readUsers + actUsers
        acting = isAdmin || actsForEverybody ? .everybody : .users(actUsers)
        reading = acting == .everybody || readsEverybody || users.isEmpty ? .everybody : .users(users)
    }

    /// Everybody's sessions, to be read.
    package static let everything = AccessGrant([.read])

    /// The same until an instant.
    func expiring(at instant: Instant) -> AccessGrant {
        var grant = self
        grant.expiresAt = instant
        return grant
    }

    /// Whether the token has ended: what takes longer than a moment asks again.
    package func hasExpired(_ now: @autoclosure () -> Instant) -> Bool {
        guard let expiresAt else { return false }
        return now() >= expiresAt
    }

    /// Whether sessions of this user may be seen (nil: sessions whose user is not known).
    ///
    /// Who may not is answered as if there were no such session, so that nothing tells the two apart.
    package func allows(userId: String?) -> Bool { reading.includes(userId) }

    /// Whether anything may be done at all, for whomever.
    package var mayAct: Bool { acting != .users([]) }

    /// Whether something may be done for this user.
    package func mayAct(for userId: String) -> Bool { acting.includes(userId) }

    /// Whether something may be done to a session that may be seen.
    package func mayAct(on record: SessionRecord) -> Bool { acting.includes(all: record.state.userIds) }

    /// Whether a session may be seen. Where its facts name several users, each of them must be allowed: what one user's
    /// facts say is not for the other.
    package func allows(_ record: SessionRecord) -> Bool {
        allowsEverything || reading.includes(all: record.state.userIds)
    }

    func allows(_ session: SessionOutline) -> Bool {
        allowsEverything || SessionUsers(session).all.map { reading.includes(all: $0) } ?? false
    }

    /// Whether a session may be seen as one of that user's (nil: as anybody's).
    package func allows(_ record: SessionRecord, of userId: String?) -> Bool {
        allows(SessionUsers(record), of: userId)
    }

    func allows(_ session: SessionUsers, of userId: String?) -> Bool {
        guard allowsEverything || session.all.map({ reading.includes(all: $0) }) ?? false else { return false }
        guard let userId else { return true }
        return session.userId.map { SessionKey($0) == SessionKey(userId) } ?? false
    }

    /// Whether all sessions of all users may be seen: lists over everybody, and the stream of everything.
    package var allowsEverything: Bool { reading == .everybody }
}

/// Whose a session is.
struct SessionUsers: Sendable {
    /// Every user that its facts name; nil where these are more than anybody has counted: then nobody may see it who may
    /// not see everything.
    let all: [String]?
    /// The one that counts.
    let userId: String?

    init(_ record: SessionRecord) {
        all = record.state.userIds
        userId = record.state.userId
    }

    init(_ session: SessionOutline) {
        all = session.userIdsTotal > session.state.userIds.count ? nil : session.state.userIds
        userId = session.state.userId
    }
}
