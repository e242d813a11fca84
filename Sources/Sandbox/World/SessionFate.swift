import SessionModel

/// All that chance decides about one session, decided when it is made: nothing that happens later, and no other session,
/// changes it.
struct SessionFate: Sendable, Hashable {
    var startFails = false
    var startFailsThenCharges = false
    /// After a failed start nothing is heard of it until it is complete.
    var chargesSilently = false
    var stopFails = false
    var hasFee = false
    var isDebt = false
    var isRefunded = false
    var showsUnknownStatus = false

    // Pauses, in microseconds of the sandbox's clock.
    let untilAnswer: Int64
    let untilLateStart: Int64
    let charging: Int64
    let untilFee: Int64
    let untilStrange: Int64
    let strange: Int64
    let untilStopped: Int64
    let untilLateStop: Int64
    let untilComplete: Int64
    let untilPayment: Int64
    let untilRefund: Int64
    let untilDetailRecord: Int64

    init(_ random: inout SeededRandom, _ chaos: Chaos.Sessions) {
        // Always the same number of draws, so that another share does not change everything else.
        startFails = random.chance(chaos.startFails)
        startFailsThenCharges = random.chance(chaos.startFailsThenCharges)
        chargesSilently = random.chance(0.5)
        stopFails = random.chance(chaos.stopFails)
        hasFee = random.chance(chaos.fee)
        isDebt = random.chance(chaos.debt)
        isRefunded = random.chance(chaos.refund)
        showsUnknownStatus = random.chance(chaos.unknownStatus)
        func microseconds(_ low: Double, _ high: Double) -> Int64 {
            random.between(Int64(low * 1e6), Int64(high * 1e6))
        }
        untilAnswer = microseconds(2, 6)
        untilLateStart = microseconds(20, 90)
        charging = microseconds(chaos.chargeSecondsMin, chaos.chargeSecondsMax)
        untilFee = microseconds(30, 300)
        untilStrange = microseconds(10, 120)
        strange = microseconds(10, 60)
        untilStopped = microseconds(1, 4)
        untilLateStop = microseconds(60, 180)
        untilComplete = microseconds(5, 20)
        untilPayment = microseconds(3, 10)
        untilRefund = microseconds(60, 300)
        untilDetailRecord = microseconds(10, 60)
    }
}

/// What chance decides about one callback.
struct CallbackFate: Sendable, Hashable {
    enum Secret: String, Sendable, Hashable {
        case current, next, wrong
    }

    var isDropped: Bool
    var secret: Secret
    /// When it leaves, once for each time that it is sent, in microseconds after its event.
    var delays: [Int64]
    var isFollowedByUnknownEvent: Bool

    init(_ random: inout SeededRandom, _ chaos: Chaos.Callbacks) {
        isDropped = random.chance(chaos.drop)
        let isRepeated = random.chance(chaos.repeat)
        let isDelayed = random.chance(chaos.delay)
        let isWrong = random.chance(chaos.wrongSecret)
        let isNext = random.chance(chaos.nextSecret)
        isFollowedByUnknownEvent = random.chance(chaos.unknownEvent)
        secret = isWrong ? .wrong : isNext ? .next : .current
        let delay = random.between(0, Int64(chaos.delaySecondsMax * 1e6))
        let shuffle = random.between(0, Int64(chaos.shuffleSecondsMax * 1e6))
        let repeatDelay = random.between(0, Int64(max(chaos.shuffleSecondsMax, 30) * 1e6))
        let first = (isDelayed ? delay : 0) + shuffle
        delays = isDropped ? [] : isRepeated ? [first, first + repeatDelay] : [first]
    }
}
