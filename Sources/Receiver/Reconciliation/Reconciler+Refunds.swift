internal import Base
import Dispatch
import DriveAPI
internal import Ledger
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// A refund comes with no event, and may come long after everything is settled: each settled session is asked about once
/// more, after a while, when nothing else is to be asked. Everything on the queue.
extension Reconciler {
    /// Sessions read at a time.
    private static let refundsPerLook = 100
    /// From a look that found nothing to the next.
    private static let nanosecondsBetweenLooks: UInt64 = 60_000_000_000

    /// Nothing more is to be learnt of the session for now.
    func settled(_ record: SessionRecord?) {
        guard settings.refundCheckSeconds > 0, ledger != nil, let record, record.mayBeRefunded else { return }
        settledMeanwhile.append(record.sessionId)
    }

    /// Notes what has settled since.
    func writeRefundChecks() {
        guard let ledger, !settledMeanwhile.isEmpty else { return }
        do throws(StoreError) {
            let (sessions, dueAt) = (settledMeanwhile, clock().adding(seconds: settings.refundCheckSeconds))
            try ledger.blocking { (ledger) throws(StoreError) in try ledger.addRefundChecks(sessions, dueAt: dueAt) }
            settledMeanwhile = []
        } catch {
            // Kept for the next time, within bounds.
            settledMeanwhile = Array(settledMeanwhile.suffix(10_000))
        }
    }

    /// Asks about one session, if one is due.
    func checkRefunds(_ now: UInt64) {
        guard settings.refundCheckSeconds > 0, underWay == 0, let ledger else { return }
        if refundsDue.isEmpty, now >= nextRefundLookAt {
            let due = try? ledger.blocking { [now = clock()] (ledger) throws(StoreError) in
                try ledger.refundChecks(dueBy: now, limit: Self.refundsPerLook)
            }
            refundsDue = due?.reversed() ?? []
            if refundsDue.isEmpty { nextRefundLookAt = now + Self.nanosecondsBetweenLooks }
        }
        guard let sessionId = refundsDue.popLast() else { return }
        underWay += 1
        store.session(sessionId) { [self] result in
            guard case .success(let record?) = result, record.mayBeRefunded, let userId = record.state.userId else {
                if case .failure = result { return refundChecked(sessionId, ledger, isAnswered: false) }
                return refundChecked(sessionId, ledger, isAnswered: true)
            }
            metrics.refundChecks.increment()
            let work = store.beginWork(about: userId)
            client.session(userId: userId, sessionId: sessionId, priority: .background) { [self] result in
                switch result {
                case .success(let answer):
                    let observation = Observation(
                        answer.value, sessionId: sessionId, userId: userId, sentAt: answer.sentAt, within: work)
                    observation.log(in: store, clock: clock) { [self] logged in
                        if case .success(let logged) = logged, logged.isNews {
                            noted(sessionId: sessionId, logged.status)
                        }
                        let isOver = if case .failure(let error) = logged { error.code == .erased } else { true }
                        refundChecked(sessionId, ledger, isAnswered: isOver)
                    }
                case .failure(let error):
                    metrics.failures.increment()
                    refundChecked(sessionId, ledger, isAnswered: postponement(error) == nil)
                }
            }
        }
    }

    private func refundChecked(_ sessionId: String, _ ledger: Ledger, isAnswered: Bool) {
        queue.async { [self] in
            underWay -= 1
            do throws(StoreError) {
                try ledger.blocking { [now = clock()] (ledger) throws(StoreError) in
                    if isAnswered {
                        try ledger.removeRefundCheck(sessionId)
                    } else {
                        try ledger.postponeRefundCheck(sessionId, now: now)
                    }
                }
            } catch {
                logger.warning("a session is asked about once more", metadata: ["reason": "\(error)"])
            }
            checkWhetherIdle()
        }
    }
}

extension SessionRecord {
    /// Complete and settled, and no word of a refund yet.
    var mayBeRefunded: Bool {
        state.status == .complete && expectation == .nothing && state.enrichment.string(.balanceStatus) != "REFUND"
    }
}
