package import Base
package import HTTPServer
internal import SessionModel
package import WebhookSecurity

/// Who may use the query API, and who the operators' resources: tokens of the configuration, and tokens that an
/// operator has minted for a user.
package struct AccessControl: Sendable {
    /// The scope of operators.
    package static let adminScope = "admin"

    package internal(set) var tokens: TokenSet
    /// nil: none are accepted.
    package let userTokens: UserTokens?
    /// Whether reading is open to everybody; only by an explicit word in the configuration.
    package let allowsAnonymousReads: Bool
    /// The name of whoever comes through the control socket.
    private static let controlName = "control socket"
    /// Whether nobody but operators can get here at all.
    var isOperatorsOnly = false

    package init(tokens: TokenSet, userTokens: UserTokens? = nil, allowsAnonymousReads: Bool) {
        self.tokens = tokens
        self.userTokens = userTokens
        self.allowsAnonymousReads = allowsAnonymousReads
    }

    /// What a request's credentials open, or the problem to answer (RFC 6750 section 3).
    package func grant(_ head: borrowing RequestHead, now: @autoclosure () -> Instant) -> Result<AccessGrant, Problem> {
        switch identify(head, now) {
        case .success(let grant): .success(allowsAnonymousReads && !grant.isAdmin ? .everything : grant)
        case .failure where allowsAnonymousReads: .success(.everything)
        case .failure(let problem): .failure(problem)
        }
    }

    /// The same for what is done on behalf of users: never anonymous.
    package func actingGrant(
        _ head: borrowing RequestHead, now: @autoclosure () -> Instant
    ) -> Result<AccessGrant, Problem> {
        identify(head, now)
    }

    /// The problem to answer, or nil for an operator: whoever has a token with the scope `admin`. Never anonymous.
    package func adminRefusal(_ head: borrowing RequestHead, now: @autoclosure () -> Instant) -> Problem? {
        switch identify(head, now) {
        case .success(let grant): grant.isAdmin ? nil : .insufficientScope
        case .failure(let problem): problem
        }
    }

    private func identify(_ head: borrowing RequestHead, _ now: () -> Instant) -> Result<AccessGrant, Problem> {
        if isOperatorsOnly { return .success(AccessGrant([.admin], of: .token(Self.controlName))) }
        guard !tokens.isEmpty else { return .failure(.apiClosed) }
        guard let authorization = head.header("authorization") else {
            // Apps that were written for the Drive API send `X-API-Key`: a token is good there as well.
            guard let key = head.header("x-api-key"), !head.isRepeated("x-api-key") else {
                return .failure(.missingToken)
            }
            return tokens.holder(ofToken: key).map { grant(of: $0) } ?? grant(ofMinted: key, now)
        }
        // Which of several would count is not defined, and a proxy may have looked at another one.
        guard !head.isRepeated("authorization") else { return .failure(.wrongToken) }
        switch tokens.verify(authorization: authorization) {
        case .accepted(let holder): return grant(of: holder)
        case .missing: return .failure(.missingToken)
        case .malformed: return .failure(.wrongToken)
        case .unknown:
            guard let token = TokenSet.bearerToken(ofAuthorization: authorization) else {
                return .failure(.wrongToken)
            }
            return grant(ofMinted: token, now)
        }
    }

    private func grant(of holder: TokenSet.Holder) -> Result<AccessGrant, Problem> {
        // A scope that is not known opens nothing; the configuration has checked them.
        guard holder.scopes.isEmpty || holder.scopes.contains(where: { Scope($0) != nil }) else {
            return .failure(.insufficientScope)
        }
        return .success(AccessGrant(holder.scopes.lazy.compactMap { Scope($0) }, of: .token(holder.name)))
    }

    private func grant(ofMinted token: UnsafeRawBufferPointer, _ now: () -> Instant) -> Result<AccessGrant, Problem> {
        guard let userTokens else { return .failure(.wrongToken) }
        return switch userTokens.verify(String(decoding: token, as: UTF8.self), nowSeconds: now().seconds) {
        case .valid(let userId, let mayAct, let end):
            .success(
                AccessGrant([mayAct ? .actUser(userId) : .readUser(userId)], of: .user(SessionKey(userId)))
                    .expiring(at: Instant(seconds: end)))
        case .expired: .failure(.expiredToken)
        case .invalid: .failure(.wrongToken)
        }
    }
}
