import Base
import Dispatch
import HTTPClient
import WebhookSecurity

/// Posts callbacks, each once, on a few connections. What can't be delivered is lost, as it is upstream.
final class CallbackSender: Sendable {
    /// A connection and the queue that it blocks.
    // @unchecked: the connection is used on the serial queue only.
    private final class Lane: @unchecked Sendable {
        let queue: DispatchQueue
        let events: HTTPConnection?
        let detailRecords: HTTPConnection?

        init(number: Int, events: Endpoint?, detailRecords: Endpoint?, seconds: Double) {
            queue = DispatchQueue(label: "chargefold.sandbox.callbacks.\(number)")
            var options = ClientOptions()
            options.connectSeconds = seconds
            options.responseSeconds = seconds
            options.bodyBytesMax = 65_536
            self.events = events.map { HTTPConnection($0, options: options) }
            self.detailRecords = detailRecords.map { HTTPConnection($0, options: options) }
        }
    }

    private struct State {
        var waiting: [Callback] = []
        var next = 0
        var idle: [Int]
        var isClosed = false
        var count: Int { waiting.count - next }
    }

    /// Callbacks that wait for a receiver slower than they are made; further ones are lost.
    private static let waitingMax = 200_000

    private let lanes: [Lane]
    private let verifiers: [CallbackFate.Secret: SignatureVerifier]
    private let headers: [(name: String, value: String)]
    private let signedAt: @Sendable () -> String
    private let state: Locked<State>

    init(_ options: SandboxOptions, signedAt: @escaping @Sendable () -> String) {
        let count = max(options.callbackConnections, 1)
        lanes = (0..<count).map {
            Lane(
                number: $0, events: options.callback, detailRecords: options.detailRecordCallback,
                seconds: options.callbackSeconds)
        }
        state = Locked(State(idle: Array((0..<count).reversed())))
        headers = options.headers
        self.signedAt = signedAt
        var verifiers: [CallbackFate.Secret: SignatureVerifier] = [:]
        if let secret = options.secret {
            verifiers[.current] = SignatureVerifier(current: secret)
            verifiers[.next] = SignatureVerifier(current: options.nextSecret ?? secret)
            verifiers[.wrong] = SecretKey(utf8: "a secret that nobody has").map { SignatureVerifier(current: $0) }
        }
        self.verifiers = verifiers
    }

    /// Callbacks that wait or are under way.
    var unfinished: Int {
        state.withLock { $0.count + lanes.count - $0.idle.count }
    }

    /// Sends a callback as soon as a connection is free.
    ///
    /// - Parameter completion: is given the status of the answer; nil where there is none.
    /// - Returns: false where too many wait already: it is lost.
    func send(_ callback: Callback, completion: @escaping @Sendable (Callback, Int?) -> Void) -> Bool {
        let isTaken = state.withLock { state in
            guard !state.isClosed, state.count < Self.waitingMax else { return false }
            state.waiting.append(callback)
            return true
        }
        if isTaken { pump(completion) }
        return isTaken
    }

    func close() {
        state.withLock { state in
            state.isClosed = true
            state.waiting = []
            state.next = 0
        }
        for lane in lanes { lane.queue.sync {} }
    }

    private func pump(_ completion: @escaping @Sendable (Callback, Int?) -> Void) {
        let job: (Callback, Int)? = state.withLock { state in
            guard state.count > 0, let lane = state.idle.popLast() else { return nil }
            let callback = state.waiting[state.next]
            state.next += 1
            // Now and then, so that taking from the front costs nothing on average.
            if state.next > 1024, state.next * 2 > state.waiting.count {
                state.waiting.removeFirst(state.next)
                state.next = 0
            }
            return (callback, lane)
        }
        guard let (callback, number) = job else { return }
        let lane = lanes[number]
        lane.queue.async { [self] in
            let status = post(callback, lane)
            // Before the next one leaves: with one connection, answers are noted in order.
            completion(callback, status)
            state.withLock { $0.idle.append(number) }
            pump(completion)
        }
    }

    private func post(_ callback: Callback, _ lane: Lane) -> Int? {
        guard let connection = callback.kind == .event ? lane.events : lane.detailRecords else { return nil }
        var fields = [(name: "Content-Type", value: "application/json")] + headers
        if let verifier = verifiers[callback.secret] {
            fields.append((SignatureVerifier.headerName, verifier.sign(callback.body)))
            fields.append((SignedAt.headerName, signedAt()))
        }
        let request = ClientRequest(
            method: "POST", target: connection.endpoint.target, fields: fields, body: callback.body)
        return try? connection.send(request).status
    }
}
