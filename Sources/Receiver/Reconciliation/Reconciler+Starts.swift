internal import Base
import Dispatch
import DriveAPI
internal import Ledger
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// Blocks on one page after the other.
private let searchQueue = DispatchQueue(label: "chargefold.reconciler.starts", qos: .utility)

/// Starts whose outcome is not known: the request was sent, and the answer was lost, made no sense, or could not be kept.
/// The session may exist, and only the user's history can tell.
extension Reconciler {
    /// A start that is noted in the ledger is to be looked for. From any thread.
    package func lookFor(unansweredStart id: Int64) {
        let now = monotonic()
        queue.async { [self] in starts.add(id, now: now) }
    }

    /// Those that an earlier process has left. Not on the queue: blocks.
    func loadUnansweredStarts() {
        guard let ledger else { return }
        do throws(StoreError) {
            let ids = try ledger.blocking { (ledger) throws(StoreError) in try ledger.unansweredStarts() }.map(\.id)
            queue.sync { for id in ids { starts.add(id, now: monotonic()) } }
        } catch {
            logger.error("starts of unknown outcome can't be read", metadata: ["reason": "\(error)"])
        }
    }

    /// On the queue.
    func lookForStarts(_ now: UInt64) {
        guard let ledger, let id = starts.takeDue(now: now) else { return }
        let backfill = Backfill(client: client, store: store, clock: clock)
        searchQueue.async { [self] in
            var outcome = StartLookUps.Outcome.over
            do throws(StoreError) {
                // Erased meanwhile, or pushed out: then nobody is to be asked.
                let starts = try ledger.blocking { (ledger) throws(StoreError) in try ledger.unansweredStarts(id: id) }
                if let start = starts.first {
                    outcome = look(for: start, with: backfill)
                }
            } catch {
                outcome = .postponed(nanoseconds: 5_000_000_000)
            }
            queue.async { [self, outcome] in ended(id, outcome, ledger) }
        }
    }

    private func look(for start: UnansweredStart, with backfill: Backfill) -> StartLookUps.Outcome {
        guard start.startedAt > clock().adding(seconds: -settings.giveUpDays * 86_400) else { return .over }
        metrics.startSearches.increment()
        do throws(Backfill.Failure) {
            guard let found = try StartSearch(start: start, backfill: backfill).run() else { return .nothing }
            metrics.startsFound.increment()
            logger.notice(
                "a start that was not answered has a session", metadata: ["sessionId": "\(found.sessionId)"])
            noted(sessionId: found.sessionId, found.status)
            return .over
        } catch {
            switch error {
            case .driveAPI(let error):
                metrics.failures.increment()
                return postponement(error).map { .postponed(nanoseconds: $0) } ?? .nothing
            case .store: return .postponed(nanoseconds: 5_000_000_000)
            }
        }
    }

    private func ended(_ id: Int64, _ outcome: StartLookUps.Outcome, _ ledger: Ledger) {
        if starts.ended(outcome, now: monotonic()) {
            ledger.perform { [logger] ledger in
                do throws(StoreError) {
                    try ledger.removeUnansweredStart(id)
                } catch {
                    logger.warning("a start is looked for once more", metadata: ["reason": "\(error)"])
                }
            }
        }
        checkWhetherIdle()
    }
}
