internal import Base

/// An origin that this directory holds, or tries to: one that it receives under, or an earlier one of which something is
/// not shipped yet.
///
/// Several directories can believe that they are an origin: a clone, a copy that was restored. The shared log has an epoch
/// and a holder for each origin, and only who sees there what it remembers may go on. Every try has a token of its own,
/// which is durable here before it is sent: so a directory whose try succeeded without its knowing finds its own token
/// afterwards, and a clone does not.
struct OwnOrigin: Sendable, Equatable {
    let identity: Identity
    /// In the shared log; 0: not known yet.
    var number: Int32 = 0
    /// 0: never registered.
    var epoch: Int64 = 0
    var holder = Identity.none
    /// Tokens of tries whose outcome is not known.
    var tries: [Identity] = []
    /// Shipped and confirmed up to here, at least: what must be compared if the origin turns out to be another's.
    var confirmed: Int64 = 0

    init(_ identity: Identity) { self.identity = identity }

    /// The number that an origin gets in the shared log where it is free. It follows from the identity alone, so that a cursor
    /// can name an origin before the database has heard of it, and a database that has lost everything gives the same numbers
    /// again, even if somebody comes first who remembers none. Five letters in a cursor.
    static func number(of identity: Identity) -> Int32 {
        numberMin + Int32(truncatingIfNeeded: identity.high % UInt64(numberCount))
    }

    private static let numberMin: Int32 = 26 + 676 + 17_576 + 456_976 + 1
    private static let numberCount: Int32 = 11_881_376

    /// More tries without an outcome are not remembered: a clone may then be suspected where there is none, which costs a
    /// new origin and nothing else.
    static let triesMax = 16

    /// The row of an origin in the shared log.
    struct Row: Sendable, Equatable {
        let number: Int32
        let epoch: Int64
        let holder: Identity
        let shipped: Int64
    }

    /// What the row means for this directory.
    enum Claim: Sendable, Equatable {
        /// Nobody has registered it, or the database has lost it.
        case insert
        /// It is ours: raise the epoch of exactly this row.
        case raise
        /// It is ours, and a crash has taken the last ones here, which were shipped before they were durable: take them back.
        case behind
        /// Somebody else has continued it, or this directory is much older than what it has shipped itself: a copy.
        case lost
    }

    /// More than that is not lost between a commit there and the sync here: it would be taken back before anything else.
    static let behindMax: Int64 = 4_096

    /// - Parameter last: the origin's last sequence in this directory's log.
    func claim(on row: Row?, last: Int64) -> Claim {
        guard let row else { return .insert }
        // With an older epoch the database is older than the directory: it was set back, or another receiver has noted the
        // origin again.
        guard row.holder == holder || tries.contains(row.holder) || row.epoch < epoch else { return .lost }
        if row.shipped <= last { return .raise }
        return row.shipped - last <= Self.behindMax ? .behind : .lost
    }
}

/// An origin that turned out to be another's, from the first place that may have two contents.
///
/// Nothing of it is dropped: what the shared log has at a place stays the content of that place, and whatever differs here
/// is logged and shipped once more under an origin of our own; so is what the shared log has, for our own log has the
/// place already. The fold takes the repeats.
struct ContestedOrigin: Sendable, Equatable {
    let identity: Identity
    /// Compared up to here.
    var compared: Int64
    /// What the shared log had of it when it was lost. Behind that, all is logged once more at once.
    let shared: Int64
    /// Logged once more up to here.
    var moved: Int64
    /// Our last one.
    let last: Int64

    var isDone: Bool { compared >= last && moved >= last }
}
