/// What goes wrong, and how often. Shares are 0 to 1; seconds are those of the sandbox's clock.
package struct Chaos: Sendable, Hashable {
    package struct Callbacks: Sendable, Hashable {
        /// Never sent.
        package var drop = 0.0
        /// Sent twice.
        package var `repeat` = 0.0
        /// Held back for up to ``delaySecondsMax``.
        package var delay = 0.0
        package var delaySecondsMax = 120.0
        /// Every callback is held back for up to this long, so that their order is lost.
        package var shuffleSecondsMax = 0.0
        /// Followed by an event whose name nobody knows.
        package var unknownEvent = 0.0
        /// Signed with a secret that nobody has.
        package var wrongSecret = 0.0
        /// Signed with the NEXT secret, as in a rotation.
        package var nextSecret = 0.0
    }

    package struct Sessions: Sendable, Hashable {
        package var startFails = 0.0
        /// SESSION_START_FAILED, and yet it charges.
        package var startFailsThenCharges = 0.0
        /// The first stop fails; it ends all the same, later.
        package var stopFails = 0.0
        package var fee = 0.0
        package var debt = 0.0
        package var refund = 0.0
        /// Shows a status for a while that nobody knows.
        package var unknownStatus = 0.0
        /// Nothing comes of the start until the driver has signed (3-D Secure).
        package var threeDS = 0.0
        /// How long the car charges when nobody stops it.
        package var chargeSecondsMin = 1800.0
        package var chargeSecondsMax = 3600.0
    }

    package struct API: Sendable, Hashable {
        /// Answered 500.
        package var error = 0.0
        /// Answered late.
        package var slow = 0.0
        /// How late, in milliseconds of the wall clock.
        package var slowMilliseconds = 2000.0
        /// 1: every call is answered 503.
        package var outage = 0.0
        /// The same, again and again: every so many seconds (0: never), for so many.
        package var outageEverySeconds = 0.0
        package var outageSeconds = 0.0
    }

    package var callbacks = Callbacks()
    package var sessions = Sessions()
    package var api = API()

    package init() {}

    /// Nothing goes wrong but what the four error EVSEs do.
    package static let none = Chaos()

    package static let presetNames = ["none", "mild", "rough"]

    package static func preset(_ name: String) -> Chaos? {
        var chaos = Chaos()
        switch name {
        case "none": return chaos
        case "mild":
            chaos.callbacks.drop = 0.02
            chaos.callbacks.repeat = 0.02
            chaos.callbacks.delay = 0.05
            chaos.callbacks.unknownEvent = 0.01
            chaos.sessions.startFails = 0.03
            chaos.sessions.stopFails = 0.02
            chaos.sessions.fee = 0.05
            chaos.sessions.debt = 0.02
            chaos.api.error = 0.005
            return chaos
        case "rough":
            chaos.callbacks.drop = 0.1
            chaos.callbacks.repeat = 0.1
            chaos.callbacks.delay = 0.1
            chaos.callbacks.shuffleSecondsMax = 60
            chaos.callbacks.unknownEvent = 0.05
            chaos.callbacks.nextSecret = 0.1
            chaos.sessions.startFails = 0.05
            chaos.sessions.startFailsThenCharges = 0.05
            chaos.sessions.stopFails = 0.05
            chaos.sessions.fee = 0.1
            chaos.sessions.debt = 0.05
            chaos.sessions.refund = 0.02
            chaos.sessions.unknownStatus = 0.05
            chaos.api.error = 0.05
            chaos.api.slow = 0.05
            chaos.api.slowMilliseconds = 500
            chaos.api.outageEverySeconds = 3600
            chaos.api.outageSeconds = 300
            return chaos
        default: return nil
        }
    }
}

/// One number of a chaos file: its name, where it goes, what it may be.
struct ChaosKey: Sendable {
    let name: String
    let path: any WritableKeyPath<Chaos, Double> & Sendable
    let range: ClosedRange<Double>

    static let all: [ChaosKey] = shares + times

    private static let shares: [ChaosKey] = [
        ("callbacks.drop", \Chaos.callbacks.drop), ("callbacks.repeat", \.callbacks.repeat),
        ("callbacks.delay", \.callbacks.delay), ("callbacks.unknownEvent", \.callbacks.unknownEvent),
        ("callbacks.wrongSecret", \.callbacks.wrongSecret), ("callbacks.nextSecret", \.callbacks.nextSecret),
        ("sessions.startFails", \.sessions.startFails),
        ("sessions.startFailsThenCharges", \.sessions.startFailsThenCharges),
        ("sessions.stopFails", \.sessions.stopFails), ("sessions.fee", \.sessions.fee),
        ("sessions.debt", \.sessions.debt), ("sessions.refund", \.sessions.refund),
        ("sessions.unknownStatus", \.sessions.unknownStatus), ("sessions.threeDS", \.sessions.threeDS),
        ("api.error", \.api.error), ("api.slow", \.api.slow), ("api.outage", \.api.outage),
    ].map { ChaosKey(name: $0.0, path: $0.1, range: 0...1) }

    private static let times: [ChaosKey] = [
        ("callbacks.delaySecondsMax", \Chaos.callbacks.delaySecondsMax),
        ("callbacks.shuffleSecondsMax", \.callbacks.shuffleSecondsMax),
        ("sessions.chargeSecondsMin", \.sessions.chargeSecondsMin),
        ("sessions.chargeSecondsMax", \.sessions.chargeSecondsMax),
        ("api.slowMilliseconds", \.api.slowMilliseconds), ("api.outageEverySeconds", \.api.outageEverySeconds),
        ("api.outageSeconds", \.api.outageSeconds),
    ].map { ChaosKey(name: $0.0, path: $0.1, range: 0...604_800) }
}
