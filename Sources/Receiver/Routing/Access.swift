internal import Base
import HTTPServer
import SessionModel

/// Who may use a route.
package enum AccessKind: Sendable, CaseIterable {
    /// Everybody.
    case anybody
    /// Whoever sends a callback that verifies. That takes the body, so the handler looks.
    case callbacks
    /// Whoever may read anything. What, the handler looks up in its grant.
    case reading
    /// Whoever may read the sessions of the user in the path.
    case readingUser
    /// Whoever may read everybody's sessions.
    case readingEverything
    /// Whoever may act at all, for whomever, so that an answer does not depend on what there is. For whom, the handler
    /// looks up in its grant. Never anonymous, as all that follow.
    case acting
    /// The same, where upstream is asked.
    case actingUpstream
    /// Whoever may act for the user in the path.
    case actingForUser
    /// Whoever may read the sessions of the user in the path, where upstream is asked for them.
    case readingForUser
    /// Operators.
    case operating

    /// Whether it is about the user in the path.
    package var isOfUser: Bool { self == .readingUser || self == .actingForUser || self == .readingForUser }

    /// Whether it is about what is known here.
    var isQuery: Bool {
        switch self {
        case .reading, .readingUser, .readingEverything, .acting: true
        case .anybody, .callbacks, .actingUpstream, .actingForUser, .readingForUser, .operating: false
        }
    }

    /// Whether others say what a request looks like: the Drive API, or whoever probes.
    var isOthersBusiness: Bool {
        switch self {
        case .anybody, .callbacks, .actingUpstream, .actingForUser, .readingForUser: true
        case .reading, .readingUser, .readingEverything, .acting, .operating: false
        }
    }
}

/// Who may use a route, and what its handler is given of them.
struct Access<Given>: Sendable {
    let kind: AccessKind
    /// - Throws: what is answered to whoever may not.
    let ask: @Sendable (AccessControl, borrowing RequestHead, PathValues, _ now: () -> Instant) throws(Problem) -> Given
}

extension Access where Given == Void {
    static var anybody: Self { Self(kind: .anybody) { (_, _, _, _) throws(Problem) in } }
    static var callbacks: Self { Self(kind: .callbacks) { (_, _, _, _) throws(Problem) in } }
}

extension Access where Given == AccessGrant {
    static var reading: Self {
        Self(kind: .reading) { (control, head, _, now) throws(Problem) in try control.grant(head, now: now()).get() }
    }
    static var readingUser: Self {
        granted(.readingUser) { $0.allows(userId: $1.userId) }
    }
    static var readingEverything: Self {
        granted(.readingEverything) { grant, _ in grant.allowsEverything }
    }
    static var acting: Self {
        identified(.acting) { grant, _ in grant.mayAct }
    }
    static var actingUpstream: Self {
        identified(.actingUpstream) { grant, _ in grant.mayAct }
    }
    static var actingForUser: Self {
        identified(.actingForUser) { $0.mayAct(for: $1.userId) }
    }
    static var readingForUser: Self {
        identified(.readingForUser) { $0.allows(userId: $1.userId) }
    }

    private static func granted(
        _ kind: AccessKind, _ isEnough: @escaping @Sendable (AccessGrant, PathValues) -> Bool
    ) -> Self {
        Self(kind: kind) { (control, head, path, now) throws(Problem) in
            let grant = try control.grant(head, now: now()).get()
            guard isEnough(grant, path) else { throw .insufficientScope }
            return grant
        }
    }

    private static func identified(
        _ kind: AccessKind, _ isEnough: @escaping @Sendable (AccessGrant, PathValues) -> Bool
    ) -> Self {
        Self(kind: kind) { (control, head, path, now) throws(Problem) in
            let grant = try control.actingGrant(head, now: now()).get()
            guard isEnough(grant, path) else { throw .insufficientScope }
            return grant
        }
    }
}

/// That it is an operator who asks.
struct Operator: Sendable {
    fileprivate init() {}
}

extension Access where Given == Operator {
    static var operating: Self {
        Self(kind: .operating) { (control, head, _, now) throws(Problem) in
            if let problem = control.adminRefusal(head, now: now()) { throw problem }
            return Operator()
        }
    }
}
