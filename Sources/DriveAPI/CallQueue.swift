internal import Base
internal import Dispatch
internal import HTTPClient
internal import SessionModel

/// One call on its way through the queue.
struct QueuedCall: Sendable {
    let call: DriveAPICall
    /// Whose it is. There is none that is nobody's: it would have no bound.
    let user: SessionKey
    let priority: DriveAPIPriority
    let request: ClientRequest
    let completion: @Sendable (Result<RawAnswer, DriveAPIError>) -> Void
    let submittedAt: UInt64
    /// Of the call as a whole. For background calls, from the end of their wait for the rate limit.
    var deadline: UInt64
    var attempts = 0

    var isStop: Bool { call == .stop }
    var kind: FairLanes.Kind { isStop ? .stop : priority == .interactive ? .interactive : .background }
}

/// A 2xx answer, not decoded yet.
struct RawAnswer: Sendable {
    let response: ClientResponse
    let sentAt: Instant
    let attempts: Int
}

/// Runs calls on a few connections: bounded, stops first, then other interactive ones, background ones within the rate
/// limit, fairly by user (``FairLanes``), none while the breaker is open (``Breakers``), again where that is safe.
///
/// All decisions are made under one lock in `pump`; connections block on a serial queue each, timers wait without a
/// thread.
final class CallQueue: Sendable {
    private struct State {
        var breakers: Breakers
        var fair: FairLanes
        var bucket: TokenBucket
        var random: SeededRandom
        var idleLanes: [Int]
        var interactive: [QueuedCall] = []
        var background: [QueuedCall] = []
        /// Calls that wait for their next attempt.
        var backingOff = 0
        var timerAt: UInt64?
        var attempts: [DriveAPICall: Int] = [:]
        var isClosed = false
    }

    private enum Action {
        case run(QueuedCall, lane: Int, Breakers.Permit)
        case fail(QueuedCall, DriveAPIError)
        case wake(at: UInt64)
    }

    private let settings: DriveAPISettings
    private let clock: any DriveAPIClock
    private let observer: (any DriveAPIObserver)?
    private let lanes: [CallLane]
    private let state: Locked<State>

    init(
        _ settings: DriveAPISettings, clock: any DriveAPIClock, observer: (any DriveAPIObserver)?, seed: UInt64,
        transport: @Sendable () -> sending any DriveAPITransport
    ) {
        self.settings = settings
        self.clock = clock
        self.observer = observer
        let count = max(settings.concurrency, 1)
        lanes = (0..<count).map { CallLane(number: $0, transport()) }
        state = Locked(
            State(
                breakers: Breakers(settings.breaker),
                fair: FairLanes(count: count, ofUserMax: settings.concurrencyOfUser),
                bucket: TokenBucket(perSecond: settings.callsPerSecond, burst: settings.burst),
                random: SeededRandom(seed: seed), idleLanes: Array((0..<count).reversed())))
    }

    var statistics: DriveAPIStatistics {
        state.withLock { state in
            DriveAPIStatistics(
                underWay: lanes.count - state.idleLanes.count,
                waiting: state.interactive.count + state.background.count + state.backingOff,
                attempts: state.attempts, breaker: state.breakers.all.state)
        }
    }

    func submit(
        _ call: DriveAPICall, of userId: String, _ request: ClientRequest, _ priority: DriveAPIPriority,
        completion: @escaping @Sendable (Result<RawAnswer, DriveAPIError>) -> Void
    ) {
        let now = clock.nanoseconds()
        let queued = QueuedCall(
            call: call, user: SessionKey(userId), priority: priority, request: request,
            completion: completion, submittedAt: now, deadline: now + UInt64(settings.totalSeconds * 1e9))
        let refusal: DriveAPIError? = state.withLock { state in
            if state.isClosed { return DriveAPIError(.closed, "the client has been closed") }
            if let wait = state.breakers.refusedFor(queued.user, isStop: queued.isStop, now: now) {
                return Self.circuitOpen(wait)
            }
            guard state.interactive.count + state.background.count + state.backingOff < settings.queueMax else {
                return DriveAPIError(.overloaded, "too many calls wait already", retryAfterSeconds: 1)
            }
            if priority == .interactive { state.interactive.append(queued) } else { state.background.append(queued) }
            return nil
        }
        if let refusal { end(queued, .failure(refusal)) } else { pump() }
    }

    /// Fails what waits; what is under way ends by itself.
    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            defer {
                state.interactive = []
                state.background = []
            }
            return state.interactive + state.background
        }
        for call in waiting { end(call, .failure(DriveAPIError(.closed, "the client has been closed"))) }
    }

    /// Does all that can be done now.
    private func pump() {
        let now = clock.nanoseconds()
        let actions = state.withLock { state in Self.next(&state, now, settings) }
        for action in actions {
            switch action {
            case .run(let call, let lane, let permit): run(call, lane, permit)
            case .fail(let call, let error): end(call, .failure(error))
            case .wake(let time):
                clock.schedule(at: time) { [weak self] in
                    self?.state.withLock { if $0.timerAt == time { $0.timerAt = nil } }
                    self?.pump()
                }
            }
        }
    }

    private static func next(_ state: inout State, _ now: UInt64, _ settings: DriveAPISettings) -> [Action] {
        var actions: [Action] = []
        while let late = state.interactive.firstIndex(where: { now >= $0.deadline }) {
            actions.append(.fail(state.interactive.remove(at: late), noConnection))
        }
        while !state.idleLanes.isEmpty, var call = take(&state, now, &actions) {
            if call.kind == .background, call.attempts == 0 {
                call.deadline = now + UInt64(settings.totalSeconds * 1e9)
            }
            guard now < call.deadline else {
                actions.append(.fail(call, noConnection))
                continue
            }
            guard let permit = state.breakers.admit(call.user, isStop: call.isStop, now: now) else {
                let wait = state.breakers.refusedFor(call.user, isStop: call.isStop, now: now)
                actions.append(.fail(call, circuitOpen(wait ?? 0)))
                continue
            }
            state.bucket.take(now: now)
            state.fair.begin(call.kind, call.user)
            call.attempts += 1
            state.attempts[call.call, default: 0] += 1
            actions.append(.run(call, lane: state.idleLanes.removeLast(), permit))
        }
        // Drivers are told in time, also where all connections hang.
        if let deadline = state.interactive.lazy.map(\.deadline).min() { wake(&state, at: deadline, &actions) }
        return actions
    }

    /// The call whose turn it is; nil where nobody's is now.
    private static func take(_ state: inout State, _ now: UInt64, _ actions: inout [Action]) -> QueuedCall? {
        if let index = state.fair.next(of: state.interactive, { ($0.kind, $0.user) }) {
            return state.interactive.remove(at: index)
        }
        guard let index = state.fair.next(of: state.background, { ($0.kind, $0.user) }) else { return nil }
        let next = state.bucket.nextAt(now: now)
        guard next <= now else {
            wake(&state, at: next, &actions)
            return nil
        }
        return state.background.remove(at: index)
    }

    private static func wake(_ state: inout State, at time: UInt64, _ actions: inout [Action]) {
        guard state.timerAt.map({ $0 > time }) ?? true else { return }
        state.timerAt = time
        actions.append(.wake(at: time))
    }

    private static let noConnection = DriveAPIError(.timedOut, "no connection was free in time")

    private static func circuitOpen(_ wait: UInt64) -> DriveAPIError {
        DriveAPIError(
            .circuitOpen, "the Drive API has failed lately; calls are kept back",
            retryAfterSeconds: Int(wait / 1_000_000_000) + 1)
    }

    private func run(_ call: QueuedCall, _ lane: Int, _ permit: Breakers.Permit) {
        lanes[lane].async { [self] transport in
            let start = clock.nanoseconds()
            let sentAt = clock.now()
            let left = call.deadline > start ? Double(call.deadline - start) / 1e9 : 0
            let result = CallOutcome.of(sentAt: sentAt, attempts: call.attempts) { () throws(HTTPClientError) in
                try transport.send(
                    call.request, withinSeconds: min(settings.answerSeconds, left), isFresh: !call.call.isSafe)
            }
            finish(call, lane, permit, result)
        }
    }

    private func finish(
        _ call: QueuedCall, _ lane: Int, _ permit: Breakers.Permit, _ result: Result<RawAnswer, DriveAPIError>
    ) {
        let now = clock.nanoseconds()
        let error: DriveAPIError? = if case .failure(let error) = result { error } else { nil }
        let (retryAt, changed) = state.withLock { state -> (UInt64?, CircuitBreaker.State?) in
            state.idleLanes.append(lane)
            state.fair.end(call.kind, call.user)
            let changed = state.breakers.record(permit, of: call.user, isStop: call.isStop, error: error, now: now)
            var retryAt: UInt64?
            if let error, !state.isClosed {
                let left = call.deadline > now ? call.deadline - now : 0
                retryAt = settings.retry.delay(
                    after: error, of: call.call, attempts: call.attempts, left: left, random: &state.random
                ).map { now + $0 }
                if retryAt != nil { state.backingOff += 1 }
            }
            return (retryAt, changed ? state.breakers.all.state : nil)
        }
        if let changed { observer?.driveAPIBreakerChanged(to: changed) }
        if let retryAt {
            clock.schedule(at: retryAt) { [self] in
                retry(call)
            }
        } else {
            end(call, result)
        }
        pump()
    }

    private func retry(_ call: QueuedCall) {
        let isClosed = state.withLock { state in
            state.backingOff -= 1
            guard !state.isClosed else { return true }
            if call.priority == .interactive {
                state.interactive.insert(call, at: 0)
            } else {
                state.background.insert(call, at: 0)
            }
            return false
        }
        if isClosed {
            end(call, .failure(DriveAPIError(.closed, "the client has been closed")))
        } else {
            pump()
        }
    }

    private func end(_ call: QueuedCall, _ result: Result<RawAnswer, DriveAPIError>) {
        var status: Int?
        var code: DriveAPIError.Code?
        switch result {
        case .success(let answer): status = answer.response.status
        case .failure(let error):
            status = error.status
            code = error.code
        }
        observer?.driveAPICallEnded(
            DriveAPICallReport(
                call: call.call, priority: call.priority, status: status, error: code, attempts: call.attempts,
                seconds: Double(clock.nanoseconds() - call.submittedAt) / 1e9,
                requestId: call.request.fields.first { $0.name == RequestTrace.idField }?.value))
        call.completion(result)
    }
}
