package import HTTPServer

/// What the bearer of a request may see. Every resource with users or sessions asks here, and nowhere else.
package struct AccessGrant: Sendable {
    /// Whether sessions of this user may be seen (nil: sessions whose user is not known).
    ///
    /// Who may not is answered as if there were no such session, so that nothing tells the two apart.
    package func allows(userId: String?) -> Bool { true }

    /// Whether all sessions of all users may be seen: lists over everybody, and the stream of everything.
    package var allowsEverything: Bool { true }
}

extension AccessControl {
    /// What the `Authorization` header opens, or the problem to answer.
    package func grant(_ head: borrowing RequestHead) -> Result<AccessGrant, Problem> {
        let problem =
            head.header("authorization") == nil && head.header("x-api-key") != nil && !allowsAnonymousReads
            ? gatewayRefusal(head) : refusal(authorization: head.header("authorization"))
        if let problem { return .failure(problem) }
        return .success(AccessGrant())
    }
}

extension Receiver {
    /// The request's grant; nil where it was refused, and answered.
    func grant(_ request: borrowing Request, _ exchange: Exchange) -> AccessGrant? {
        switch access.grant(request.head) {
        case .success(let grant):
            metrics.queries.increment()
            return grant
        case .failure(let problem):
            metrics.refusedQueries.increment()
            exchange.respond(Response(problem))
            return nil
        }
    }
}
