import Base
import Dispatch
import HTTPClient
import HTTPServer
import SessionModel
import WebhookSecurity

@testable import Sandbox

struct TestFailure: Error, CustomStringConvertible {
    let description: String
}

/// A callback as a receiver gets it.
struct ReceivedCallback: Sendable {
    let path: String
    let verdict: SignatureVerdict
    let signedAt: String?
    let agreed: String?
    let body: [UInt8]

    var name: String? { (try? SessionEvent.decode(body))?.name.text }
}

/// A tiny receiver that checks signatures.
final class ReceiverStub: RequestHandler {
    private let verifier: SignatureVerifier
    private let received = Locked<[ReceivedCallback]>([])
    private let statuses: Locked<[UInt16]>
    private let arrived = DispatchSemaphore(value: 0)

    /// - Parameter statuses: of the first answers; 200 from then on.
    init(statuses: [UInt16] = []) throws {
        guard let current = SecretKey(utf8: "current-secret") else { throw TestFailure(description: "no secret") }
        verifier = SignatureVerifier(current: current, next: SecretKey(utf8: "next-secret"))
        self.statuses = Locked(statuses)
    }

    func admit(_ head: borrowing RequestHead) -> Admission { .accept(bodyBytesMax: 65_536) }

    func handle(_ request: borrowing Request, _ exchange: Exchange) {
        func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
        let callback = ReceivedCallback(
            path: text(request.head.path),
            verdict: verifier.verify(
                body: request.body, signature: request.head.header("x-hmac-sha512-signature")),
            signedAt: request.head.header("x-hmac-sha512-signedat").map(text),
            agreed: request.head.header("x-agreed").map(text), body: Array(request.body))
        received.withLock { $0.append(callback) }
        let status = statuses.withLock { $0.isEmpty ? 200 : $0.removeFirst() }
        exchange.respond(Response(status: status))
        arrived.signal()
    }

    /// Waits for so many callbacks in all.
    func wait(for count: Int) throws -> [ReceivedCallback] {
        for _ in 0..<count {
            guard arrived.wait(timeout: .now() + 20) == .success else {
                throw TestFailure(description: "only \(all.count) of \(count) callbacks came")
            }
        }
        return all
    }

    var all: [ReceivedCallback] { received.withLock { $0 } }
}

/// A sandbox and a receiver, both on sockets; time moves only when the test says so.
final class Rig {
    let stub: ReceiverStub
    let sandbox: Sandbox
    private let server: HTTPServer
    private let connection: HTTPConnection
    let port: UInt16

    init(statuses: [UInt16] = [], _ change: (inout SandboxOptions) -> Void = { _ in }) throws {
        stub = try ReceiverStub(statuses: statuses)
        server = HTTPServer(
            configuration: ServerConfiguration(addresses: [.tcp(host: "127.0.0.1", port: 0)], workers: 1),
            handler: stub)
        let receiverPort = try server.start().first?.port ?? 0
        var options = SandboxOptions()
        options.port = 0
        options.speed = 0
        options.callback = try Endpoint(url: "http://127.0.0.1:\(receiverPort)/webhooks/session-events")
        options.detailRecordCallback = try Endpoint(url: "http://127.0.0.1:\(receiverPort)/webhooks/cdrs")
        options.secret = SecretKey(utf8: "current-secret")
        options.nextSecret = SecretKey(utf8: "next-secret")
        options.headers = [("X-Agreed", "between us")]
        options.callbackConnections = 1
        options.world.hasFraction = true
        change(&options)
        sandbox = Sandbox(options)
        port = try sandbox.start().first?.port ?? 0
        connection = HTTPConnection(Endpoint(transport: .tcp(host: "127.0.0.1", port: port)))
    }

    deinit {
        sandbox.stop()
        server.stop()
    }

    var baseURL: String { "http://127.0.0.1:\(port)/drive" }

    /// A request with a key, unless told otherwise.
    func send(
        _ method: String, _ target: String, _ body: String = "", key: String? = "any"
    ) throws -> (status: Int, json: CanonicalJSON, response: ClientResponse) {
        let fields = key.map { [(name: "X-API-Key", value: $0)] } ?? []
        let response = try connection.send(
            ClientRequest(method: method, target: target, fields: fields, body: Array(body.utf8)))
        return (response.status, (try? CanonicalJSON(parsing: response.body)) ?? .emptyObject, response)
    }

    func start(_ connector: String, user: String = "user1") throws -> String {
        let answer = try send(
            "POST", "/drive/v1/users/\(user)/sessions/start", #"{"connectorId":"\#(connector)"}"#)
        guard answer.status == 200, let id = answer.json.string("sessionId") else {
            throw TestFailure(description: "start answers \(answer.status) \(answer.json.text)")
        }
        return id
    }

    func pass(_ seconds: Int) throws {
        _ = try send("POST", "/sandbox/clock", #"{"advanceSeconds":\#(seconds)}"#)
    }

    func status(_ id: String, user: String = "user1") throws -> String? {
        try send("GET", "/drive/v1/users/\(user)/sessions/\(id)").json.string("sessionStatus")
    }
}
