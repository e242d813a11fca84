internal import Base
package import HTTPServer

/// Finds the route of a request.
package struct Router: Sendable {
    /// What a request leads to. Routes are told by their number in ``routes``.
    package enum Match: Equatable, Sendable {
        case route(Int)
        /// No route has this path.
        case notFound
        /// The path has an invalid percent-encoding.
        case malformedPath
        /// Routes with this path have other methods, which `Allow` lists (RFC 9110 section 10.2.1).
        case methodNotAllowed(allow: String, isWebhook: Bool)
    }

    /// Routes that have the same path.
    private final class Resource: Sendable {
        let path: RoutePath
        let isWebhook: Bool
        let routes: [(method: Route.Method, number: Int)]

        init(_ path: RoutePath, _ routes: [(route: Route, number: Int)]) {
            self.path = path
            isWebhook = routes.contains { $0.route.isWebhook }
            self.routes = routes.map { ($0.route.method, $0.number) }
        }

        var allow: String { routes.map(\.method.allowed).joined(separator: ", ") }
    }

    package let routes: [Route]
    /// In the order of the routes: of two that a path leads to the first one counts.
    private let resources: [Resource]

    package init(_ routes: [Route]) {
        self.routes = routes
        var resources: [(path: RoutePath, routes: [(route: Route, number: Int)])] = []
        for (number, route) in routes.enumerated() {
            let known = resources.firstIndex { $0.path.text == route.path.text }
            if known == nil { resources.append((route.path, [])) }
            resources[known ?? resources.count - 1].routes.append((route, number))
        }
        self.resources = resources.map { Resource($0.path, $0.routes) }
    }

    /// What `OPTIONS *` is answered with (RFC 9110 section 9.3.7): the methods that some route has.
    var allow: String {
        let methods = [Route.Method.get, .post, .delete].filter { method in routes.contains { $0.method == method } }
        return (methods.map(\.allowed) + ["OPTIONS"]).joined(separator: ", ")
    }

    package func match(_ head: borrowing RequestHead) -> Match { match(Route.Method(head), head.path) }

    /// - Parameters:
    ///   - method: nil for one that no route has.
    ///   - path: the raw bytes of the path, still percent-encoded, without the query.
    package func match(_ method: Route.Method?, _ path: UnsafeRawBufferPointer) -> Match {
        if let segments = Self.segments(path) {
            for resource in resources where resource.path.matches(segments) {
                switch resource.path.read(segments) {
                case .values: return match(method, resource)
                case .malformed: return .malformedPath
                case .other: continue
                }
            }
        }
        let webhook = WebhookPath(likely: path).flatMap { likely in
            resources.first { $0.isWebhook && likely.isSpelling(of: $0.path.text) }
        }
        return webhook.map { match(method, $0) } ?? .notFound
    }

    private func match(_ method: Route.Method?, _ resource: Resource) -> Match {
        for route in resource.routes where route.method == method { return .route(route.number) }
        return .methodNotAllowed(allow: resource.allow, isWebhook: resource.isWebhook)
    }

    /// What the path of a request names, whose route has been found.
    func values(_ route: Route, _ path: UnsafeRawBufferPointer) -> PathValues {
        guard route.path.hasParameters, let segments = Self.segments(path),
            case .values(let values) = route.path.read(segments)
        else {
            return PathValues()
        }
        return values
    }

    private static func segments(_ path: UnsafeRawBufferPointer) -> PathSegments? {
        guard let segments = PathSegments(path) else { return nil }
        // The Drive API's base path, so that an app can be pointed here by changing the host alone: for its calls about
        // sessions and its search for chargers, and nothing else of ours.
        guard segments.count >= 4, PercentEncoding.isSame(segments[0], asUnreserved: "drive") else { return segments }
        let isDriveAPI =
            segments.count == 4 && PercentEncoding.isSame(segments[2], asUnreserved: "geosearch")
            || segments.count > 5 && PercentEncoding.isSame(segments[2], asUnreserved: "users")
                && PercentEncoding.isSame(segments[4], asUnreserved: "sessions")
        return isDriveAPI ? segments.withoutFirst : segments
    }
}
