import Base
import SessionModel

/// Work under way, one a session: whoever asks for the same meanwhile gets its outcome, and nothing is done twice.
final class SharedWork<Outcome: Sendable>: Sendable {
    typealias Answer = @Sendable (Outcome) -> Void
    private let waiting = Locked<[SessionKey: [Answer]]>([:])

    /// - Returns: whether the caller is the first, and so has to do it.
    func begin(_ sessionId: String, _ answer: @escaping Answer) -> Bool {
        waiting.withLock { waiting in
            waiting[SessionKey(sessionId), default: []].append(answer)
            return waiting[SessionKey(sessionId)]?.count == 1
        }
    }

    /// Answers all who wait.
    func end(_ sessionId: String, _ outcome: Outcome) {
        for answer in waiting.withLock({ $0.removeValue(forKey: SessionKey(sessionId)) }) ?? [] { answer(outcome) }
    }
}
