package import Base
import HTTPClient
import Logging
import SessionModel
import WebhookSecurity

/// Posts a signed probe to our own public address once a minute, as the Drive API would: through DNS, TLS, proxy and
/// signature. What keeps callbacks from arriving keeps the probe from arriving, and that is a metric and a log line before
/// anybody misses a session. A probe is never logged or folded, whichever receiver it arrives at.
package final class Canary: Sendable {
    /// The event that a probe is; the Drive API has none like it.
    package static let eventName = "CHARGEFOLD_CANARY"
    /// What the answer says to a probe that could have been made durable.
    static let outcome: StaticString = "canary"
    private static let everySeconds = 60
    private static let patienceSeconds = 10.0

    /// What probes came to.
    package struct Figures: Sendable, Equatable {
        package var answered: UInt64 = 0
        package var failed: UInt64 = 0
        /// Whether the last one was answered; nil before the first one.
        package var isUp: Bool?
        package var seconds = 0.0
    }

    private let endpoint: Endpoint
    private let signer: Locked<CallbackSigner>
    private let logger: Logger
    private let clock: @Sendable () -> Instant
    private let state = Locked(Figures())
    private let repeated = RepeatedTask()

    /// - Parameter endpoint: the webhook's address, as the Drive API has it.
    init(
        _ endpoint: Endpoint, logger: Logger, clock: @escaping @Sendable () -> Instant, signer: CallbackSigner
    ) {
        self.endpoint = endpoint
        self.logger = logger
        self.clock = clock
        self.signer = Locked(signer)
    }

    /// Signs otherwise from now on: secrets were read again.
    func replaceSigner(_ signer: CallbackSigner) { self.signer.withLock { $0 = signer } }

    package var figures: Figures { state.withLock { $0 } }

    package func start() {
        repeated.start(after: .seconds(2), every: .seconds(Self.everySeconds)) { [weak self] in self?.probe() }
    }

    /// Probes no more. One that is under way ends by itself.
    package func stop() { repeated.cancel() }

    /// Probes once. Blocks, for ten seconds at most.
    package func probe() {
        let began = SystemClock.monotonicNanoseconds()
        let failure = failure()
        let seconds = Double(SystemClock.monotonicNanoseconds() - began) / 1_000_000_000
        let wasUp = state.withLock { state in
            defer {
                state.isUp = failure == nil
                state.seconds = seconds
                if failure == nil { state.answered += 1 } else { state.failed += 1 }
            }
            return state.isUp
        }
        if let failure {
            logger.error("a probe of our own address failed", metadata: ["url": "\(endpoint)", "reason": "\(failure)"])
        } else if wasUp == false {
            logger.notice("probes of our own address are answered again")
        }
    }

    /// What went wrong; nil: nothing.
    private func failure() -> String? {
        let time = clock()
        let body = Self.body(at: time)
        var options = ClientOptions()
        options.connectSeconds = Self.patienceSeconds / 2
        options.responseSeconds = Self.patienceSeconds
        options.bodyBytesMax = 65_536
        // A connection of its own each time, so that name and certificate are looked at again.
        let connection = HTTPConnection(endpoint, options: options)
        let request = ClientRequest(
            method: "POST", target: endpoint.target,
            fields: signer.withLock { $0 }.fields(for: body, at: time), body: body)
        do throws(HTTPClientError) {
            let response = try connection.send(request)
            guard response.status == 200 else { return "it was answered \(response.status)" }
            // Whoever else answers 200 there takes callbacks in vain.
            return Self.isAnswer(response.body) ? nil : "the answer is not a receiver's"
        } catch {
            return "\(error)"
        }
    }

    /// A probe, to be signed and posted as a callback.
    package static func body(at time: Instant) -> [UInt8] {
        JSONWriter.bytes { writer in
            writer.beginObject()
            writer.field("event", eventName)
            writer.key("payload")
            writer.beginObject()
            writer.field("sessionId", "chargefold-canary")
            writer.field("timestamp", time)
            writer.endObject()
            writer.endObject()
        }
    }

    /// Whether a body that came with 200 is a receiver's answer to a probe.
    package static func isAnswer(_ body: [UInt8]) -> Bool {
        (try? CanonicalJSON(parsing: body))?.string("outcome") == "\(outcome)"
    }
}

extension SessionEvent {
    /// Whether it is a probe of a canary, and no event at all.
    var isProbe: Bool {
        if case .other(let text) = name { text == Canary.eventName } else { false }
    }
}

extension ReceiverConfiguration {
    /// nil where none is configured.
    func canary(logger: Logger, clock: @escaping @Sendable () -> Instant) throws -> Canary? {
        try canary.url.map {
            Canary(try Endpoint(url: $0), logger: logger, clock: clock, signer: webhook.signer)
        }
    }
}
