import Base
package import DriveAPI
package import HTTPServer
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
    let startedAt: Instant
    let trace: RequestTrace
    /// Nothing of it is kept once the user has been erased.
    let work: WorkTicket
}

/// How a start has ended.
private struct EndedStart: Sendable {
    let response: Response
    /// What a repeat with the same key is answered; nil where nothing came of it, so that the request can be made again.
    let kept: KeptAnswer?

    init<Value>(passing answer: DriveAPIAnswer<Value>) {
        let answer = KeptAnswer(passing: answer)
        response = Response(answer)
        kept = answer
    }

    init(refused problem: Problem, hadNoEffect: Bool) {
        response = Response(problem)
        kept =
            hadNoEffect
            ? nil : KeptAnswer(status: problem.status, contentType: "application/problem+json", body: problem.body)
    }
}

extension Gateway {
    /// Starts a session: the key first (a repeat gets its answer), then the cooldown, then the Drive API; the session is
    /// durable before its id is answered.
    package func start(
        userId: String, body: [UInt8], idempotencyKey: String?, trace: RequestTrace = .none
    ) async -> Response {
        await counted(.start, userId: userId) { () async throws(Problem) in
            guard let json = try? CanonicalJSON(parsing: body), let connectorId = json.string("connectorId"),
                1...1_024 ~= connectorId.utf8.count
            else { throw .invalidStart }
            let start = PendingStart(
                userId: userId, connectorId: connectorId, startedAt: clock(), trace: trace,
                work: store.beginWork(about: userId))
            guard let key = idempotencyKey else {
                if let problem = refusal(of: start) { throw problem }
                return await run(start).response
            }
            guard 1...255 ~= key.utf8.count, key.utf8.allSatisfy({ 0x20 < $0 && $0 < 0x7F }) else {
                throw .invalidKey
            }
            return try await once(KeyedRequest(scope: "start " + userId, key: key, request: json.text), start)
        }
    }

    /// Why nothing can be started now. Counts as a try of the user's.
    private func refusal(of start: PendingStart) -> Problem? {
        // Without the log, a started session could not be remembered.
        store.isWritable ? writes.refusal(userId: start.userId, sessionId: nil) : .storeUnavailable
    }

    // MARK: The key

    /// Starts for the first request with a key, and answers its repeats as that one was.
    private func once(_ keyed: KeyedRequest, _ start: PendingStart) async throws(Problem) -> Response {
        let inFlight = keysInFlight.withLock { keys -> String? in
            if let other = keys[keyed.name] { return other }
            keys[keyed.name] = keyed.request
            return nil
        }
        if let inFlight { throw inFlight == keyed.request ? .keyInFlight : .keyOfOtherRequest }
        defer { keysInFlight.withLock { _ = $0.removeValue(forKey: keyed.name) } }
        switch try await claim(keyed, start) {
        case .claimed: break
        case .answered(let answer): return replayed(answer)
        case .otherRequest: throw .keyOfOtherRequest
        case .withoutAnswer: throw .keyWithoutAnswer
        }
        // The same among all receivers: a proxy sends the repeat to any of them.
        switch await others.claims?.claim(keyed, of: start.userId, seconds: settings.idempotencySeconds) {
        case nil, .claimed: break
        case .claimedHere: metrics.localStarts.increment()
        case .answered(let answer):
            await keep(answer, of: keyed, start)
            return replayed(answer)
        case .withoutAnswer: return await refuse(.keyWithoutAnswer, keyed, start)
        case .underWay: return await refuse(.keyInFlight, keyed, start)
        case .otherRequest: return await refuse(.keyOfOtherRequest, keyed, start)
        }
        let ended = await run(start)
        await keep(ended.kept, of: keyed, start)
        return ended.response
    }

    private func claim(_ keyed: KeyedRequest, _ start: PendingStart) async throws(Problem) -> KeyClaim {
        let now = clock()
        let since = now.adding(seconds: -settings.idempotencySeconds)
        let claim: Result<KeyClaim, Problem>
        do throws(StoreError) {
            claim = try await ledger.turn { (ledger) throws(StoreError) in
                // An erasure's last word is a turn of the ledger's, so it is behind this one, or said already.
                if start.work.isBarred { return .failure(.erasedMeanwhile) }
                // A repeat costs nothing, and gets its answer whatever is the matter now.
                if let use = try ledger.use(of: keyed, since: since) { return .success(use) }
                if let problem = refusal(of: start) { return .failure(problem) }
                return .success(try ledger.claim(keyed, now: now, since: since))
            }
        } catch {
            throw Problem(error, .storeUnavailable)
        }
        return try claim.get()
    }

    private func replayed(_ answer: KeptAnswer) -> Response {
        metrics.replays.increment()
        var response = Response(answer)
        response.add("Idempotency-Replayed", "true" as StaticString)
        return response
    }

    private func refuse(_ problem: Problem, _ keyed: KeyedRequest, _ start: PendingStart) async -> Response {
        await keep(nil, of: keyed, start)
        return Response(problem)
    }

    /// Keeps the answer for a repeat, here and for all.
    ///
    /// - Parameter answer: nil gives the key free.
    private func keep(_ answer: KeptAnswer?, of keyed: KeyedRequest, _ start: PendingStart) async {
        do throws(StoreError) {
            try await ledger.keepAnswer(answer, of: keyed)
        } catch {
            // The claim stays: a repeat is told that the outcome is not known, and nothing is started twice.
            logger.error("an answer could not be kept for its key", metadata: ["reason": "\(error)"])
        }
        await others.claims?.finish(keyed, of: start.userId, answer)
    }

    // MARK: The connector

    private func run(_ start: PendingStart) async -> EndedStart {
        if let seconds = await reserve(start) {
            metrics.cooldowns.increment()
            return EndedStart(refused: .cooldown(seconds: seconds), hadNoEffect: true)
        }
        do throws(StoreError) {
            try await ledger.setStart(
                connectorId: start.connectorId, start.startedAt, forgetBefore: forgetBefore(start))
        } catch {
            logger.warning("a cooldown is in memory only", metadata: ["reason": "\(error)"])
        }
        return await noteAndSend(start)
    }

    /// - Returns: how many seconds the connector still cools down; nil where it is the start's now.
    private func reserve(_ start: PendingStart) async -> Int64? {
        if let wait = cooldowns.begin(start.connectorId, now: start.startedAt) { return wait }
        guard let claims = others.claims, cooldowns.seconds > 0,
            let other = await claims.reserve(
                connectorId: start.connectorId, at: start.startedAt, seconds: cooldowns.seconds)
        else { return nil }
        cooldowns.cancel(start.connectorId, startedAt: start.startedAt)
        cooldowns.note(start.connectorId, startedAt: other)
        let left = other.adding(seconds: cooldowns.seconds).microseconds(since: clock())
        return max(1, (left + 999_999) / 1_000_000)
    }

    /// The charge point operator was not asked, so the connector is free.
    private func cancelCooldown(_ start: PendingStart) async {
        cooldowns.cancel(start.connectorId, startedAt: start.startedAt)
        others.claims?.cancel(connectorId: start.connectorId)
        try? await ledger.setStart(connectorId: start.connectorId, nil, forgetBefore: forgetBefore(start))
    }

    private func forgetBefore(_ start: PendingStart) -> Instant { start.startedAt.adding(seconds: -cooldowns.seconds) }

    // MARK: The Drive API

    /// Notes that the user may have a session before the Drive API is asked for it: if the answer is lost, or this
    /// process, the reconciler looks for it.
    private func noteAndSend(_ start: PendingStart) async -> EndedStart {
        guard reconciler != nil else { return await send(start, noteId: nil) }
        do throws(StoreError) {
            let noteId = try await ledger.turn { (ledger) throws(StoreError) -> Int64? in
                if start.work.isBarred { return nil }
                return try ledger.addUnansweredStart(
                    userId: start.userId, connectorId: start.connectorId, at: start.startedAt)
            }
            guard let noteId else {
                // The user was erased before upstream was asked.
                await cancelCooldown(start)
                return EndedStart(refused: .erasedMeanwhile, hadNoEffect: true)
            }
            return await send(start, noteId: noteId)
        } catch {
            logger.warning("a start will not be looked for if its answer is lost", metadata: ["reason": "\(error)"])
            return await send(start, noteId: nil)
        }
    }

    /// - Parameter noteId: of the start in the ledger, until it is known what became of it; nil where nobody would look for it.
    private func send(_ start: PendingStart, noteId: Int64?) async -> EndedStart {
        // Nothing else of what the app sent: upstream might read a member that nobody here has looked at.
        let result = await client.result {
            client.start(userId: start.userId, connectorId: start.connectorId, trace: start.trace, completion: $0)
        }
        switch result {
        case .success(let answer): return await started(start, noteId, answer)
        case .failure(let error):
            metrics.failures.increment()
            // 409 and 429 tell of a start of somebody else; the connector does cool down.
            let isBusy = error.code == .rateLimited || error.status == 409
            if error.hadNoEffect, !isBusy { await cancelCooldown(start) }
            await end(noteId, isKnown: error.hadNoEffect)
            return EndedStart(refused: Problem(error), hadNoEffect: error.hadNoEffect)
        }
    }

    /// - Parameter isKnown: what became of the start: nothing, or a session that is in the log.
    private func end(_ noteId: Int64?, isKnown: Bool) async {
        guard let noteId else { return }
        guard isKnown else {
            reconciler?.lookFor(unansweredStart: noteId)
            return
        }
        do throws(StoreError) {
            try await ledger.removeUnansweredStart(noteId)
        } catch {
            logger.warning("a start will be looked for in vain", metadata: ["reason": "\(error)"])
        }
    }

    private func started(
        _ start: PendingStart, _ noteId: Int64?, _ answer: DriveAPIAnswer<StartAnswer>
    ) async -> EndedStart {
        // The driver must sign, and then start again: that must not be taken for a second try.
        if answer.value.threeDSClientSecret != nil { await cancelCooldown(start) }
        guard let sessionId = answer.value.sessionId, SessionEvent.isValid(sessionId: sessionId) else {
            guard answer.value.threeDSClientSecret != nil else {
                metrics.failures.increment()
                var error = DriveAPIError(
                    .malformedAnswer, "the answer has neither a session id nor a secret to sign", status: answer.status)
                error.mayHaveBeenSent = true
                await end(noteId, isKnown: false)
                return EndedStart(refused: Problem(error), hadNoEffect: false)
            }
            await end(noteId, isKnown: true)
            return EndedStart(passing: answer)
        }
        do throws(StoreError) {
            try await logFact(
                .start, sessionId: sessionId, userId: start.userId, connectorId: start.connectorId, at: answer.sentAt,
                within: start.work)
            await end(noteId, isKnown: true)
            return EndedStart(passing: answer)
        } catch {
            await end(noteId, isKnown: false)
            // The session exists: whoever started it must at least learn its id.
            if error.code != .erased {
                logger.error(
                    "a started session could not be recorded",
                    metadata: ["reason": "\(error)", "sessionId": "\(sessionId)"])
            }
            let problem = error.code == .erased ? Problem.erasedMeanwhile : Problem(error, .startNotRecorded)
            return EndedStart(refused: problem.with(member: "sessionId", sessionId), hadNoEffect: false)
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
