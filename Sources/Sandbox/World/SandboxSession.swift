internal import Base
import SessionModel

/// What can happen to a session next.
enum Step: Sendable, Hashable {
    case askOperator, failToStart, start, incurFee, turnStrange, resume, failToStop, stop, complete, takePayment, refund
    case sendDetailRecord
}

/// One session: a state machine. Steps and requests go in; what is to be told to the world, and what will happen next,
/// comes out. It has no clock: the time comes with each step.
struct SandboxSession: Sendable {
    enum Kind: String, Sendable {
        /// Started through the API.
        case remote = "virtual"
        /// Started at the charger.
        case local = "rfid"
    }

    /// What a step leads to.
    struct Consequence: Sendable {
        /// Names of the events to tell.
        var events: [String] = []
        var next: [(after: Int64, step: Step)] = []
    }

    let number: Int
    let sessionId: String
    let userId: String
    let place: ConnectorPlace
    let kind: Kind
    var fate: SessionFate
    /// For the fates of callbacks.
    var random: SeededRandom
    /// By the sandbox's clock, in microseconds; the same of the times below.
    let createdAt: Int64
    private(set) var status: SessionStatus
    /// Every status, with its timestamp.
    private(set) var history: [(status: SessionStatus, at: Instant)] = []
    private(set) var startedAt: Int64?
    private(set) var endedAt: Int64?
    private(set) var startTime: Instant?
    private(set) var endTime: Instant?
    private(set) var balanceStatus: String?
    private(set) var stopRequests = 0
    private(set) var lastStamp = Instant.earliest
    /// The callbacks about it, and what became of them.
    var callbacks: [CallbackRecord] = []

    init(
        number: Int, sessionId: String, userId: String, place: ConnectorPlace, kind: Kind, fate: SessionFate,
        random: SeededRandom, at time: Int64, stamp: Instant
    ) {
        self.number = number
        self.sessionId = sessionId
        self.userId = userId
        self.place = place
        self.kind = kind
        self.fate = fate
        self.random = random
        createdAt = time
        status = .created
        history = [(.created, advance(stamp))]
    }

    var isRunning: Bool {
        switch status {
        case .started, .waitingToStop, .stopFailed, .other: true
        default: false
        }
    }

    /// Whether its connector is in use.
    var occupiesConnector: Bool { isRunning }

    var isPaid: Bool { balanceStatus == "PAID" }

    /// The timestamp of what happens now: never that of something before it in this session.
    private mutating func advance(_ stamp: Instant) -> Instant {
        if stamp <= lastStamp {
            lastStamp = Instant(microsecondsSince1970: lastStamp.microsecondsSince1970 + 1)
        } else {
            lastStamp = stamp
        }
        return lastStamp
    }

    private mutating func enter(_ status: SessionStatus, _ stamp: Instant) {
        self.status = status
        history.append((status, advance(stamp)))
    }

    /// Goes on, unless something has come between that makes the step senseless.
    mutating func apply(_ step: Step, at time: Int64, stamp: Instant) -> Consequence {
        switch step {
        case .askOperator: askOperator(stamp)
        case .failToStart: failToStart(stamp)
        case .start: start(at: time, stamp)
        case .incurFee: isRunning ? tellFee(stamp) : Consequence()
        case .turnStrange: turnStrange(stamp)
        case .resume: resume(stamp)
        case .failToStop: failToStop(stamp)
        case .stop: stop(at: time, stamp)
        case .complete: complete(stamp)
        case .takePayment: takePayment()
        case .refund: refund(stamp)
        case .sendDetailRecord: Consequence()
        }
    }

    /// Whether a step that has been planned will do nothing any more.
    func isStale(_ step: Step) -> Bool {
        switch step {
        case .askOperator: status != .created
        case .failToStart: status != .created && status != .waitingToStart
        case .start: ![.created, .waitingToStart, .failed].contains(status)
        case .incurFee, .turnStrange, .stop: !isRunning
        case .resume: if case .other = status { false } else { true }
        case .failToStop: status != .waitingToStop
        case .complete: status != .stopped
        case .takePayment: status != .complete || balanceStatus != "PROCESSING"
        case .refund: status != .complete
        case .sendDetailRecord: false
        }
    }

    private mutating func askOperator(_ stamp: Instant) -> Consequence {
        guard status == .created else { return Consequence() }
        enter(.waitingToStart, stamp)
        if place.behaviour == .hangsInStart { return Consequence() }
        if place.behaviour == .failsToStart || fate.startFails {
            return Consequence(next: [(fate.untilAnswer, .failToStart)])
        }
        guard fate.startFailsThenCharges else { return Consequence(next: [(fate.untilAnswer, .start)]) }
        return Consequence(
            next: [(fate.untilAnswer, .failToStart), (fate.untilAnswer + fate.untilLateStart, .start)])
    }

    private mutating func failToStart(_ stamp: Instant) -> Consequence {
        guard status == .waitingToStart || status == .created else { return Consequence() }
        enter(.failed, stamp)
        return Consequence(events: ["SESSION_START_FAILED"])
    }

    private var isSilent: Bool { fate.startFailsThenCharges && fate.chargesSilently && place.behaviour == .normal }

    private mutating func start(at time: Int64, _ stamp: Instant) -> Consequence {
        guard [.created, .waitingToStart, .failed].contains(status) else { return Consequence() }
        enter(.started, stamp)
        startedAt = time
        startTime = lastStamp
        var consequence = Consequence(events: isSilent ? [] : ["SESSION_STARTED"])
        // The error cases last until somebody ends them.
        if place.behaviour == .normal { consequence.next.append((fate.charging, .stop)) }
        if fate.hasFee { consequence.next.append((min(fate.untilFee, fate.charging / 2), .incurFee)) }
        if fate.showsUnknownStatus { consequence.next.append((fate.untilStrange, .turnStrange)) }
        if stopRequests > 0 {
            let stop = requestStop(stamp)
            consequence.next += stop.next
        }
        return consequence
    }

    private mutating func tellFee(_ stamp: Instant) -> Consequence {
        _ = advance(stamp)
        return Consequence(events: ["SESSION_FEE_INCURRING"])
    }

    private mutating func turnStrange(_ stamp: Instant) -> Consequence {
        guard status == .started else { return Consequence() }
        enter(.other("SUSPENDED_BY_GRID"), stamp)
        return Consequence(next: [(fate.strange, .resume)])
    }

    private mutating func resume(_ stamp: Instant) -> Consequence {
        if case .other = status { enter(.started, stamp) }
        return Consequence()
    }

    /// A stop through the API. Harmless in every state.
    mutating func requestStop(_ stamp: Instant) -> Consequence {
        stopRequests += 1
        switch status {
        case .started, .stopFailed, .other: break
        default: return Consequence()
        }
        switch place.behaviour {
        case .ignoresStop: return Consequence()
        case .failsToStop:
            enter(.waitingToStop, stamp)
            return Consequence(next: [(fate.untilStopped, .failToStop)])
        default:
            let isFirst = status != .stopFailed
            enter(.waitingToStop, stamp)
            guard fate.stopFails, isFirst else { return Consequence(next: [(fate.untilStopped, .stop)]) }
            return Consequence(
                next: [(fate.untilStopped, .failToStop), (fate.untilStopped + fate.untilLateStop, .stop)])
        }
    }

    private mutating func failToStop(_ stamp: Instant) -> Consequence {
        guard status == .waitingToStop else { return Consequence() }
        enter(.stopFailed, stamp)
        return Consequence(events: ["SESSION_STOP_FAILED"])
    }

    private mutating func stop(at time: Int64, _ stamp: Instant) -> Consequence {
        guard isRunning else { return Consequence() }
        enter(.stopped, stamp)
        endedAt = time
        endTime = lastStamp
        return Consequence(events: isSilent ? [] : ["SESSION_STOPPED"], next: [(fate.untilComplete, .complete)])
    }

    private mutating func complete(_ stamp: Instant) -> Consequence {
        guard status == .stopped else { return Consequence() }
        enter(.complete, stamp)
        balanceStatus = "PROCESSING"
        return Consequence(
            events: ["SESSION_COMPLETE"],
            next: [(fate.untilPayment, .takePayment), (fate.untilDetailRecord, .sendDetailRecord)])
    }

    private mutating func takePayment() -> Consequence {
        guard status == .complete, balanceStatus == "PROCESSING" else { return Consequence() }
        balanceStatus = fate.isDebt ? "DEBT" : "PAID"
        return Consequence(next: fate.isRefunded && !fate.isDebt ? [(fate.untilRefund, .refund)] : [])
    }

    private mutating func refund(_ stamp: Instant) -> Consequence {
        guard status == .complete else { return Consequence() }
        enter(.refunded, stamp)
        balanceStatus = "REFUND"
        return Consequence()
    }

    // MARK: Payments

    /// - Returns: false unless the session is in debt.
    mutating func retryPayment() -> Bool {
        guard balanceStatus == "DEBT" else { return false }
        balanceStatus = "PAID"
        return true
    }

    /// Puts it into debt, now or as soon as it is complete.
    mutating func makeDebt() {
        fate.isDebt = true
        if status == .complete { balanceStatus = "DEBT" }
    }
}
