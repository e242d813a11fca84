import HTTPServer

/// One way to use the interface: a method and a path, and all that holds of it. They stand in `Routes.swift`.
package final class Route: Sendable {
    package enum Method: String, Sendable {
        /// And HEAD: the same without its content (RFC 9110 section 9.3.2).
        case get = "GET"
        case post = "POST"
        case delete = "DELETE"

        package var name: String { rawValue }

        /// As `Allow` lists it.
        var allowed: String { self == .get ? "GET, HEAD" : name }

        /// The case of a method matters (RFC 9110 section 9.1).
        init?(_ head: borrowing RequestHead) {
            if head.isMethod("POST") {
                self = .post
            } else if head.isMethod("GET") || head.isMethod("HEAD") {
                self = .get
            } else if head.isMethod("DELETE") {
                self = .delete
            } else {
                return nil
            }
        }
    }

    /// How large the body of a request may be.
    package enum Body: Sendable {
        /// 4 KiB.
        case short
        /// As large as a callback's.
        case long
        /// A callback's: there has to be one, and where too many come in at once it makes others give way.
        case callback
    }

    package let method: Method
    package let path: RoutePath
    package let access: AccessKind
    package let body: Body
    /// Whether it makes way for callbacks where they wait.
    package let sheds: Bool
    /// Whether it cannot be answered, or not truly, while sessions are being made again from the log.
    package let needsSessions: Bool
    /// Whether its answers are compressed where they are long enough: not where they never are, or are already.
    package let coded: Bool
    /// The names of its query parameters: others are refused, for a misspelled filter would show everything. nil: nobody
    /// looks, where others say what a request looks like.
    package let query: Set<String>?
    /// Asks who is asking, and hands the request to the handler.
    let run: @Sendable (Receiver, AccessControl, consuming Request, PathValues, Exchange) throws(Problem) -> Void

    /// - Parameters:
    ///   - access: who may. There is no default: whoever forgets it has nothing that compiles.
    ///   - query: not looked at where everybody may ask, in callbacks, and in what the Drive API would be asked.
    ///   - sheds: a request that changes something never does.
    ///   - handler: gets what `access` has found out about whoever asks. It runs on a worker and must not block; what it
    ///     throws is the answer.
    init<Given>(
        _ method: Method, _ path: StaticString, _ access: Access<Given>, query: Set<String>? = [], body: Body = .short,
        sheds: Bool = true, needsSessions: Bool = true, coded: Bool = true,
        handler: @escaping @Sendable (Features) -> (borrowing Call<Given>) throws(Problem) -> Void
    ) {
        self.method = method
        self.path = RoutePath(path)
        self.access = access.kind
        self.body = body
        self.sheds = sheds && method == .get
        self.needsSessions = needsSessions
        self.coded = coded
        let names = access.kind.isOthersBusiness ? nil : query
        self.query = names
        run = { (receiver, control, request, path, exchange) throws(Problem) in
            let given = try receiver.check(access, control, request.head, path)
            if let names, let query = request.head.query, !query.isEmpty {
                try QueryParameters(of: query).check(known: names)
            }
            try handler(receiver.features)(Call(request: request, path: path, given: given, exchange: exchange))
        }
    }

    /// Whether callbacks belong here.
    var isWebhook: Bool { access == .callbacks }
}

/// A request on its way to its answer. Only a route makes one, once it is known that whoever asks may: a handler that
/// takes a `Call<AccessGrant>` cannot be reached without a grant. Valid during the handler's call: copy what you keep.
package struct Call<Given>: ~Copyable {
    let request: Request
    let path: PathValues
    /// What is known of whoever asks.
    let given: Given
    let exchange: Exchange

    fileprivate init(request: consuming Request, path: PathValues, given: Given, exchange: Exchange) {
        self.request = request
        self.path = path
        self.given = given
        self.exchange = exchange
    }
}

extension Call where Given == AccessGrant {
    var grant: AccessGrant { given }
}
