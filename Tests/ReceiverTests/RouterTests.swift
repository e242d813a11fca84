import Base
import HTTPClient
import SessionModel
import Testing

@testable import Receiver

/// What a method and a path lead to.
@Suite struct RouterTests {
    private let router = Router(Route.all)

    private func match(_ path: String, _ method: Route.Method? = .get) -> Router.Match {
        Array(path.utf8).withUnsafeBytes { router.match(method, $0) }
    }

    /// The route that a path leads to, and what it names.
    private func found(_ path: String, _ method: Route.Method? = .get) -> (template: String, values: PathValues)? {
        guard case .route(let number) = match(path, method) else { return nil }
        let route = router.routes[number]
        return (route.path.text, Array(path.utf8).withUnsafeBytes { router.values(route, $0) })
    }

    private func allowed(_ path: String) -> String? {
        guard case .methodNotAllowed(let allow, _) = match(path, nil) else { return nil }
        return allow
    }

    /// The path of a route with something that may stand for each parameter.
    private func example(_ route: Route, userId: String = "12") -> String {
        route.path.parameters.reduce(route.path.text) { path, name in
            path.replacing("{\(name)}", with: name == "userId" ? userId : "17")
        }
    }

    @Test func `each route is found by its own path, with what the path names`() {
        for route in Route.all {
            let found = found(example(route, userId: "17"), route.method)
            #expect(found?.template == route.path.text)
            var values = PathValues()
            for parameter in PathParameter.all where route.path.parameters.contains(parameter.name) {
                #expect(parameter.read("17", &values))
            }
            #expect(found?.values == values, "\(route.path.text)")
        }
        #expect(
            found("/v1/users/u%2F1/sessions/a%20b")?.values == PathValues(userId: "u/1", sessionId: "a b"))
    }

    @Test func `no two parameters of a path are one`() {
        for parameter in PathParameter.all {
            var values = PathValues()
            #expect(parameter.read("17", &values))
            #expect(values != PathValues())
            for other in PathParameter.all where other.name != parameter.name {
                var others = PathValues()
                #expect(other.read("17", &others) && others != values)
            }
        }
    }

    @Test func `no route stands there twice`() {
        let names = Route.all.map { "\($0.method.name) \($0.path.text)" }
        #expect(Set(names).count == names.count)
        // HEAD goes with GET.
        #expect(names.count > 30)
    }

    @Test func `access that is about a user has one in the path`() {
        for route in Route.all where route.access.isOfUser {
            #expect(route.path.parameters.contains("userId"), "\(route.path.text)")
        }
    }

    @Test func `encodings that are not needed change nothing, in any segment`() {
        for route in Route.all {
            let path = route.path.text.split(separator: "/").map { segment in
                if segment.hasPrefix("{") { return "17" }
                return segment.utf8.map { "%" + String($0, radix: 16) }.joined()
            }
            #expect(found("/" + path.joined(separator: "/"), route.method)?.template == route.path.text)
        }
        #expect(found("/v1/sessions/%61bc/f%61cts")?.values.sessionId == "abc")
        #expect(found("/%64rive/v1/users/u/session%73/active")?.template == "/v1/users/{userId}/sessions/active")
        // A segment that is the name of a route is that route, however it is spelled.
        #expect(allowed("/v1/users/u/sessions/%68istory") == "POST")
        #expect(match("/v1%2Fsessions") == .notFound)
        #expect(match("/v1/log%") == .notFound)
        #expect(match("/v1/lo%67g") == .notFound)
        #expect(match("/v1/lo%6") == .notFound)
    }

    @Test func `what has several methods allows them all, and nothing else`() {
        #expect(allowed("/v1/quarantine/17") == "GET, HEAD, DELETE")
        #expect(allowed("/v1/sessions/a") == "GET, HEAD")
        #expect(allowed("/v1/users/u") == "DELETE")
        #expect(allowed("/v1/users/u/sessions/history") == "POST")
        #expect(router.allow == "GET, HEAD, POST, DELETE, OPTIONS")
        for route in Route.all {
            let path = example(route)
            for method in [Route.Method.get, .post, .delete] {
                let isThere = Route.all.contains { $0.path.text == route.path.text && $0.method == method }
                #expect((found(path, method) != nil) == isThere, "\(method) \(path)")
            }
        }
    }

    @Test func `only the methods themselves are methods`() throws {
        try withApplication { server throws in
            for method in ["PUT", "PATCH", "OPTIONS", "TRACE", "get", "GE", "GETS", "DELETE", "POST"] {
                let socket = try server.raw()
                socket.send("\(method) /v1/log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                let answer = try #require(RawAnswer(try socket.receiveAll()))
                #expect(answer.status == 405, "\(method)")
                #expect(answer.field("Allow") == "GET, HEAD")
            }
            let socket = try server.raw()
            socket.send("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            let answer = try #require(RawAnswer(try socket.receiveAll()))
            #expect(answer.status == 204)
            #expect(answer.field("Allow") == "GET, HEAD, POST, DELETE, OPTIONS")
        }
    }

    @Test func `the Drive API's base path leads to its calls, and to nothing else`() {
        #expect(found("/drive/v1/users/u/sessions/a/stop", .post)?.values == PathValues(userId: "u", sessionId: "a"))
        #expect(found("/drive/v1/users/u/sessions/a")?.values == PathValues(userId: "u", sessionId: "a"))
        #expect(found("/drive/v1/geosearch/radius", .post)?.template == "/v1/geosearch/radius")
        for path in [
            "/drive/v1/users/u", "/drive/v1/geosearch", "/drive/v1/log", "/drive/v1/users/u/sessions",
            "/drive/drive/v1/log",
        ] {
            #expect(match(path) == .notFound, "\(path)")
        }
    }

    @Test(arguments: [
        "", "/", "*", "healthz", "//", "/v1", "/v1/sessions/", "/v1/sessions//facts", "/v1/quarantine/x",
        "/a/b/c/d/e/f/g", "/v1/users", "/v1/users//sessions", "/v1/users/u/sessions/", "/v1/users//sessions/a",
        "/v1/quarantine/x/retry", "/v1/events/1", "/v1/quarantine/9223372036854775808",
    ]) func `everything else is nothing`(path: String) {
        #expect(match(path) == .notFound)
    }

    @Test(arguments: [
        "/v1/sessions/%FF", "/v1/sessions/%", "/v1/users/%FF/sessions/a", "/v1/users/u/sessions/%C3/stop",
    ])
    func `an encoding that is none is told`(path: String) {
        #expect(match(path) == .malformedPath)
    }

    // MARK: Access

    private static let userId = "u1"

    /// Asks for each route in turn, and gives its status.
    private func statuses(_ server: RunningServer, token: String?, userId: String = userId) throws -> [(Route, Int)] {
        try Route.all.map { route in
            let path = example(route, userId: userId)
            let method = route.method == .get ? "HEAD" : route.method.name
            return (route, try server.get(path, method: method, token: token).status)
        }
    }

    @Test func `no route is open unless it says so`() throws {
        try withApplication({ $0.api.adminToken = try Callback.key("of-an-operator-of-ours") }) { server throws in
            for (route, status) in try statuses(server, token: nil) where route.access != .callbacks {
                #expect((status == 401) == (route.access != .anybody), "\(route.path.text) \(status)")
            }
            for (route, status) in try statuses(server, token: "wrong-token-of-somebody")
            where route.access != .callbacks {
                #expect((status == 401) == (route.access != .anybody), "\(route.path.text) \(status)")
            }
        }
    }

    @Test(
        arguments: [
            ("read", [.reading, .readingUser, .readingEverything, .readingForUser]),
            ("read:user:u1", [.reading, .readingUser, .readingForUser]), ("read:user:u2", [.reading]),
            (
                "act",
                [.reading, .readingUser, .readingEverything, .readingForUser, .acting, .actingForUser, .actingUpstream]
            ),
            ("act:user:u1", [.reading, .readingUser, .readingForUser, .acting, .actingForUser, .actingUpstream]),
            ("act:user:u2", [.reading, .acting, .actingUpstream]), ("admin", AccessKind.allCases),
        ] as [(String, [AccessKind])]) func `a scope opens what it names`(scope: String, opens: [AccessKind]) throws
    {
        let token = "a-token-with-one-scope"
        try withApplication({
            $0.api.tokens = [
                NamedSecret(name: "one", value: try Callback.key(token), scopes: [try #require(Scope(scope))])
            ]
        }) { server throws in
            // Nobody has sent a body, so what is open goes on to complain of that, or finds nothing.
            for (route, status) in try statuses(server, token: token)
            where route.access != .callbacks && route.access != .anybody {
                let isOpen = opens.contains(route.access)
                #expect((status == 403) == !isOpen, "\(route.method) \(route.path.text) \(status)")
                #expect(status != 401)
            }
        }
    }

    @Test func `where reading is open to everybody, only reading is`() throws {
        try withApplication({ $0.api.allowAnonymousReads = true }) { server throws in
            for (route, status) in try statuses(server, token: nil) {
                switch route.access {
                case .reading, .readingUser, .readingEverything, .anybody: #expect(status != 401 && status != 403)
                case .acting, .actingUpstream, .actingForUser, .readingForUser, .operating:
                    #expect(status == 401, "\(route.path.text)")
                case .callbacks: break
                }
            }
        }
    }
}
