internal import Base
import HTTPServer
import Ledger
import Logging
import Replication
import SessionIndex
import SessionModel
import SessionStore
import WebhookSecurity

/// Session event callbacks: verified, decoded, and handed to the store.
///
/// What is authentic is never lost: a body that is no valid event goes to the quarantine before it is refused.
final class Callbacks: Sendable {
    let verifier: BodyVerifier
    let metrics: ReceiverMetrics
    let clock: @Sendable () -> Instant
    private let store: any SessionStore
    private let others: Others
    private let ledger: Ledger
    private let reconciler: Reconciler?
    private let downtime: DowntimeLedger?
    private let refusals: RefusalLog
    private let secretUse: SecretUse
    private let eventLimits: EventLimits

    init(
        store: any SessionStore, others: Others, ledger: Ledger, verifier: BodyVerifier, reconciler: Reconciler?,
        downtime: DowntimeLedger?, metrics: ReceiverMetrics, refusals: RefusalLog, secretUse: SecretUse,
        clock: @escaping @Sendable () -> Instant
    ) {
        self.store = store
        self.others = others
        self.ledger = ledger
        self.verifier = verifier
        self.reconciler = reconciler
        self.downtime = downtime
        self.metrics = metrics
        self.refusals = refusals
        self.secretUse = secretUse
        self.clock = clock
        eventLimits = .callbacks(bodyBytesMax: verifier.bodyBytesMax)
    }

    /// When and how a callback came.
    struct Arrival: Sendable {
        let receivedAt: Instant
        let startedNanoseconds: UInt64
        let means: CallbackAuthentication.Means
        /// False where the configuration lets everybody in.
        var isVerified: Bool { means != .unverified }
    }

    /// `POST /webhooks/session-events`. The answer is 200 only once the event is durable and folded.
    func receive(_ call: borrowing Call<Void>) {
        let started = SystemClock.monotonicNanoseconds()
        let receivedAt = clock()
        let body = verifier.verify(call.request, at: receivedAt)
        switch body.authentication {
        case .authentic(let means):
            let arrival = Arrival(receivedAt: receivedAt, startedNanoseconds: started, means: means)
            take(body, call.request, arrival, call.exchange)
        case .missing(let problem):
            refuse(call.request, .missingCredentials, .missingCredentials, problem, receivedAt, call.exchange)
        case .wrong(let problem):
            secretUse.noteWrong(atMicroseconds: receivedAt.microsecondsSince1970)
            refuse(call.request, .wrongCredentials, .wrongCredentials, problem, receivedAt, call.exchange)
        }
    }

    /// Decodes an authentic body and hands it to the store.
    private func take(
        _ body: borrowing VerifiedBody, _ request: borrowing Request, _ arrival: Arrival, _ exchange: Exchange
    ) {
        let content: [UInt8]
        do throws(VerifiedBody.Oddity) {
            content = try body.content(of: request)
        } catch {
            return switch error {
            case .unknownCoding:
                set(aside: request, arrival, .unsupportedMediaType, .unsupportedContentCoding, exchange)
            case .tooLarge: set(aside: request, arrival, .bodyTooLarge, .bodyTooLarge, exchange)
            case .malformedCoding:
                set(aside: request, arrival, .malformedContentCoding, .malformedContentCoding, exchange)
            }
        }
        guard MediaType.isJSON(request.head) else {
            return set(aside: request, arrival, .unsupportedMediaType, .unsupportedMediaType, exchange)
        }
        let event: SessionEvent
        do throws(EventError) {
            event = try SessionEvent.decode(content, limits: eventLimits)
        } catch {
            let problem = Problem.invalidEvent.with(detail: error.detail).with(member: "code", error.code.rawValue)
            return set(aside: request, arrival, .invalidEvent, problem, reason: error.code.rawValue, exchange)
        }
        if event.isProbe { return answerProbe(exchange) }
        let body = UTF8ByteOrderMark.dropped(from: content)
        append(Delivery(event: event, body: body, receivedAt: arrival.receivedAt), arrival, exchange)
    }

    /// That a callback came, and which secret it was signed with; a probe is none.
    private func noteAuthentic(_ arrival: Arrival) {
        metrics.noteCallback(at: arrival.receivedAt)
        secretUse.note(arrival.means, atMicroseconds: arrival.receivedAt.microsecondsSince1970)
    }

    /// A probe of a canary: it proves the way here, and is kept out of everything that callbacks are counted in.
    private func answerProbe(_ exchange: Exchange) {
        guard store.isWritable else { return exchange.respond(Response(.storeUnavailable)) }
        exchange.respond(
            Response(
                json: JSONWriter.bytes { writer in
                    writer.beginObject()
                    writer.field("outcome", Canary.outcome)
                    writer.endObject()
                }))
    }

    private func append(_ delivery: consuming Delivery, _ arrival: Arrival, _ exchange: Exchange) {
        noteAuthentic(arrival)
        store.append(delivery) { [self] result in
            switch result {
            case .success(let outcome):
                (outcome.duplicate ? metrics.duplicates : metrics.accepted).increment()
                reconciler?.noted(outcome)
                // Nobody to wait for: nothing to keep until then.
                if others.areNone { return answer(outcome, nil, arrival, exchange) }
                others.acknowledge(outcome) { [self] in answer(outcome, $0, arrival, exchange) }
            case .failure(let error):
                turnAway(Problem(error, .storeUnavailable), code: error.code, exchange)
                record(arrival)
            }
        }
    }

    private func answer(
        _ outcome: IngestOutcome, _ durability: Durability?, _ arrival: Arrival, _ exchange: Exchange
    ) {
        exchange.respond(Response(outcome, durability))
        record(arrival)
    }

    private func record(_ arrival: Arrival) {
        metrics.callbackDuration.record(
            microseconds: (SystemClock.monotonicNanoseconds() - arrival.startedNanoseconds) / 1000)
    }

    /// Answers and logs a callback that can't be made durable now. It is lost unless its sender tries again, so each
    /// has its line.
    private func turnAway(_ problem: Problem, code: StoreError.Code, _ exchange: Exchange) {
        metrics.unavailable.increment()
        downtime?.refused(at: clock())
        refusals.write(.error, "callback refused", ["status": "\(problem.status)", "reason": "\(code.rawValue)"])
        exchange.respond(Response(problem))
    }

    /// Puts an authentic body that can't be taken into the quarantine, durably, and then refuses it.
    func set(
        aside request: borrowing Request, _ arrival: Arrival, _ kind: ReceiverMetrics.RefusedCallback,
        _ problem: Problem, reason: String? = nil, _ exchange: Exchange
    ) {
        let origin = RequestOrigin.metadata(request, exchange)
        let reason = reason ?? problem.code.uppercased().replacing("-", with: "_")
        let kept = verifier.quarantined(
            request, reason: reason, receivedAt: arrival.receivedAt, isVerified: arrival.isVerified)
        let refusal = { @Sendable [self] (id: Int64?) in
            var origin = origin
            if let id { origin["quarantine"] = "\(id)" }
            refuse(kind, problem, code: reason, problem.detail ?? problem.title, origin: origin, exchange)
        }
        guard !request.body.isEmpty else { return refusal(nil) }
        noteAuthentic(arrival)
        guard arrival.isVerified else { return refusal(ledger.quarantineUnverified(kept)) }
        ledger.quarantineVerified(kept) { [self] result in
            switch result {
            case .success(let id):
                others.quarantine?.hint()
                // The ledger lies beside the log: where that cannot be written to, as when the directory has gone, nobody
                // can promise that what the ledger has taken is kept.
                if let error = store.unavailability, error.code != .queueFull {
                    return turnAway(Problem(error, .storeUnavailable), code: error.code, exchange)
                }
                refusal(id)
            case .failure(let error): turnAway(Problem(error, .storeUnavailable), code: error.code, exchange)
            }
        }
    }

    /// Refuses what does not verify, and keeps it for a while. The log tells operators more than the answer tells strangers.
    private func refuse(
        _ request: borrowing Request, _ kind: ReceiverMetrics.RefusedCallback, _ problem: Problem,
        _ credentials: CredentialProblem, _ receivedAt: Instant, _ exchange: Exchange
    ) {
        let code = credentials.code.rawValue
        var origin = RequestOrigin.metadata(request, exchange)
        if !request.body.isEmpty {
            let id = ledger.quarantineUnverified(
                verifier.quarantined(request, reason: code, receivedAt: receivedAt, isVerified: false))
            origin["quarantine"] = "\(id)"
        }
        refuse(
            kind, problem, code: code, credentials.publicDescription, logged: credentials.description, origin: origin,
            exchange)
    }

    /// Answers and logs a refusal: one line each, without body or credentials.
    ///
    /// - Parameter logged: the detail for the log, where it is not the answer's.
    private func refuse(
        _ kind: ReceiverMetrics.RefusedCallback, _ problem: Problem, code: String, _ detail: String,
        logged: String? = nil, origin: Logger.Metadata, _ exchange: Exchange
    ) {
        metrics.refusedCallbacks[kind]?.increment()
        let line: Logger.Metadata = [
            "status": "\(problem.status)", "reason": "\(code)", "detail": "\(logged ?? detail)",
        ]
        refusals.write(.warning, "callback refused", line.merging(origin) { line, _ in line })
        var problem = problem
        problem.detail = detail
        if !problem.members.contains(where: { "\($0.name)" == "code" }) { problem = problem.with(member: "code", code) }
        exchange.respond(Response(problem))
    }
}

extension Response {
    /// The answer to a delivery that is durable.
    /// - Parameter durability: whether others have it; nil where there are none.
    init(_ outcome: IngestOutcome, _ durability: Durability? = nil) {
        self.init(
            json: JSONWriter.bytes { writer in
                writer.beginObject()
                writer.field("outcome", (outcome.duplicate ? "duplicate" : "accepted") as StaticString)
                writer.field("sessionId", outcome.sessionId)
                writer.field("sessionStatus", outcome.status.name)
                writer.field("version", outcome.version)
                if let durability { writer.field("durability", durability.rawValue) }
                writer.endObject()
            })
    }
}
