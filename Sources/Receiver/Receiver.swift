package import Base
import DriveAPI
package import HTTPServer
import Logging
import SessionModel
package import SessionStore
import WebhookSecurity

/// The application behind the HTTP server: admits requests, finds out who asks, and hands them to the features.
package final class Receiver: RequestHandler, Sendable {
    private static let router = Router(Route.all)

    package let features: Features
    package let metrics: ReceiverMetrics
    /// Who is asking, where nothing else is known of it.
    var access: AccessControl { features.credentials.now.access }
    private let store: any SessionStore
    private let clock: @Sendable () -> Instant

    /// - Parameter clock: the wall clock.
    package init(_ features: Features, store: any SessionStore, clock: @escaping @Sendable () -> Instant) {
        self.features = features
        self.store = store
        self.clock = clock
        metrics = features.metrics
    }

    package func admit(_ head: borrowing RequestHead) -> Admission {
        let admission = admission(of: head)
        guard case .refuse(var response) = admission else { return admission }
        // What is refused at once carries what every answer does.
        observer(of: head, route: nil)?(&response)
        return .refuse(response)
    }

    private func admission(of head: borrowing RequestHead) -> Admission {
        switch Self.router.match(head) {
        case .route(let number): return admit(head, number)
        // About the server as a whole: a ping that needs no route.
        case .notFound where head.isMethod("OPTIONS") && head.isPath("*"):
            return .refuse(.options(allow: Self.router.allow))
        case .notFound: return callbacks.admitStray(head) ?? refuse(.notFound)
        case .malformedPath: return callbacks.admitStray(head) ?? refuse(.malformedPath)
        case .methodNotAllowed(let allow, let isWebhook):
            if let answer = features.crossOrigin.answer(toPreflight: head, allow: allow) { return .refuse(answer) }
            if let admission = callbacks.admitStray(head) { return admission }
            if isWebhook { logRefusal(status: 405, reason: "METHOD_NOT_ALLOWED", head) }
            return refuse(.methodNotAllowed(allow: allow))
        }
    }

    private var callbacks: Callbacks { features.callbacks }

    private func admit(_ head: borrowing RequestHead, _ number: Int) -> Admission {
        let route = Self.router.routes[number]
        // A callback is sent once, a query can be asked again: while the store's queue is half full, reads make way.
        if route.sheds, store.isUnderPressure {
            metrics.shedQueries.increment()
            return .refuse(Response(.yielding))
        }
        if route.needsSessions, store.isCatchingUp || features.others.isFarBehind {
            metrics.shedQueries.increment()
            return .refuse(Response(.sessionsCatchingUp))
        }
        switch route.body {
        case .callback:
            guard head.hasBodyFraming else {
                logRefusal(status: 411, reason: "LENGTH_REQUIRED", head)
                return refuse(.lengthRequired)
            }
            return .accept(bodyBytesMax: callbacks.verifier.bodyBytesMax, displacesOthers: true, route: number)
        case .long: return .accept(bodyBytesMax: callbacks.verifier.bodyBytesMax, route: number)
        case .short:
            let isCallback = callbacks.mayBeCallback(head, elsewhere: route)
            return .accept(
                bodyBytesMax: isCallback ? callbacks.verifier.bodyBytesMax : 4_096, displacesOthers: isCallback,
                route: number)
        }
    }

    package func handle(_ request: consuming Request, _ exchange: Exchange) {
        handle(request, exchange, access)
    }

    /// - Parameter control: tells who is asking.
    func handle(_ request: consuming Request, _ exchange: Exchange, _ control: AccessControl) {
        var exchange = exchange
        exchange.observe = observer(of: request.head, route: exchange.route)
        guard let number = exchange.route else { return takeStray(request, exchange) }
        let route = Self.router.routes[number]
        if callbacks.mayBeCallback(request.head, elsewhere: route),
            callbacks.verifier.isAuthentic(request, at: clock()), !isCall(request.head, control)
        {
            return callbacks.takeStray(request, .notFound, exchange)
        }
        if route.coded { exchange.transform = ContentCoding.transform(for: request.head) }
        if route.access.isQuery { exchange.transform = metrics.timing(exchange.transform) }
        let path = Self.router.values(route, request.head.path)
        do throws(Problem) {
            try route.run(self, control, request, path, exchange)
        } catch {
            exchange.respond(Response(error))
        }
    }

    /// Lets the answer carry the request's id and what a browser wants, and writes a line for it where every request has one;
    /// nil where there is nothing to do.
    private func observer(of head: borrowing RequestHead, route: Int?) -> (@Sendable (inout Response) -> Void)? {
        let id = RequestTrace.id(of: head)
        let isLogged = features.logger.logLevel <= .debug
        let origin = features.crossOrigin.origin(of: head)
        guard id != nil || isLogged || origin != nil else { return nil }
        // Paths tell of people; the route does not.
        let route = route.map { Self.router.routes[$0].path.text } ?? "none"
        let method = isLogged ? String(decoding: head.method.prefix(20), as: UTF8.self) : ""
        let started = SystemClock.monotonicNanoseconds()
        return { [logger = features.logger] response in
            if let id { response.add("X-Request-Id", id) }
            if let origin { CrossOrigin.add(origin, to: &response) }
            guard isLogged else { return }
            let microseconds = (SystemClock.monotonicNanoseconds() - started) / 1_000
            logger.debug(
                "request",
                metadata: [
                    "method": "\(method)", "route": "\(route)", "status": "\(response.status)",
                    "microseconds": "\(microseconds)", "requestId": "\(id ?? "-")",
                ])
        }
    }

    /// Asks whether whoever sends a request may.
    /// - Throws: the answer where not.
    func check<Given>(
        _ access: Access<Given>, _ control: AccessControl, _ head: borrowing RequestHead, _ path: PathValues
    ) throws(Problem) -> Given {
        do throws(Problem) {
            let given = try access.ask(control, head, path, clock)
            if access.kind.isQuery { metrics.queries.increment() }
            return given
        } catch {
            metrics.refusedQueries.increment()
            throw error
        }
    }

    /// Whether somebody with a token of ours asks: an agreed header may be one that their requests have too. A signature is not.
    private func isCall(_ head: borrowing RequestHead, _ control: AccessControl) -> Bool {
        guard !callbacks.verifier.authenticator.verifiesSignatures else { return false }
        if case .success = control.actingGrant(head, now: clock()) { return true }
        return false
    }

    /// Answers what was let in although it leads nowhere.
    private func takeStray(_ request: borrowing Request, _ exchange: Exchange) {
        switch Self.router.match(request.head) {
        case .methodNotAllowed(let allow, _): callbacks.takeStray(request, .methodNotAllowed(allow: allow), exchange)
        case .malformedPath: callbacks.takeStray(request, .malformedPath, exchange)
        case .notFound, .route: callbacks.takeStray(request, .notFound, exchange)
        }
    }

    package func protocolError(_ error: HTTPError) -> Response {
        metrics.refusedRequests.increment()
        let title = error.status == 408 ? "The request did not arrive in time." : "The request is not acceptable HTTP."
        var problem = Problem(
            error.status, "http-" + "\(error.name)".replacing("_", with: "-"), title, detail: "\(error.detail)")
        if error.status == 503 { problem.retryAfterSeconds = 1 }
        logRefusal(status: error.status, reason: "\(error.name)".uppercased())
        return Response(problem)
    }

    /// A line for a request that was refused before its content was looked at: it may have been a callback.
    private func logRefusal(status: UInt16, reason: String, _ head: borrowing RequestHead) {
        let (method, path) = (RequestOrigin.shown(head.method), RequestOrigin.shownPath(head.path))
        let id = RequestTrace.id(of: head) ?? "-"
        features.refusals.write(
            .warning, "request refused",
            [
                "status": "\(status)", "reason": "\(reason)", "method": "\(method)", "path": "\(path)",
                "requestId": "\(id)",
            ])
    }

    private func logRefusal(status: UInt16, reason: String) {
        features.refusals.write(.warning, "request refused", ["status": "\(status)", "reason": "\(reason)"])
    }

    private func refuse(_ problem: Problem) -> Admission {
        metrics.refusedRequests.increment()
        return .refuse(Response(problem))
    }
}
