import Base
import SessionModel

extension ReconciliationSchedule {
    /// When a session is asked about next, and after how many answers without a change.
    package struct Question: Sendable, Equatable {
        /// Nanoseconds of the monotonic clock; nil: it is being asked about.
        package let dueAt: UInt64?
        package let tries: Int
    }
}

extension Reconciler {
    /// When each session is asked about next; those that are not watched are left out.
    func questions(about ids: [String]) -> [SessionKey: (at: Instant?, tries: Int)] {
        let (now, wall) = (monotonic(), clock())
        takeInbox(now)
        var found: [SessionKey: (at: Instant?, tries: Int)] = [:]
        for key in ids.map({ SessionKey($0) }) {
            guard let question = schedule.question(about: key) else { continue }
            let at = question.dueAt.map { dueAt in
                wall.adding(seconds: Int64(clamping: dueAt > now ? (dueAt - now) / 1_000_000_000 : 0))
            }
            found[key] = (at, question.tries)
        }
        return found
    }
}
