import HTTPServer

/// Which pages of other origins may use this server from a browser (Fetch standard, "CORS protocol"). Off unless some are
/// configured.
package struct CrossOrigin: Sendable {
    private let origins: Set<String>

    /// - Parameter text: origins as browsers send them, with commas between; nil: none.
    package init(_ text: String?) {
        origins = Set((text ?? "").split(separator: ",").map { String($0.filter { $0 != " " }) })
    }

    /// What is no origin in a text: a scheme, a host and at most a port.
    static func faults(in text: String) -> [String] {
        CrossOrigin(text).origins.filter { origin in
            let host = origin.drop { $0 != ":" }.dropFirst(3)
            return !(origin.hasPrefix("https://") || origin.hasPrefix("http://")) || host.isEmpty || host.contains("/")
                || !origin.utf8.allSatisfy { 0x20 < $0 && $0 < 0x7F } || origin.lowercased() != origin
        }.sorted()
    }

    /// The origin of the page that a request comes from, where it is one of them.
    func origin(of head: borrowing RequestHead) -> String? {
        guard !origins.isEmpty, let field = head.header("origin") else { return nil }
        let text = String(decoding: field, as: UTF8.self)
        return origins.contains(text) ? text : nil
    }

    /// The answer to the question that a browser asks before a request; nil where this is none. Whose pages may read it is
    /// added as to every answer.
    func answer(toPreflight head: borrowing RequestHead, allow: String) -> Response? {
        guard head.isMethod("OPTIONS"), head.header("access-control-request-method") != nil,
            origin(of: head) != nil
        else { return nil }
        var response = Response.noContent
        response.add("Access-Control-Allow-Methods", allow)
        response.add(
            "Access-Control-Allow-Headers",
            """
            Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, traceparent, X-API-Key, \
            X-Request-Id
            """ as StaticString)
        response.add("Access-Control-Max-Age", "600" as StaticString)
        return response
    }

    static func add(_ origin: String, to response: inout Response) {
        response.add("Access-Control-Allow-Origin", origin)
        response.add(
            "Access-Control-Expose-Headers",
            "ETag, Idempotency-Replayed, Link, Retry-After, X-Request-Id" as StaticString)
        response.add("Vary", "Origin" as StaticString)
    }
}
