import Base
import SessionModel

/// Work under way, one a session: whoever asks for the same meanwhile gets its outcome, and nothing is done twice.
final class SharedWork<Outcome: Sendable>: Sendable {
    private let underWay = Locked<[SessionKey: Task<Outcome, Never>]>([:])

    /// What is under way already comes to, or else `work`.
    func outcome(of sessionId: String, _ work: @escaping @Sendable () async -> Outcome) async -> Outcome {
        let key = SessionKey(sessionId)
        let task = underWay.withLock { underWay in
            if let task = underWay[key] { return task }
            let task = Task(executorPreference: BackgroundExecutor.shared) { [self] in
                let outcome = await work()
                self.underWay.withLock { $0[key] = nil }
                return outcome
            }
            underWay[key] = task
            return task
        }
        return await task.value
    }
}
