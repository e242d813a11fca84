import Dispatch
import SessionIndex
import SessionModel
import SessionStore
import Synchronization

/// Long polls; everything on the hub's queue.
extension LiveHub {
    /// Answers as soon as the session's version is above the waiter's, or with nil at its deadline.
    ///
    /// - Returns: what `leave` takes.
    func wait(_ waiter: LiveWaiter) -> UInt64 {
        let id = nextWaiter.wrappingAdd(1, ordering: .relaxed).newValue
        queue.async { [self] in
            guard !isClosed, listenerCount < options.subscribersMax else { return waiter.answer(nil) }
            activate()
            waiters[waiter.key, default: [:]][id] = waiter
            waiterCount += 1
            // What is known is looked at only now: a change can't slip through between the look and the wait.
            store.session(waiter.key.sessionId) { [self] result in
                guard case .success(let record?) = result else { return }
                queue.async { self.wake(record) }
            }
        }
        return id
    }

    /// Ends a wait before its time.
    func leave(_ id: UInt64, _ key: SessionKey) {
        queue.async { [self] in finish(id, key, nil) }
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
