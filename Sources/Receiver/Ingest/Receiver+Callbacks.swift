internal import Base
import Compression
import HTTPServer
import Ledger
import Logging
import SessionIndex
import SessionModel
import SessionStore
import WebhookSecurity

extension Receiver {
    /// `POST /webhooks/session-events`. The answer is 200 only once the event is durable and folded.
    ///
    /// What is authentic is never lost: a body that is no valid event goes to the quarantine before it is refused.
    func receiveCallback(_ call: borrowing Call<Void>) {
        let started = SystemClock.monotonicNanoseconds()
        let receivedAt = clock()
        let (authentication, decoded) = authenticate(call.request, receivedAt)
        switch authentication {
        case .authentic(let means):
            secretUse.note(means, atMicroseconds: receivedAt.microsecondsSince1970)
            let arrival = Arrival(receivedAt: receivedAt, startedNanoseconds: started, isVerified: means != .unverified)
            take(call.request, arrival, decoded, call.exchange)
        case .missing(let problem):
            let place = keepUnverified(call.request, problem, receivedAt, call.exchange)
            refuse(.missingCredentials, Problem.missingCredentials, problem, place, call.exchange)
        case .wrong(let problem):
            let place = keepUnverified(call.request, problem, receivedAt, call.exchange)
            refuse(.wrongCredentials, Problem.wrongCredentials, problem, place, call.exchange)
        }
    }

    /// When and how a callback came.
    struct Arrival: Sendable {
        let receivedAt: Instant
        let startedNanoseconds: UInt64
        /// False where the configuration lets everybody in.
        let isVerified: Bool
    }

    /// Verifies a callback, by all configured modes.
    ///
    /// - Returns: with it the unpacked content, where it came packed.
    func authenticate(
        _ request: borrowing Request, _ receivedAt: Instant
    ) -> (CallbackAuthentication, decoded: Result<[UInt8], CompressionError>?) {
        // Most bodies come as they are; a coded one is verified as it came, and failing that as it was meant:
        // upstream does not say which of the two it signs.
        var authentication = authenticate(request, body: request.body, receivedAt)
        guard MediaType.contentCoding(of: request.head) == .gzip else { return (authentication, nil) }
        let decoded = Result { () throws(CompressionError) in
            try gunzip(request.body, decompressedBytesMax: callbackBodyBytesMax)
        }
        if case .success(let content) = decoded, authentication.isWrong {
            authentication = content.withUnsafeBytes { authenticate(request, body: $0, receivedAt) }
        }
        return (authentication, decoded)
    }

    private func authenticate(
        _ request: borrowing Request, body: UnsafeRawBufferPointer, _ receivedAt: Instant
    ) -> CallbackAuthentication {
        authenticator.authenticate(
            body: body,
            signature: request.head.soleValue("x-hmac-sha512-signature"),
            signedAt: request.head.soleValue("x-hmac-sha512-signedat"),
            nowSeconds: receivedAt.seconds,
            field: { request.head.value(ofFieldNamed: $0) })
    }

    /// Decodes an authentic body and hands it to the store.
    private func take(
        _ request: borrowing Request, _ arrival: Arrival, _ decoded: Result<[UInt8], CompressionError>?,
        _ exchange: Exchange
    ) {
        guard MediaType.contentCoding(of: request.head) != nil else {
            return set(aside: request, arrival, .unsupportedMediaType, .unsupportedContentCoding, exchange)
        }
        let content: [UInt8]
        switch decoded {
        case .success(let bytes)?: content = bytes
        case .failure(.tooLarge)?: return set(aside: request, arrival, .bodyTooLarge, .bodyTooLarge, exchange)
        case .failure?:
            return set(aside: request, arrival, .malformedContentCoding, .malformedContentCoding, exchange)
        case nil: content = Array(request.body)
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
        let body = UTF8ByteOrderMark.dropped(from: content)
        append(Delivery(event: event, body: body, receivedAt: arrival.receivedAt), arrival, exchange)
    }

    private func append(_ delivery: consuming Delivery, _ arrival: Arrival, _ exchange: Exchange) {
        store.append(delivery) { [self] result in
            switch result {
            case .success(let outcome):
                (outcome.duplicate ? metrics.duplicates : metrics.accepted).increment()
                reconciler?.noted(outcome)
                exchange.respond(Response(outcome))
            case .failure(let error): turnAway(Problem(error, .storeUnavailable), code: error.code, exchange)
            }
            metrics.callbackDuration.record(
                microseconds: (SystemClock.monotonicNanoseconds() - arrival.startedNanoseconds) / 1000)
        }
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
        let place = origin(of: request, exchange)
        let reason = reason ?? problem.code.uppercased().replacing("-", with: "_")
        let kept = quarantined(request, reason: reason, arrival.receivedAt)
        let refusal = { @Sendable [self] (id: Int64?) in
            var place = place
            if let id { place["quarantine"] = "\(id)" }
            refuse(kind, problem, code: reason, problem.detail ?? problem.title, place: place, exchange)
        }
        guard !request.body.isEmpty else { return refusal(nil) }
        guard arrival.isVerified else { return refusal(ledger.quarantineUnverified(kept)) }
        ledger.quarantineVerified(kept) { [self] result in
            switch result {
            case .success(let id): refusal(id)
            case .failure(let error): turnAway(Problem(error, .storeUnavailable), code: error.code, exchange)
            }
        }
    }

    /// - Returns: who sent what, and where it is kept, for the log.
    private func keepUnverified(
        _ request: borrowing Request, _ problem: CredentialProblem, _ receivedAt: Instant, _ exchange: Exchange
    ) -> Logger.Metadata {
        var place = origin(of: request, exchange)
        guard !request.body.isEmpty else { return place }
        let id = ledger.quarantineUnverified(quarantined(request, reason: problem.code.rawValue, receivedAt))
        place["quarantine"] = "\(id)"
        return place
    }

    private func quarantined(_ request: borrowing Request, reason: String, _ receivedAt: Instant) -> QuarantinedBody {
        var evidence = CredentialEvidence(
            signature: request.head.soleValue("x-hmac-sha512-signature"),
            signedAt: request.head.soleValue("x-hmac-sha512-signedat"))
        for index in 0..<request.head.fieldCount {
            let field = request.head.field(index)
            evidence.add(name: field.name, value: field.value)
        }
        return QuarantinedBody(
            receivedAt: receivedAt, reason: reason, body: Array(request.body), credentials: evidence.encoded,
            isPlausible: isPlausible(request))
    }

    /// Whether a request looks like a callback with a secret that is not known here: signed in good form, if callbacks have
    /// to be, and with the content of an event or a record. The dearest is looked at last.
    func isPlausible(_ request: borrowing Request) -> Bool {
        let signature = request.head.soleValue("x-hmac-sha512-signature")
        guard SignatureVerifier.isWellFormed(signature) || !authenticator.verifiesSignatures else { return false }
        var content = Array(request.body)
        if MediaType.contentCoding(of: request.head) == .gzip {
            guard let unpacked = try? gunzip(request.body, decompressedBytesMax: callbackBodyBytesMax) else {
                return false
            }
            content = unpacked
        }
        return (try? SessionEvent.decode(content, limits: eventLimits)) != nil
            || (try? ChargeDetailRecord(decoding: content)) != nil
    }

    /// Answers and logs a refusal for want of credentials: the log tells operators more than the answer tells strangers.
    private func refuse(
        _ kind: ReceiverMetrics.RefusedCallback, _ problem: Problem, _ credentials: CredentialProblem,
        _ place: Logger.Metadata, _ exchange: Exchange
    ) {
        refuse(
            kind, problem, code: credentials.code.rawValue, credentials.publicDescription,
            logged: credentials.description, place: place, exchange)
    }

    /// Answers and logs a refusal: one line each, without body or credentials.
    ///
    /// - Parameter logged: the detail for the log, where it is not the answer's.
    private func refuse(
        _ kind: ReceiverMetrics.RefusedCallback, _ problem: Problem, code: String, _ detail: String,
        logged: String? = nil, place: Logger.Metadata, _ exchange: Exchange
    ) {
        metrics.refusedCallbacks[kind]?.increment()
        let line: Logger.Metadata = [
            "status": "\(problem.status)", "reason": "\(code)", "detail": "\(logged ?? detail)",
        ]
        refusals.write(.warning, "callback refused", line.merging(place) { line, _ in line })
        var problem = problem
        problem.detail = detail
        if !problem.members.contains(where: { "\($0.name)" == "code" }) { problem = problem.with(member: "code", code) }
        exchange.respond(Response(problem))
    }
}

extension EventLimits {
    /// The bounds of a callback under the configured limit, which goes before the model's own.
    static func callbacks(bodyBytesMax: Int) -> EventLimits {
        var limits = EventLimits()
        limits.bodyBytesMax = bodyBytesMax
        return limits
    }
}

extension CallbackAuthentication {
    var isWrong: Bool {
        if case .wrong = self { true } else { false }
    }
}

extension Response {
    /// The answer to a delivery that is durable.
    init(_ outcome: IngestOutcome) {
        self.init(
            json: JSONWriter.bytes { writer in
                writer.beginObject()
                writer.field("outcome", (outcome.duplicate ? "duplicate" : "accepted") as StaticString)
                writer.field("sessionId", outcome.sessionId)
                writer.field("sessionStatus", outcome.status.name)
                writer.field("version", outcome.version)
                writer.endObject()
            })
    }
}
