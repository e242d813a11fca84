package import Base

/// What can be done with the log now.
///
///     open ──failed──► doubt ──proved──► open
///       └─────closed────┴────closed────► closed
///
/// After a failed write or sync nobody knows what of it is on disk. Nothing more is written until it has been proved that
/// what is written stays: the end of the log is written anew and synced. And nothing counts as proved before there is room
/// for a whole usual commit, so that the next one does not fail again: who watches the state sees it change once.
package enum LogState: Sendable, Equatable {
    case open
    /// Why nothing can be made durable now.
    case doubt(StoreError)
    case closed

    /// What an event has changed, for whoever tells people.
    package enum Change: Sendable, Equatable { case none, becameDoubtful, becameOpen }

    /// A write, a sync, or a file that is not where it belongs.
    package mutating func failed(_ error: StoreError) -> Change {
        switch self {
        case .closed: return .none
        case .open:
            self = .doubt(error)
            return .becameDoubtful
        case .doubt:
            self = .doubt(error)
            return .none
        }
    }

    /// What is written stays, as far as anybody can tell.
    package mutating func proved() -> Change {
        guard case .doubt = self else { return .none }
        self = .open
        return .becameOpen
    }

    package mutating func close() {
        self = .closed
    }

    /// Why nothing can be appended, or nil.
    package var obstacle: StoreError? {
        switch self {
        case .open: nil
        case .doubt(let error): error
        case .closed: StoreError(.closed, "the log is closed")
        }
    }
}
