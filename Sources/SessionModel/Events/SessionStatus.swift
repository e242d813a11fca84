/// The status of a charging session, as the Drive API names it.
package enum SessionStatus: Hashable, Sendable {
    case created
    case waitingToStart
    case failed
    case started
    case waitingToStop
    case stopFailed
    case stopped
    case complete
    case refunded
    /// `UNKNOWN`: what the API says of a status it does not recognise, and what a session is called here of which no
    /// fact with a status is known.
    case unknown
    /// A status that is new to us, kept as it came. It counts as `FAILED`.
    case other(String)

    package init(_ name: String) {
        self = Self.known.first { $0.name == name } ?? .other(name)
    }

    /// The status as text, as it came.
    package var name: String {
        switch self {
        case .created: "CREATED"
        case .waitingToStart: "WAITING_TO_START"
        case .failed: "FAILED"
        case .started: "STARTED"
        case .waitingToStop: "WAITING_TO_STOP"
        case .stopFailed: "STOP_FAILED"
        case .stopped: "STOPPED"
        case .complete: "COMPLETE"
        case .refunded: "REFUNDED"
        case .unknown: "UNKNOWN"
        case .other(let name): name
        }
    }

    /// Which of two statuses of the same instant counts (domain.md, "The fold").
    package var rank: Int {
        switch self {
        case .created: 0
        case .waitingToStart: 1
        case .failed, .unknown, .other: 2
        case .started: 3
        case .waitingToStop: 4
        case .stopFailed: 5
        case .stopped: 6
        case .complete: 7
        case .refunded: 8
        }
    }

    /// `COMPLETE` and `REFUNDED`: once one of them is known, nothing of a lower rank changes the status.
    var isFinal: Bool { rank >= SessionStatus.complete.rank }

    /// All statuses with a name of their own; the index is the code in stored records, so new ones go to the end.
    static let known: [SessionStatus] = [
        .created, .waitingToStart, .failed, .started, .waitingToStop, .stopFailed, .stopped, .complete, .refunded,
        .unknown,
    ]
}
