internal import Base
import DriveAPI
internal import Ledger
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// Starts whose outcome is not known: the request was sent, and the answer was lost, made no sense, or could not be kept.
/// The session may exist, and only the user's history can tell.
extension Reconciler {
    /// Those that an earlier process has left.
    func loadUnansweredStarts() async {
        guard let ledger else { return }
        do throws(StoreError) {
            for start in try await ledger.unansweredStarts() { starts.add(start.id, now: monotonic()) }
        } catch {
            logger.error("starts of unknown outcome can't be read", metadata: ["reason": "\(error)"])
        }
    }

    func lookForStarts(_ now: UInt64) -> Task<Void, Never>? {
        guard let ledger, let id = starts.takeDue(now: now) else { return nil }
        return begin { await $0.lookFor(id, ledger) }
    }

    private func lookFor(_ id: Int64, _ ledger: Ledger) async {
        guard starts.ended(await outcome(of: id, ledger), now: monotonic()) else { return }
        do throws(StoreError) {
            try await ledger.removeUnansweredStart(id)
        } catch {
            logger.warning("a start is looked for once more", metadata: ["reason": "\(error)"])
        }
    }

    private func outcome(of id: Int64, _ ledger: Ledger) async -> StartLookUps.Outcome {
        let start: UnansweredStart?
        do throws(StoreError) {
            start = try await ledger.unansweredStarts(id: id).first
        } catch {
            return .postponed(nanoseconds: 5_000_000_000)
        }
        // Erased meanwhile, pushed out, or too old: then nobody is to be asked.
        guard let start, start.startedAt > clock().adding(seconds: -settings.giveUpDays * 86_400) else { return .over }
        metrics.startSearches.increment()
        do throws(Backfill.Failure) {
            let backfill = Backfill(client: client, store: store, clock: clock)
            guard let found = try await StartSearch(start: start, backfill: backfill).run() else { return .nothing }
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
}
