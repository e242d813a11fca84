package import Base
internal import SessionModel

/// Tells when the receiver could not accept callbacks while its process ran: a value, told the time.
package struct DowntimeTracker: Sendable {
    /// What is to be written.
    package enum Action: Sendable, Equatable {
        case none
        /// The receiver accepts, as of this moment.
        case beat(Instant)
        /// It could not accept between these.
        case record(from: Instant, to: Instant)
    }

    private let beatSeconds: Int64
    private var lastAccepting: Instant
    private var lastBeat: Instant
    /// Since when it has not accepted; nil while it does.
    package private(set) var outageSince: Instant?
    private var wasRefused = false

    /// - Parameters:
    ///   - now: a moment at which the receiver accepts.
    ///   - beatSeconds: between two beats.
    package init(now: Instant, beatSeconds: Int64 = 5) {
        self.beatSeconds = beatSeconds
        lastAccepting = now
        lastBeat = now
    }

    package var isAccepting: Bool { outageSince == nil }

    /// A callback could not be accepted.
    package mutating func refused(at instant: Instant) {
        outageSince = min(outageSince ?? instant, instant)
        wasRefused = true
    }

    /// To be called every second or so.
    package mutating func tick(now: Instant, isAccepting: Bool) -> Action {
        defer { wasRefused = false }
        guard isAccepting else {
            outageSince = outageSince ?? lastAccepting
            return .none
        }
        lastAccepting = max(lastAccepting, now)
        if let since = outageSince {
            // As long as callbacks are turned away it is not over.
            if wasRefused { return .none }
            outageSince = nil
            lastBeat = now
            return .record(from: since, to: now)
        }
        // A clock that was set back must not stop the beats.
        guard now.seconds - lastBeat.seconds >= beatSeconds || now < lastBeat else { return .none }
        lastBeat = now
        return .beat(now)
    }

    /// The receiver stops: what is still open ends now, as far as this process can tell.
    package func stopped(at now: Instant) -> Action {
        outageSince.map { .record(from: $0, to: now) } ?? .beat(now)
    }
}
