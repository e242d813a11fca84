import Base
import Dispatch
import DriveAPI
import HTTPServer
import Ledger
import SessionModel
import SessionStore
import WebhookSecurity

@testable import Receiver

/// The Drive API as a test wants it: answers by a function, and remembers what it was asked.
final class Upstream: RequestHandler {
    struct Call: Sendable {
        let method: String
        let path: String
        let body: String
        let key: String?
        let requestId: String?
        let traceparent: String?
    }

    typealias Answer = @Sendable (Call, _ number: Int) -> Response?

    private let answer: Locked<Answer>
    private let asked = Locked<[Call]>([])
    private let held = Locked<[Exchange]>([])
    /// Signalled with each call.
    private let arrived = DispatchSemaphore(value: 0)

    /// - Parameter answer: nil holds the answer back until `release`.
    init(_ answer: @escaping Answer) { self.answer = Locked(answer) }

    func admit(_ head: borrowing RequestHead) -> Admission { .accept(bodyBytesMax: 65_536) }

    func handle(_ request: borrowing Request, _ exchange: Exchange) {
        func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
        let call = Call(
            method: text(request.head.method), path: text(request.head.path), body: text(request.body),
            key: request.head.header("x-api-key").map(text),
            requestId: request.head.header("x-request-id").map(text),
            traceparent: request.head.header("traceparent").map(text))
        let number = asked.withLock { asked in
            asked.append(call)
            return asked.count
        }
        if let response = answer.withLock({ $0 })(call, number) {
            exchange.respond(response)
        } else {
            held.withLock { $0.append(exchange) }
        }
        arrived.signal()
    }

    var calls: [Call] { asked.withLock { $0 } }

    /// Whether another call came within a generous time.
    func waitForCall() -> Bool { arrived.wait(timeout: .now() + 20) == .success }

    func release(_ response: Response) {
        for exchange in held.withLock({ $0 }) { exchange.respond(response) }
        held.withLock { $0 = [] }
    }

    static func json(_ text: String, status: UInt16 = 200) -> Response {
        Response(status: status, contentType: "application/json", body: Array(text.utf8))
    }
}

/// Runs an application whose Drive API is `upstream`. Nothing is reconciled unless the test says so.
@discardableResult
func withGateway<Result>(
    _ upstream: Upstream, in directory: TestDirectory = TestDirectory(),
    clock: @escaping @Sendable () -> Instant = { testTime }, reconciling timing: ReconcilerTiming = ReconcilerTiming(),
    _ change: (inout ReceiverConfiguration) throws -> Void = { _ in }, _ body: (RunningServer) throws -> Result
) throws -> Result {
    try withUpstream(upstream) { url in
        try withApplication(
            in: directory, clock: clock, reconciling: timing,
            {
                try $0.use(upstream: url)
                try change(&$0)
            }, body)
    }
}

/// Runs `body` with the upstream's URL.
func withUpstream<Result>(_ upstream: Upstream, _ body: (_ url: String) throws -> Result) throws -> Result {
    let directory = TestDirectory()
    let path = directory.file("upstream.sock")
    let http = HTTPServer(
        configuration: ServerConfiguration(addresses: [.unix(path: path, mode: 0o600)], workers: 1), handler: upstream)
    _ = try http.start()
    defer { http.stop() }
    return try body("unix:" + path)
}

extension ReceiverConfiguration {
    mutating func use(upstream url: String) throws {
        driveApi.baseURL = url
        driveApi.apiKey = try Callback.key("the-key-of-the-drive-api")
        driveApi.retry.attemptsMax = 1
        // On a busy machine an answer is late, and that is not what these tests are about.
        driveApi.connectSeconds = 600
        driveApi.answerSeconds = 600
        driveApi.totalSeconds = 600
        reconciliation.enabled = false
    }
}
