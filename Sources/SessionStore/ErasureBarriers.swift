internal import Base
internal import SessionModel

/// What keeps work that began before an erasure from ending behind it: an answer of the Drive API that was under way, a start,
/// a stop, a page of a history, a body that was taken out of the quarantine.
///
/// Whoever begins such work takes a ``WorkTicket``, and appends with it. An erasure first raises a barrier for the user or the
/// sessions that it is about, then waits until all that has passed is in the log, and only then decides how far it goes.
/// From there on nothing passes whose ticket is older than the barrier and which is about them. Work that begins later is
/// about new data, and passes.
///
/// In memory only: work does not outlive the process. A barrier is forgotten once no ticket is older than it.
package final class ErasureBarriers: Sendable {
    private struct State {
        var epoch: UInt64 = 0
        /// When the last barrier was raised.
        var users: [SessionKey: UInt64] = [:]
        var sessions: [SessionKey: UInt64] = [:]
        /// Tickets that are out, by their epoch.
        var tickets: [UInt64: Int] = [:]
        /// What is passing now.
        var passing: [UInt64: Int] = [:]

        func isBarred(_ epoch: UInt64, users named: [String], _ sessionId: String?) -> Bool {
            named.contains { users[SessionKey($0), default: 0] > epoch }
                || sessionId.map { sessions[SessionKey($0), default: 0] > epoch } ?? false
        }

        mutating func forget() {
            guard let oldest = tickets.keys.min() else {
                (users, sessions) = ([:], [:])
                return
            }
            if users.values.contains(where: { $0 <= oldest }) { users = users.filter { $0.value > oldest } }
            if sessions.values.contains(where: { $0 <= oldest }) { sessions = sessions.filter { $0.value > oldest } }
        }
    }

    private let state = Locked(State())

    package init() {}

    /// Begins work about a user, where one is known.
    func begin(_ userId: String?) -> WorkTicket {
        let epoch = state.withLock { state in
            state.tickets[state.epoch, default: 0] += 1
            return state.epoch
        }
        return WorkTicket(self, epoch: epoch, userId: userId)
    }

    fileprivate func end(_ epoch: UInt64) {
        state.withLock { state in
            let left = (state.tickets[epoch] ?? 1) - 1
            state.tickets[epoch] = left > 0 ? left : nil
            if left == 0 { state.forget() }
        }
    }

    fileprivate func isBarred(_ epoch: UInt64, _ userId: String?) -> Bool {
        state.withLock { $0.isBarred(epoch, users: userId.map { [$0] } ?? [], nil) }
    }

    /// Runs `body`, which hands an event to the log, unless a barrier is in the way.
    /// - Returns: whether it ran.
    func pass(_ ticket: WorkTicket, _ event: SessionEvent, _ body: () -> Void) -> Bool {
        let users = [ticket.userId, event.userId].compactMap { $0 }
        let epoch: UInt64? = state.withLock { state in
            guard !state.isBarred(ticket.epoch, users: users, event.sessionId) else { return nil }
            state.passing[state.epoch, default: 0] += 1
            return state.epoch
        }
        guard let epoch else { return false }
        body()
        state.withLock { state in
            let left = (state.passing[epoch] ?? 1) - 1
            state.passing[epoch] = left > 0 ? left : nil
        }
        return true
    }

    /// From now on nothing passes that began before this and is about the user or the sessions.
    func raise(userId: String? = nil, sessions: [String] = []) {
        state.withLock { state in
            state.epoch += 1
            // Nobody is under way whom it could stop.
            guard !state.tickets.isEmpty else { return }
            if let userId { state.users[SessionKey(userId)] = state.epoch }
            for session in sessions { state.sessions[SessionKey(session)] = state.epoch }
        }
    }

    /// Whether something is passing that began to before the last barrier.
    var isPassedBeforehand: Bool {
        state.withLock { state in state.passing.keys.contains { $0 < state.epoch } }
    }
}

/// Work that may end in the log: held for as long as it is under way.
package final class WorkTicket: Sendable {
    private let barriers: ErasureBarriers
    let epoch: UInt64
    /// Whom the work is about, where its events do not name them.
    let userId: String?

    init(_ barriers: ErasureBarriers, epoch: UInt64, userId: String?) {
        self.barriers = barriers
        self.epoch = epoch
        self.userId = userId
    }

    deinit { barriers.end(epoch) }

    /// Whether the user has been erased, or is being erased, since the work began: nothing of them is to be kept.
    package var isBarred: Bool { barriers.isBarred(epoch, userId) }
}
