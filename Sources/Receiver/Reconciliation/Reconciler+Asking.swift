import Base
import Dispatch
import DriveAPI
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// One question about one session; begun on the queue, and ended there.
extension Reconciler {
    func ask(_ key: SessionKey) {
        underWay += 1
        let isRequested = schedule.isRequested(key)
        store.session(key.sessionId) { [self] result in
            guard case .success(let record?) = result, record.expectation != .nothing || isRequested else {
                var outcome = ReconciliationSchedule.Outcome.settled
                switch result {
                case .failure: outcome = .postponed(nanoseconds: 5_000_000_000)
                case .success(nil): break
                // Nothing more is to be learnt of it: whatever was missed has been made up for.
                case .success(let record):
                    queue.async { [self] in
                        reconciled.append((key.sessionId, clock()))
                        settled(record)
                    }
                }
                return ended(key, outcome, calls: 0)
            }
            // A session of which only a fee is known names no user, and only a user's session can be asked about.
            guard let userId = record.state.userId else {
                metrics.unaskable.increment()
                return ended(key, .settled, calls: 0)
            }
            metrics.calls.increment()
            let work = store.beginWork(about: userId)
            client.session(userId: userId, sessionId: key.sessionId, priority: .background) { [self] result in
                switch result {
                case .success(let answer): take(answer, key, userId, work)
                case .failure(let error): failed(error, key, record)
                }
            }
        }
    }

    private func take(
        _ answer: DriveAPIAnswer<DriveSession>, _ key: SessionKey, _ userId: String, _ work: WorkTicket
    ) {
        let observation = Observation(
            answer.value, sessionId: key.sessionId, userId: userId, sentAt: answer.sentAt, within: work)
        observation.log(in: store, clock: clock) { [self] result in
            switch result {
            case .success(let logged):
                (logged.isNews ? metrics.news : metrics.unchanged).increment()
                queue.async { [self] in
                    reconciled.append((key.sessionId, answer.sentAt))
                    settled(logged.settled)
                }
                ended(
                    key,
                    logged.settled != nil
                        ? .settled : .answered(logged.status, isDescribed: answer.value.evseId != nil))
            case .failure(let error) where error.code == .erased: ended(key, .settled)
            case .failure(let error):
                logger.warning("an answer of the Drive API can't be logged", metadata: ["reason": "\(error)"])
                ended(key, .postponed(nanoseconds: 5_000_000_000))
            }
        }
    }

    private func failed(_ error: DriveAPIError, _ key: SessionKey, _ record: SessionRecord) {
        metrics.failures.increment()
        if let nanoseconds = postponement(error) {
            ended(key, .postponed(nanoseconds: nanoseconds))
        } else {
            // It is about this session: counts as an answer, so that it ends some time.
            ended(key, .answered(record.state.status, isDescribed: record.isDescribed))
        }
    }

    /// How long to wait after a call that failed; nil where that was due to what was asked. Pauses everything where the
    /// API wants to be left alone.
    func postponement(_ error: DriveAPIError) -> UInt64? {
        switch error.code {
        case .notFound, .invalidRequest, .rejected, .malformedAnswer: return nil
        case .unauthorized:
            logger.error("the Drive API refuses the API key", metadata: ["error": "\(error)"])
            pause(seconds: 60)
            return 60_000_000_000
        default:
            let seconds = UInt64(clamping: max(1, error.retryAfterSeconds ?? 5))
            if error.code == .rateLimited { pause(seconds: seconds) }
            return seconds * 1_000_000_000
        }
    }

    func pause(seconds: UInt64) {
        queue.async { [self] in pausedUntil = max(pausedUntil, monotonic() + seconds * 1_000_000_000) }
    }

    private func ended(_ key: SessionKey, _ outcome: ReconciliationSchedule.Outcome, calls: Int = 1) {
        queue.async { [self] in
            underWay -= 1
            var outcome = outcome
            // What comes of it later is the leader's to ask.
            if case .answered = outcome, !leadsNow { outcome = .settled }
            schedule.ended(key, outcome, calls: calls, now: monotonic())
            checkWhetherIdle()
        }
    }
}
