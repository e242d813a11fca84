import Base
import SessionModel

/// Charge detail records that name no time, one at a time a session: each is dated by what is known of its session, so
/// that a repeat is found to be one, and no other may be on its way meanwhile.
final class UndatedRecords: Sendable {
    typealias Work = @Sendable () -> Void
    /// What waits behind the one under way.
    private let waiting = Locked<[SessionKey: [Work]]>([:])

    /// Runs `work`, which calls `end` when it is done, now or when those before it are done.
    func begin(_ sessionId: String, _ work: @escaping Work) {
        let isFirst = waiting.withLock { waiting in
            guard waiting[SessionKey(sessionId)] == nil else {
                waiting[SessionKey(sessionId)]?.append(work)
                return false
            }
            waiting[SessionKey(sessionId)] = []
            return true
        }
        if isFirst { work() }
    }

    func end(_ sessionId: String) {
        let next = waiting.withLock { waiting -> Work? in
            guard let others = waiting[SessionKey(sessionId)], let next = others.first else {
                waiting[SessionKey(sessionId)] = nil
                return nil
            }
            waiting[SessionKey(sessionId)]?.removeFirst()
            return next
        }
        next?()
    }
}
