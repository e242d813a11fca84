import HTTPServer
import SessionModel
import WebhookSecurity

/// The API's calls over HTTP, and the sandbox's own.
struct SandboxHandler: RequestHandler {
    static let bodyBytesMax = 65_536

    let sandbox: Sandbox
    private let base: [String]
    private let keys: TokenSet?

    init(_ sandbox: Sandbox, _ options: SandboxOptions) {
        self.sandbox = sandbox
        base = options.basePath.split(separator: "/").map(String.init)
        keys = options.apiKey.map { TokenSet([(holder: .init(name: "api-key"), token: $0)]) }
    }

    func admit(_ head: borrowing RequestHead) -> Admission {
        .accept(bodyBytesMax: Self.bodyBytesMax)
    }

    func protocolError(_ error: HTTPError) -> Response {
        SandboxError(error.status, error.name.description.uppercased(), error.detail.description).response
    }

    func handle(_ request: borrowing Request, _ exchange: Exchange) {
        guard let target = RequestTarget(request.head) else {
            return exchange.respond(SandboxError(400, "BAD_REQUEST", "The path is not valid.").response)
        }
        guard let route = Route.match(target.segments, base: base) else {
            return exchange.respond(SandboxError(404, "NOT_FOUND", "There is no such call.").response)
        }
        guard route.methods.contains(target.method) else {
            var response = SandboxError(405, "METHOD_NOT_ALLOWED", "The call has another method.").response
            response.add("Allow", route.methods.joined(separator: ", "))
            return exchange.respond(response)
        }
        // Content-Type is not looked at: the documented curl lines send none that is right.
        let body = Array(request.body)
        guard route.isOfAPI else { return exchange.respond(answer(route, target, body)) }

        let (interruption, milliseconds) = interrupt(target)
        let response = interruption ?? authorize(request.head) ?? answer(route, target, body)
        guard milliseconds > 0 else { return exchange.respond(response) }
        sandbox.delay(milliseconds: milliseconds) { exchange.respond(response) }
    }

    /// What chaos makes of a call, before anybody looks at it.
    private func interrupt(_ target: RequestTarget) -> (response: Response?, milliseconds: Int) {
        sandbox.withWorld { world, time in
            let api = world.chaos.api
            if world.isDown(at: time) {
                return (SandboxError(503, "SERVICE_UNAVAILABLE", "The API is down.").response, 0)
            }
            guard api.error > 0 || api.slow > 0 else { return (nil, 0) }
            var random = world.random(ofRequest: "\(target.method) \(target.path)")
            let fails = random.chance(api.error)
            let isSlow = random.chance(api.slow)
            let error = SandboxError(500, "INTERNAL_SERVER_ERROR", "Something went wrong.")
            return (fails ? error.response : nil, isSlow ? Int(api.slowMilliseconds) : 0)
        }
    }

    private func authorize(_ head: borrowing RequestHead) -> Response? {
        guard let key = head.header("x-api-key"), !key.isEmpty else {
            return SandboxError(401, "UNAUTHORIZED", "The header X-API-Key is missing.").response
        }
        if let keys, keys.holder(ofToken: key) == nil {
            return SandboxError(403, "FORBIDDEN", "The API key is not valid.").response
        }
        return nil
    }

    private func answer(_ route: Route, _ target: RequestTarget, _ body: [UInt8]) -> Response {
        do throws(SandboxError) {
            switch route {
            case .geosearch: return try geosearch(target.query, body)
            case .start(let user): return try start(user, body)
            case .history(let user): return try history(user, body)
            case .session(let user, let id): return try session(user, id)
            case .stop(let user, let id): return try stop(user, id)
            case .receipt(let user, let id): return try receipt(user, id)
            case .retryPayment(let user, let id): return try retryPayment(user, id)
            case .health:
                return Response(status: 200, contentType: "text/plain; charset=utf-8", body: Array("ok\n".utf8))
            default: return try control(route, target, body)
            }
        } catch {
            return error.response
        }
    }

    /// Does something in the world of now.
    func perform<Result: Sendable>(
        _ body: (inout World, Int64) throws(World.Refusal) -> sending Result
    ) throws(SandboxError) -> Result {
        do {
            return try sandbox.withWorld(body)
        } catch {
            throw SandboxError(error)
        }
    }

    /// The body as a JSON object; an empty one counts as `{}`.
    func object(_ body: [UInt8]) throws(SandboxError) -> CanonicalJSON {
        guard !body.isEmpty else { return .emptyObject }
        guard let json = try? CanonicalJSON(parsing: body), json.isObject else {
            throw SandboxError(400, "BAD_REQUEST", "The body is not a JSON object.")
        }
        return json
    }
}
