package import HTTPServer
package import WebhookSecurity

/// Who may use the query API, and who the operators' resources.
package struct AccessControl: Sendable {
    /// The scope of operators.
    package static let adminScope = "admin"

    package let tokens: TokenSet
    /// Whether reading is open to everybody; only by an explicit word in the configuration.
    package let allowsAnonymousReads: Bool

    package init(tokens: TokenSet, allowsAnonymousReads: Bool) {
        self.tokens = tokens
        self.allowsAnonymousReads = allowsAnonymousReads
    }

    /// The problem to answer, or nil when the bearer of this `Authorization` header may read.
    package func refusal(authorization: UnsafeRawBufferPointer?) -> Problem? {
        if allowsAnonymousReads { return nil }
        guard !tokens.isEmpty else { return .apiClosed }
        return switch tokens.verify(authorization: authorization) {
        case .accepted: nil
        case .missing: .missingToken
        case .unknown, .malformed: .wrongToken
        }
    }

    /// The problem to answer, or nil when the bearer may act for users. Apps that were written for the Drive API send
    /// `X-API-Key`: a token is good there as well.
    package func gatewayRefusal(_ head: borrowing RequestHead) -> Problem? {
        guard !tokens.isEmpty else { return .apiClosed }
        let authorization = head.header("authorization")
        if authorization == nil, let key = head.header("x-api-key"), !head.isRepeated("x-api-key") {
            return tokens.holder(ofToken: key) == nil ? .wrongToken : nil
        }
        return switch tokens.verify(authorization: authorization) {
        case .accepted: nil
        case .missing: .missingToken
        case .unknown, .malformed: .wrongToken
        }
    }

    /// The problem to answer, or nil for an operator: whoever has a token with the scope `admin`.
    package func adminRefusal(_ head: borrowing RequestHead) -> Problem? {
        guard !tokens.isEmpty else { return .apiClosed }
        return switch tokens.verify(authorization: head.header("authorization")) {
        case .accepted(let holder): holder.scopes.contains(Self.adminScope) ? nil : .insufficientScope
        case .missing: .missingToken
        case .unknown, .malformed: .wrongToken
        }
    }
}
