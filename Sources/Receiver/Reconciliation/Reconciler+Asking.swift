import Base
import DriveAPI
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// One question about one session.
extension Reconciler {
    func ask(_ key: SessionKey) -> Task<Void, Never> {
        underWay += 1
        let isRequested = schedule.isRequested(key)
        return begin { await $0.answer(key, isRequested: isRequested) }
    }

    private func answer(_ key: SessionKey, isRequested: Bool) async {
        var (outcome, calls) = await outcome(of: key, isRequested: isRequested)
        underWay -= 1
        // What comes of it later is the leader's to ask.
        if case .answered = outcome, !leadsNow { outcome = .settled }
        schedule.ended(key, outcome, calls: calls, now: monotonic())
    }

    /// - Returns: how it ended, and how often the Drive API was asked.
    private func outcome(
        of key: SessionKey, isRequested: Bool
    ) async -> (outcome: ReconciliationSchedule.Outcome, calls: Int) {
        let known: SessionRecord?
        do throws(StoreError) {
            known = try await store.session(key.sessionId)
        } catch {
            return (.postponed(nanoseconds: 5_000_000_000), 0)
        }
        guard let record = known else { return (.settled, 0) }
        guard record.expectation != .nothing || isRequested else {
            // Nothing more is to be learnt of it: whatever was missed has been made up for.
            reconciled.append((key.sessionId, clock()))
            settled(record)
            return (.settled, 0)
        }
        // A session of which only a fee is known names no user, and only a user's session can be asked about.
        guard let userId = record.state.userId else {
            metrics.unaskable.increment()
            return (.settled, 0)
        }
        metrics.calls.increment()
        let work = store.beginWork(about: userId)
        do throws(DriveAPIError) {
            let answer = try await client.result {
                client.session(userId: userId, sessionId: key.sessionId, completion: $0)
            }.get()
            let observation = Observation(
                answer.value, sessionId: key.sessionId, userId: userId, sentAt: answer.sentAt, within: work)
            return (await log(observation), 1)
        } catch {
            metrics.failures.increment()
            // What is about this session counts as an answer, so that it ends some time.
            return (
                postponement(error).map { .postponed(nanoseconds: $0) }
                    ?? .answered(record.state.status, isDescribed: record.isDescribed), 1
            )
        }
    }

    private func log(_ observation: Observation) async -> ReconciliationSchedule.Outcome {
        do throws(StoreError) {
            let logged = try await observation.log(in: store, clock: clock)
            (logged.isNews ? metrics.news : metrics.unchanged).increment()
            reconciled.append((observation.sessionId, observation.sentAt))
            settled(logged.settled)
            guard logged.settled == nil else { return .settled }
            return .answered(logged.status, isDescribed: observation.session.evseId != nil)
        } catch {
            if error.code == .erased { return .settled }
            logger.warning("an answer of the Drive API can't be logged", metadata: ["reason": "\(error)"])
            return .postponed(nanoseconds: 5_000_000_000)
        }
    }

    /// How long to wait after a call that failed; nil where that was due to what was asked. Pauses everything where the
    /// API wants to be left alone.
    func postponement(_ error: DriveAPIError) -> UInt64? {
        switch error.code {
        case .notFound, .invalidRequest, .rejected, .malformedAnswer: return nil
        case .unauthorized:
            pause(seconds: 60)
            return 60_000_000_000
        default:
            let seconds = UInt64(clamping: max(1, error.retryAfterSeconds ?? 5))
            if error.code == .rateLimited { pause(seconds: seconds) }
            return seconds * 1_000_000_000
        }
    }
}
