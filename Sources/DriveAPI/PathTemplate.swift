internal import Base

/// A method and a path with places for ids, e.g. `GET /v1/users/{userId}/sessions/{sessionId}/receipt`.
package struct PathTemplate: Sendable, Hashable {
    /// The method, in capitals.
    package let method: String
    private let path: String

    /// - Returns: nil for anything that is not METHOD, a space and a path with `{sessionId}`, without other places than
    ///   `{userId}` and `{sessionId}`.
    package init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, let method = words.first, ["GET", "POST", "PUT"].contains(method),
            let path = words.last, path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
            path.contains("{sessionId}")
        else { return nil }
        self.init(method: String(method), path: String(path))
        guard !filled(userId: "", sessionId: "").contains(where: { $0 == "{" || $0 == "}" }) else { return nil }
    }

    init(method: String, path: String) {
        self.method = method
        self.path = path
    }

    func filled(userId: String, sessionId: String = "") -> String {
        // Braces are percent-encoded in what is put in, so that it is never taken for a place.
        path.replacing("{userId}", with: Self.encode(userId)).replacing("{sessionId}", with: Self.encode(sessionId))
    }

    /// Whether a path would be shortened by it, encoded or not (RFC 3986 section 5.2.4): no id to ask for.
    package static func isDotSegment(_ text: String) -> Bool { text == "." || text == ".." }

    /// Whether an id stays one segment of a path, whoever decodes it on the way, once or twice: proxies and frameworks do.
    package static func isOneSegment(_ text: String) -> Bool {
        guard !isDotSegment(text) else { return false }
        let lowercased = text.lowercased()
        return !["/", "\\", "%2f", "%5c", "%2e", "\0", "%00"].contains { lowercased.contains($0) }
    }

    /// Everything but RFC 3986's unreserved characters percent-encoded; of a dot segment the dots as well.
    static func encode(_ text: String) -> String {
        if isDotSegment(text) { return text.replacing(".", with: "%2E") }
        return PercentEncoding.encode(text)
    }
}

extension PathTemplate {
    static let start = PathTemplate(method: "POST", path: "/v1/users/{userId}/sessions/start")
    static let stop = PathTemplate(method: "POST", path: "/v1/users/{userId}/sessions/{sessionId}/stop")
    static let session = PathTemplate(method: "GET", path: "/v1/users/{userId}/sessions/{sessionId}")
    static let history = PathTemplate(method: "POST", path: "/v1/users/{userId}/sessions/history")
    /// Not documented upstream.
    package static let receipt = PathTemplate(method: "GET", path: "/v1/users/{userId}/sessions/{sessionId}/receipt")
    /// Not documented upstream.
    package static let retryPayment = PathTemplate(
        method: "POST", path: "/v1/users/{userId}/sessions/{sessionId}/retry-payment")
}

extension PathTemplate: CustomStringConvertible {
    package var description: String { "\(method) \(path)" }
}
