internal import Base
import DriveAPI
internal import Ledger
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// A refund comes with no event, and may come long after everything is settled: each settled session is asked about once
/// more, after a while, when nothing else is to be asked.
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
    func writeRefundChecks() async {
        guard let ledger, !settledMeanwhile.isEmpty else { return }
        let sessions = settledMeanwhile
        settledMeanwhile = []
        do throws(StoreError) {
            try await ledger.addRefundChecks(sessions, dueAt: clock().adding(seconds: settings.refundCheckSeconds))
        } catch {
            // Kept for the next time, within bounds.
            settledMeanwhile = Array((sessions + settledMeanwhile).suffix(10_000))
        }
    }

    /// Asks about one session, if one is due.
    func checkRefunds(_ now: UInt64) async -> Task<Void, Never>? {
        guard settings.refundCheckSeconds > 0, underWay == 0, let ledger else { return nil }
        if refundsDue.isEmpty, now >= nextRefundLookAt {
            let due = try? await ledger.refundChecks(dueBy: clock(), limit: Self.refundsPerLook)
            refundsDue = due?.reversed() ?? []
            if refundsDue.isEmpty { nextRefundLookAt = now + Self.nanosecondsBetweenLooks }
        }
        guard let sessionId = refundsDue.popLast() else { return nil }
        underWay += 1
        return begin { await $0.checkRefund(sessionId, ledger) }
    }

    private func checkRefund(_ sessionId: String, _ ledger: Ledger) async {
        let isChecked = await isChecked(sessionId)
        underWay -= 1
        do throws(StoreError) {
            if isChecked {
                try await ledger.removeRefundCheck(sessionId)
            } else {
                try await ledger.postponeRefundCheck(sessionId, now: clock())
            }
        } catch {
            logger.warning("a session is asked about once more", metadata: ["reason": "\(error)"])
        }
    }

    /// - Returns: false where nobody could say, and it has to be asked about again.
    private func isChecked(_ sessionId: String) async -> Bool {
        let known: SessionRecord?
        do throws(StoreError) { known = try await store.session(sessionId) } catch { return false }
        guard let record = known, record.mayBeRefunded, let userId = record.state.userId else { return true }
        metrics.refundChecks.increment()
        let work = store.beginWork(about: userId)
        let answer: DriveAPIAnswer<DriveSession>
        do throws(DriveAPIError) {
            answer = try await client.result {
                client.session(userId: userId, sessionId: sessionId, completion: $0)
            }.get()
        } catch {
            metrics.failures.increment()
            return postponement(error) == nil
        }
        do throws(StoreError) {
            let logged = try await Observation(
                answer.value, sessionId: sessionId, userId: userId, sentAt: answer.sentAt, within: work
            ).log(in: store, clock: clock)
            if logged.isNews { noted(sessionId: sessionId, logged.status) }
            return true
        } catch {
            return error.code == .erased
        }
    }
}

extension SessionRecord {
    /// Complete and settled, and no word of a refund yet.
    var mayBeRefunded: Bool {
        state.status == .complete && expectation == .nothing && state.enrichment.string(.balanceStatus) != "REFUND"
    }
}
