import Dispatch
import SessionIndex
import SessionModel
import SessionStore
import Synchronization

/// Long polls; everything on the hub's queue.
extension LiveHub {
    /// Answers as soon as the session's version is above the waiter's, or with its end at its deadline.
    ///
    /// - Returns: what `leave` takes.
    func wait(_ waiter: LiveWaiter) -> UInt64 {
        let id = nextWaiter.wrappingAdd(1, ordering: .relaxed).newValue
        queue.async { [self] in
            guard !isClosed, listenerCount < options.subscribersMax else { return waiter.answer(.over) }
            activate()
            waiters[waiter.key, default: [:]][id] = waiter
            waiterCount += 1
            // What is known is looked at only now: a change can't slip through between the look and the wait.
            lookUp(waiter.key)
        }
        return id
    }

    /// Ends a wait before its time.
    func leave(_ id: UInt64, _ key: SessionKey) {
        queue.async { [self] in finish(id, key, .over) }
    }

    /// Looks a session up where a change of it is what somebody waits for.
    func wake(_ session: SessionOutline) {
        let key = SessionKey(session.sessionId)
        guard let ofSession = waiters[key] else { return }
        let users = SessionUsers(session)
        let isAwaited = ofSession.values.contains { session.state.version > $0.version && $0.isOurs(users) }
        if isAwaited { lookUp(key) }
    }

    /// One look at a time for each session: what changes meanwhile is what the next one sees.
    func lookUp(_ key: SessionKey) {
        guard lookingUp.updateValue(false, forKey: key) == nil else {
            lookingUp[key] = true
            return
        }
        store.session(key.sessionId) { [self] result in
            queue.async { [self] in
                let mustLookAgain = lookingUp.removeValue(forKey: key) ?? false
                if case .success(let record?) = result { answer(record, key) }
                if mustLookAgain, waiters[key] != nil { lookUp(key) }
            }
        }
    }

    private func answer(_ record: SessionRecord, _ key: SessionKey) {
        let users = SessionUsers(record)
        for (id, waiter) in waiters[key] ?? [:] where record.state.version > waiter.version && waiter.isOurs(users) {
            finish(id, key, .changed(record))
        }
    }

    func finish(_ id: UInt64, _ key: SessionKey, _ ending: LiveWaiter.Ending) {
        guard let waiter = waiters[key]?.removeValue(forKey: id) else { return }
        if waiters[key]?.isEmpty ?? false { waiters[key] = nil }
        waiterCount -= 1
        waiter.answer(ending)
    }
}
