/// What a token of the configuration opens.
package enum Scope: Hashable, Sendable {
    /// Everything about sessions of everybody.
    case read
    /// The sessions of one user.
    case readUser(String)
    /// What `read` opens, and what only operators may do.
    case admin

    /// `read`, `admin` or `read:user:<id>`, the id percent-encoded where it must be.
    package init?(_ text: String) {
        switch text {
        case "read": self = .read
        case "admin": self = .admin
        default:
            let prefix = "read:user:"
            guard text.hasPrefix(prefix),
                let userId = PercentEncoding.decode(Array(text.utf8.dropFirst(prefix.utf8.count))), !userId.isEmpty
            else { return nil }
            self = .readUser(userId)
        }
    }

    package var text: String {
        switch self {
        case .read: "read"
        case .admin: "admin"
        case .readUser(let userId): "read:user:" + PercentEncoding.encode(userId)
        }
    }
}
