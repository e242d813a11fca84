package import HTTPServer
package import SessionModel
package import WebhookSecurity

/// Who may use the query API, and who the operators' resources: tokens of the configuration, and tokens that an
/// operator has minted for a user.
package struct AccessControl: Sendable {
    /// The scope of operators.
    package static let adminScope = "admin"

    package let tokens: TokenSet
    /// nil: none are accepted.
    package let userTokens: UserTokens?
    /// Whether reading is open to everybody; only by an explicit word in the configuration.
    package let allowsAnonymousReads: Bool

    package init(tokens: TokenSet, userTokens: UserTokens? = nil, allowsAnonymousReads: Bool) {
        self.tokens = tokens
        self.userTokens = userTokens
        self.allowsAnonymousReads = allowsAnonymousReads
    }

    /// What an `Authorization` header opens, or the problem to answer (RFC 6750 section 3).
    package func grant(
        authorization: UnsafeRawBufferPointer?, now: @autoclosure () -> Instant
    ) -> Result<AccessGrant, Problem> {
        switch identify(authorization, now) {
        case .success(let grant): .success(allowsAnonymousReads && !grant.isAdmin ? .everything : grant)
        case .failure where allowsAnonymousReads: .success(.everything)
        case .failure(let problem): .failure(problem)
        }
    }

    /// The same, for the head of a request.
    package func grant(_ head: borrowing RequestHead, now: @autoclosure () -> Instant) -> Result<AccessGrant, Problem> {
        grant(authorization: head.header("authorization"), now: now())
    }

    /// The problem to answer, or nil for an operator: whoever has a token with the scope `admin`. Never anonymous.
    package func adminRefusal(_ head: borrowing RequestHead, now: @autoclosure () -> Instant) -> Problem? {
        switch identify(head.header("authorization"), now) {
        case .success(let grant): grant.isAdmin ? nil : .insufficientScope
        case .failure(let problem): problem
        }
    }

    private func identify(
        _ authorization: UnsafeRawBufferPointer?, _ now: () -> Instant
    ) -> Result<AccessGrant, Problem> {
        guard !tokens.isEmpty else { return .failure(.apiClosed) }
        switch tokens.verify(authorization: authorization) {
        // A scope that is not known opens nothing; the configuration has checked them.
        case .accepted(let holder):
            let scopes = holder.scopes.compactMap { Scope($0) }
            return holder.scopes.isEmpty || !scopes.isEmpty
                ? .success(AccessGrant(scopes)) : .failure(.insufficientScope)
        case .missing: return .failure(.missingToken)
        case .malformed: return .failure(.wrongToken)
        case .unknown: break
        }
        guard let userTokens, let authorization, let text = TokenSet.bearerToken(ofAuthorization: authorization) else {
            return .failure(.wrongToken)
        }
        return switch userTokens.verify(String(decoding: text, as: UTF8.self), nowSeconds: now().seconds) {
        case .valid(let userId): .success(AccessGrant([.readUser(userId)]))
        case .expired: .failure(.expiredToken)
        case .invalid: .failure(.wrongToken)
        }
    }
}
