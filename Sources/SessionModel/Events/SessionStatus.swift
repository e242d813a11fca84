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
    package var isFinal: Bool { rank >= SessionStatus.complete.rank }

    /// What lists file it under: a status that is new to us is found where FAILED is asked for, as the Drive API wants
    /// it handled.
    package var listed: SessionStatus { if case .other = self { .failed } else { self } }

    /// The number of what lists file it under, in the index of sessions.
    package var listCode: Int64 { Int64(Self.known.firstIndex(of: listed) ?? 0) }

    package init?(listCode: Int64) {
        guard Self.known.indices.contains(Int(listCode)) else { return nil }
        self = Self.known[Int(listCode)]
    }

    /// Whether a list that asks for statuses by these names has this one too.
    package func isListed(under names: Set<String>) -> Bool {
        names.contains(name) || names.contains(listed.name)
    }

    /// All statuses with a name of their own; the index is the code in stored records, so new ones go to the end.
    package static let known: [SessionStatus] = [
        .created, .waitingToStart, .failed, .started, .waitingToStop, .stopFailed, .stopped, .complete, .refunded,
        .unknown,
    ]
}
