internal import Base
internal import Dispatch
internal import Logging
internal import SessionModel
internal import Synchronization

/// A long part of the log that is folded behind the start, while deliveries are logged already.
///
/// Sessions may have to be made again from the whole log: after an upgrade, or when their file is gone. With millions of
/// deliveries that takes minutes, in which callbacks that are sent once must not meet a closed port. What comes meanwhile
/// is durable and answered as accepted; what it changed shows once the fold has come that far.
extension Fold {
    /// Folds everything up to `last`, in slices between which other work of the queue gets its turn.
    /// - Parameters:
    ///   - progress: called on the queue, at most once a second, with the position reached and the one to reach.
    ///   - completion: called on the queue, once, when nothing is left.
    func catchUp(
        to last: Int64, progress: @escaping @Sendable (Int64, Int64) -> Void, completion: @escaping @Sendable () -> Void
    ) {
        behind.withLock { $0 = last }
        isBehindFlag.store(true, ordering: .releasing)
        queue.async { self.catchUpSlice(reported: .now(), progress, completion) }
    }

    /// Whether records do not show everything that is durable, so that no query can be answered.
    var isBehind: Bool { isBehindFlag.load(ordering: .acquiring) }

    /// While the fold is behind: takes note that everything up to `position` is to be folded, too.
    /// - Returns: false when the fold is not behind (any more): the caller folds.
    func postpones(upTo position: Int64) -> Bool {
        behind.withLock { target in
            // Under the lock, which the end of it holds; without a target the store closes, and stays behind.
            guard isBehind else { return false }
            if let known = target { target = max(known, position) }
            return true
        }
    }

    /// Gives up, so that the store can be closed: the next start goes on from where the rows end.
    func stopCatchingUp() {
        behind.withLock { $0 = nil }
    }

    /// So few that commits beside it do not wait long.
    private static let sliceRows: Int64 = 512

    private func catchUpSlice(
        reported: DispatchTime, _ progress: @escaping @Sendable (Int64, Int64) -> Void,
        _ completion: @escaping @Sendable () -> Void
    ) {
        options.catchUpHook?(folded)
        // Gone: the store closes, and stays behind until it is.
        guard let target = behind.withLock({ $0 }) else { return }
        guard fold(through: min(target, folded + Self.sliceRows)) else {
            // The rows or the log cannot be read: again after a while, as for any other stall.
            return queue.asyncAfter(deadline: .now() + .milliseconds(options.retryMilliseconds)) {
                self.catchUpSlice(reported: reported, progress, completion)
            }
        }
        let isDone = behind.withLock { target in
            guard let last = target, folded >= last else { return false }
            target = nil
            isBehindFlag.store(false, ordering: .releasing)
            return true
        }
        if isDone {
            logger.notice("all sessions are known again", metadata: ["position": "\(folded)"])
            return completion()
        }
        var reported = reported
        let now = DispatchTime.now()
        if now.uptimeNanoseconds - reported.uptimeNanoseconds > 1_000_000_000 {
            reported = now
            progress(folded, target)
        }
        queue.async { [reported] in self.catchUpSlice(reported: reported, progress, completion) }
    }
}
