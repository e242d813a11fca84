import Dispatch
import SessionModel
import SessionStore

/// Long polls; everything on the hub's queue.
extension LiveHub {
    /// Answers as soon as the session's version is above the waiter's, or with nil at its deadline.
    func wait(_ waiter: LiveWaiter) {
        queue.async { [self] in
            guard !isClosed else { return waiter.answer(nil) }
            activate()
            nextWaiter += 1
            let id = nextWaiter
            waiters[waiter.key, default: [:]][id] = waiter
            waiterCount += 1
            // What is known is looked at only now: a change can't slip through between the look and the wait.
            store.session(waiter.key.sessionId) { [self] result in
                guard case .success(let record?) = result else { return }
                queue.async { self.wake(record) }
            }
        }
    }

    func wake(_ record: SessionRecord) {
        let key = SessionKey(record.sessionId)
        guard let ofSession = waiters[key] else { return }
        for (id, waiter) in ofSession where record.state.version > waiter.version && waiter.isOurs(record) {
            finish(id, key, record)
        }
    }

    func finish(_ id: UInt64, _ key: SessionKey, _ record: SessionRecord?) {
        guard let waiter = waiters[key]?.removeValue(forKey: id) else { return }
        if waiters[key]?.isEmpty ?? false { waiters[key] = nil }
        waiterCount -= 1
        waiter.answer(record)
    }
}
