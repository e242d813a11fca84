internal import Base

/// What a token of the configuration opens.
package enum Scope: Hashable, Sendable {
    /// Everything about sessions of everybody, to be read.
    case read
    /// The sessions of one user, to be read.
    case readUser(String)
    /// What `read` opens, and what may be done for everybody: start, stop, payment, abandoning.
    case act
    /// The same for one user.
    case actUser(String)
    /// What `act` opens, and what only operators may do.
    case admin

    /// What scopes there are, for messages.
    static let allowed = "read, read:user:ID, act, act:user:ID, admin"

    /// `read`, `act`, `admin`, or `read:user:<id>` and `act:user:<id>`, the id percent-encoded where it must be.
    package init?(_ text: String) {
        switch text {
        case "read": self = .read
        case "act": self = .act
        case "admin": self = .admin
        default:
            if let userId = Self.userId(in: text, after: "read:user:") {
                self = .readUser(userId)
            } else if let userId = Self.userId(in: text, after: "act:user:") {
                self = .actUser(userId)
            } else {
                return nil
            }
        }
    }

    private static func userId(in text: String, after prefix: String) -> String? {
        guard text.hasPrefix(prefix),
            let userId = PercentEncoding.decode(Array(text.utf8.dropFirst(prefix.utf8.count))), !userId.isEmpty
        else { return nil }
        return userId
    }

    package var text: String {
        switch self {
        case .read: "read"
        case .act: "act"
        case .admin: "admin"
        case .readUser(let userId): "read:user:" + PercentEncoding.encode(userId)
        case .actUser(let userId): "act:user:" + PercentEncoding.encode(userId)
        }
    }
}
