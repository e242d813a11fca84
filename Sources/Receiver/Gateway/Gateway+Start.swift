import Base
package import DriveAPI
import HTTPServer
import Ledger
import Logging
import SessionIndex
import SessionModel
import SessionStore

extension KeyedRequest {
    /// What is unique.
    struct Name: Hashable, Sendable {
        let scope: String
        let key: String
    }

    var name: Name { Name(scope: scope, key: key) }
}

/// A start on its way.
private struct PendingStart: Sendable {
    let userId: String
    let connectorId: String
    let keyed: KeyedRequest?
    let startedAt: Instant
    let trace: RequestTrace
    let respond: Gateway.Respond
    /// Nothing of it is kept once the user has been erased.
    let work: WorkTicket
    /// In the ledger, until it is known what became of the start; nil where nobody would look for it.
    var noteId: Int64?
}

extension Gateway {
    /// Starts a session: the key first (a repeat gets its answer), then the cooldown, then the Drive API; the session is
    /// durable before its id is answered.
    package func start(
        userId: String, body: [UInt8], idempotencyKey: String?, trace: RequestTrace = .none,
        respond: @escaping Respond
    ) {
        guard let respond = admit(userId: userId, respond) else { return }
        metrics.requests[.start]?.increment()
        guard let json = try? CanonicalJSON(parsing: body), let connectorId = json.string("connectorId"),
            1...1_024 ~= connectorId.utf8.count
        else { return respond(Response(.invalidStart)) }
        // Without the log, a started session could not be remembered.
        guard store.isWritable else { return respond(Response(.storeUnavailable)) }
        if let problem = writes.refusal(userId: userId, sessionId: nil) { return respond(Response(problem)) }
        let keyed = idempotencyKey.map { KeyedRequest(scope: "start " + userId, key: $0, request: json.text) }
        let start = PendingStart(
            userId: userId, connectorId: connectorId, keyed: keyed, startedAt: clock(), trace: trace,
            respond: respond, work: store.beginWork(about: userId))
        guard let keyed else { return reserve(start) }
        guard 1...255 ~= keyed.key.utf8.count, keyed.key.utf8.allSatisfy({ 0x20 < $0 && $0 < 0x7F }) else {
            return respond(Response(.invalidKey))
        }
        claim(keyed, start)
    }

    // MARK: The key

    private func claim(_ keyed: KeyedRequest, _ start: PendingStart) {
        let inFlight = keysInFlight.withLock { keys -> String? in
            if let other = keys[keyed.name] { return other }
            keys[keyed.name] = keyed.request
            return nil
        }
        if let inFlight {
            return start.respond(Response(inFlight == keyed.request ? .keyInFlight : .keyOfOtherRequest))
        }
        let now = clock()
        let since = now.adding(seconds: -settings.idempotencySeconds)
        ledger.perform { [self] ledger in
            // An erasure's last word is spoken on the ledger's queue, so it is behind this, or said already.
            guard !start.work.isBarred else {
                release(keyed)
                return start.respond(Response(.erasedMeanwhile))
            }
            switch Result(catching: { () throws(StoreError) in try ledger.claim(keyed, now: now, since: since) }) {
            case .success(.claimed): return claimEverywhere(keyed, start)
            case .success(.answered(let answer)):
                metrics.replays.increment()
                release(keyed)
                var response = Response(answer)
                response.add("Idempotency-Replayed", "true" as StaticString)
                return start.respond(response)
            case .success(.otherRequest):
                release(keyed)
                start.respond(Response(.keyOfOtherRequest))
            case .success(.withoutAnswer):
                release(keyed)
                start.respond(Response(.keyWithoutAnswer))
            case .failure(let error):
                release(keyed)
                start.respond(Response(Problem(error, .storeUnavailable)))
            }
        }
    }

    /// The same among all receivers: a proxy sends the repeat to any of them.
    private func claimEverywhere(_ keyed: KeyedRequest, _ start: PendingStart) {
        guard let claims = others.claims else { return reserve(start) }
        claims.claim(keyed, of: start.userId, seconds: settings.idempotencySeconds) { [self] outcome in
            switch outcome {
            case .claimed: reserve(start)
            case .claimedHere:
                metrics.localStarts.increment()
                reserve(start)
            case .answered(let answer):
                metrics.replays.increment()
                var response = Response(answer)
                response.add("Idempotency-Replayed", "true" as StaticString)
                finish(start, answer, response, hadNoEffect: false)
            case .withoutAnswer: refuse(start, .keyWithoutAnswer, hadNoEffect: true)
            case .underWay: refuse(start, .keyInFlight, hadNoEffect: true)
            case .otherRequest: refuse(start, .keyOfOtherRequest, hadNoEffect: true)
            }
        }
    }

    private func release(_ keyed: KeyedRequest) {
        keysInFlight.withLock { _ = $0.removeValue(forKey: keyed.name) }
    }

    /// Answers; with a key, keeps the answer first.
    ///
    /// - Parameter hadNoEffect: the key is given free, so that the request can be made again.
    private func finish(_ start: PendingStart, _ answer: KeptAnswer, _ response: Response, hadNoEffect: Bool) {
        guard let keyed = start.keyed else { return start.respond(response) }
        ledger.perform { [self] ledger in
            do throws(StoreError) {
                try ledger.keepAnswer(hadNoEffect ? nil : answer, of: keyed)
            } catch {
                // The claim stays: a repeat is told that the outcome is not known, and nothing is started twice.
                logger.error("an answer could not be kept for its key", metadata: ["reason": "\(error)"])
            }
            guard let claims = others.claims else {
                release(keyed)
                return start.respond(response)
            }
            claims.finish(keyed, of: start.userId, hadNoEffect ? nil : answer) { [self] in
                release(keyed)
                start.respond(response)
            }
        }
    }

    private func refuse(_ start: PendingStart, _ problem: Problem, hadNoEffect: Bool) {
        let answer = KeptAnswer(status: problem.status, contentType: "application/problem+json", body: problem.body)
        finish(start, answer, Response(problem), hadNoEffect: hadNoEffect)
    }

    // MARK: The connector

    private func reserve(_ start: PendingStart) {
        let wait = cooldowns.begin(start.connectorId, now: start.startedAt)
        if let wait {
            metrics.cooldowns.increment()
            return refuse(start, .cooldown(seconds: wait), hadNoEffect: true)
        }
        guard let claims = others.claims, cooldowns.seconds > 0 else { return noteCooldown(start) }
        claims.reserve(connectorId: start.connectorId, at: start.startedAt, seconds: cooldowns.seconds) {
            [self] other in
            guard let other else { return noteCooldown(start) }
            cooldowns.cancel(start.connectorId, startedAt: start.startedAt)
            cooldowns.note(start.connectorId, startedAt: other)
            metrics.cooldowns.increment()
            let left = other.adding(seconds: cooldowns.seconds).microseconds(since: clock())
            refuse(start, .cooldown(seconds: max(1, (left + 999_999) / 1_000_000)), hadNoEffect: true)
        }
    }

    private func noteCooldown(_ start: PendingStart) {
        let forgetBefore = start.startedAt.adding(seconds: -cooldowns.seconds)
        ledger.perform { [self] ledger in
            do throws(StoreError) {
                try ledger.setStart(connectorId: start.connectorId, start.startedAt, forgetBefore: forgetBefore)
            } catch {
                logger.warning("a cooldown is in memory only", metadata: ["reason": "\(error)"])
            }
            noteAndSend(start)
        }
    }

    /// The charge point operator was not asked, so the connector is free.
    private func cancelCooldown(_ start: PendingStart) {
        cooldowns.cancel(start.connectorId, startedAt: start.startedAt)
        others.claims?.cancel(connectorId: start.connectorId)
        let forgetBefore = start.startedAt.adding(seconds: -cooldowns.seconds)
        ledger.perform { ledger in
            try? ledger.setStart(connectorId: start.connectorId, nil, forgetBefore: forgetBefore)
        }
    }

    // MARK: The Drive API

    /// Notes that the user may have a session before the Drive API is asked for it: if the answer is lost, or this
    /// process, the reconciler looks for it.
    private func noteAndSend(_ start: PendingStart) {
        guard reconciler != nil else { return send(start) }
        ledger.perform { [self] ledger in
            guard !start.work.isBarred else { return giveUp(start) }
            var start = start
            do throws(StoreError) {
                start.noteId = try ledger.addUnansweredStart(
                    userId: start.userId, connectorId: start.connectorId, at: start.startedAt)
            } catch {
                logger.warning(
                    "a start will not be looked for if its answer is lost", metadata: ["reason": "\(error)"])
            }
            send(start)
        }
    }

    /// The user was erased before upstream was asked.
    private func giveUp(_ start: PendingStart) {
        cancelCooldown(start)
        refuse(start, .erasedMeanwhile, hadNoEffect: true)
    }

    /// - Parameter isKnown: what became of the start: nothing, or a session that is in the log.
    private func settle(_ start: PendingStart, isKnown: Bool) {
        guard let id = start.noteId else { return }
        guard isKnown else {
            reconciler?.lookFor(unansweredStart: id)
            return
        }
        ledger.perform { [logger] ledger in
            do throws(StoreError) {
                try ledger.removeUnansweredStart(id)
            } catch {
                logger.warning("a start will be looked for in vain", metadata: ["reason": "\(error)"])
            }
        }
    }

    private func send(_ start: PendingStart) {
        // Nothing else of what the app sent: upstream might read a member that nobody here has looked at.
        client.start(userId: start.userId, connectorId: start.connectorId, trace: start.trace) { [self] result in
            switch result {
            case .success(let answer): started(start, answer)
            case .failure(let error):
                metrics.failures.increment()
                // 409 and 429 tell of a start of somebody else; the connector does cool down.
                let isBusy = error.code == .rateLimited || error.status == 409
                if error.hadNoEffect, !isBusy { cancelCooldown(start) }
                settle(start, isKnown: error.hadNoEffect)
                refuse(start, Problem(error), hadNoEffect: error.hadNoEffect)
            }
        }
    }

    private func started(_ start: PendingStart, _ answer: DriveAPIAnswer<StartAnswer>) {
        // The driver must sign, and then start again: that must not be taken for a second try.
        if answer.value.threeDSClientSecret != nil { cancelCooldown(start) }
        let kept = KeptAnswer(passing: answer)
        guard let sessionId = answer.value.sessionId, SessionEvent.isValid(sessionId: sessionId) else {
            guard answer.value.threeDSClientSecret != nil else {
                metrics.failures.increment()
                var error = DriveAPIError(
                    .malformedAnswer, "the answer has neither a session id nor a secret to sign", status: answer.status)
                error.mayHaveBeenSent = true
                settle(start, isKnown: false)
                return refuse(start, Problem(error), hadNoEffect: false)
            }
            settle(start, isKnown: true)
            return finish(start, kept, Response(passing: answer), hadNoEffect: false)
        }
        note(
            .start, sessionId: sessionId, userId: start.userId, connectorId: start.connectorId, at: answer.sentAt,
            within: start.work
        ) { [self] error in
            settle(start, isKnown: error == nil)
            guard let error else {
                return finish(start, kept, Response(passing: answer), hadNoEffect: false)
            }
            // The session exists: whoever started it must at least learn its id.
            if error.code == .erased {
                return refuse(start, Problem.erasedMeanwhile.with(member: "sessionId", sessionId), hadNoEffect: false)
            }
            logger.error(
                "a started session could not be recorded",
                metadata: ["reason": "\(error)", "sessionId": "\(sessionId)"])
            refuse(
                start, Problem(error, .startNotRecorded).with(member: "sessionId", sessionId), hadNoEffect: false)
        }
    }
}

extension DriveAPIError {
    /// Whether the API certainly did not act on the call: nothing of it can have arrived, or the API says that it took no
    /// requests then (RFC 9110, sections 15.5 and 15.6.4).
    var hadNoEffect: Bool {
        if let status { return 400..<500 ~= status || status == 503 }
        return !mayHaveBeenSent
    }
}

extension Problem {
    static let erasedMeanwhile = Problem(
        409, "erased-meanwhile", "The user was erased while the request was under way; nothing of it is kept.")
    static let startNotRecorded = unavailable(
        "start-not-recorded", "The session was started, but could not be recorded: keep its id.",
        retryAfterSeconds: 60)
}
