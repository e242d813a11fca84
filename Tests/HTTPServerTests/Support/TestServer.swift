import Base
import Dispatch
import Glibc
import HTTPServer

/// A handler out of closures.
struct ClosureHandler: RequestHandler {
    var admission: @Sendable (borrowing RequestHead) -> Admission = { _ in .accept(bodyBytesMax: 4_096) }
    var handler: @Sendable (borrowing Request, Exchange) -> Void

    func admit(_ head: borrowing RequestHead) -> Admission { admission(head) }
    func handle(_ request: borrowing Request, _ exchange: Exchange) { handler(request, exchange) }
}

func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

/// `METHOD path?query body`.
func echo(_ request: borrowing Request) -> Response {
    let query = request.head.query.map { "?" + text($0) } ?? ""
    let line = "\(text(request.head.method)) \(text(request.head.path))\(query) "
    return Response(status: 200, contentType: "text/plain", body: Array(line.utf8) + Array(request.body))
}

/// A started server that is stopped when the test is over.
final class TestServer: Sendable {
    let server: HTTPServer
    let addresses: [BoundAddress]

    var address: BoundAddress { addresses[0] }

    init(
        _ addresses: [ListenAddress] = [.tcp(host: "127.0.0.1", port: 0)], workers: Int = 1,
        limits change: (inout Limits) -> Void = { _ in }, handler: any RequestHandler
    ) throws {
        var limits = Limits()
        change(&limits)
        server = HTTPServer(
            configuration: ServerConfiguration(addresses: addresses, workers: workers, limits: limits), handler: handler
        )
        self.addresses = try server.start()
    }

    /// A server that echoes.
    convenience init(workers: Int = 1, limits change: (inout Limits) -> Void = { _ in }) throws {
        try self.init(workers: workers, limits: change, answer: { $1.respond(echo($0)) })
    }

    convenience init(workers: Int = 1, answer: @escaping @Sendable (borrowing Request, Exchange) -> Void) throws {
        try self.init(workers: workers, limits: { _ in }, answer: answer)
    }

    convenience init(
        workers: Int = 1, limits change: (inout Limits) -> Void,
        answer: @escaping @Sendable (borrowing Request, Exchange) -> Void
    ) throws {
        try self.init(workers: workers, limits: change, handler: ClosureHandler(handler: answer))
    }

    deinit { server.stop() }

    func client() throws -> TestClient { try TestClient(address) }
}

/// Values handed from the server's threads to a test, which waits for them.
final class Mailbox<Value: Sendable>: Sendable {
    private let values = Locked<[Value]>([])
    private let semaphore = DispatchSemaphore(value: 0)

    func put(_ value: Value) {
        values.withLock { $0.append(value) }
        semaphore.signal()
    }

    func take() throws -> Value {
        guard semaphore.wait(timeout: .now() + 20) == .success else {
            throw TestFailure(description: "nothing was put")
        }
        return values.withLock { $0.removeFirst() }
    }
}

/// Lets other threads run while a test waits for a counter to move.
func yieldThread() { sched_yield() }
