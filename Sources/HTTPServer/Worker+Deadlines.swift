internal import Base

extension Worker {
    func runDeadlines() {
        if let acceptResumesAt, acceptResumesAt <= now { resumeAccepting() }
        if let newcomersWaitUntil, newcomersWaitUntil <= now {
            self.newcomersWaitUntil = nil
            for case let connection? in connections where connection.phase == .reading {
                connection.mayRead = true
                turn(connection)
            }
        }
        while let (slot, kind) = deadlines.popExpired(now: now) {
            guard let connection = connections[slot], !hasMovedOn(connection, kind) else { continue }
            expire(connection, kind)
        }
    }

    /// Reads what the kernel has before a connection is given up for its silence: after a stall of the process, or with
    /// more events than one turn takes, a request may be there, and a callback is sent once.
    /// - Returns: whether that has ended the wait.
    private func hasMovedOn(_ connection: Connection, _ kind: DeadlineKind) -> Bool {
        guard [.idle, .header, .body].contains(kind), connection.phase == .reading else { return false }
        let requests = connection.requestCount
        let wasSilent = connection.isSilent
        // For the turn it is the same wait still: a byte more does not begin it anew.
        deadlines.set(connection.slot, kind, now: now)
        connection.mayRead = true
        turn(connection)
        return connection.phase != .reading || connection.requestCount != requests
            || deadlines.kind(of: connection.slot) != kind || wasSilent && !connection.isSilent
    }

    private func expire(_ connection: Connection, _ kind: DeadlineKind) {
        switch kind {
        case .none:
            return
        case .linger:
            return close(connection)
        case .idle:
            counters.timeouts.increment()
            return close(connection)
        case .header:
            counters.timeouts.increment()
            // Nothing came, so there is nothing to answer.
            guard !connection.parser.isAtStart else { return close(connection) }
            fail(connection, .timeout)
        case .body:
            let received = connection.receivedBytes - connection.rateMark
            let window = min(limits.rateWindowSeconds, limits.bodyTimeoutSeconds)
            if now < connection.bodyDeadline, Double(received) >= Double(limits.bodyBytesPerSecondMin) * window {
                connection.rateMark = connection.receivedBytes
                return deadlines.set(connection.slot, .body, now: now)
            }
            counters.timeouts.increment()
            connection.refusal = nil
            fail(connection, .timeout)
        case .write:
            let delivered = deliveredBytes(connection)
            let least = Double(limits.responseBytesPerSecondMin) * limits.rateWindowSeconds
            if Double(delivered - connection.rateMark) >= least {
                connection.rateMark = delivered
                return deadlines.set(connection.slot, .write, now: now)
            }
            counters.timeouts.increment()
            return close(connection)
        case .handler:
            counters.timeouts.increment()
            fail(connection, .handlerTimeout)
        }
        finishTurn(connection)
    }

    func startDrain(_ deadline: UInt64) {
        if let drainDeadline {
            self.drainDeadline = min(drainDeadline, deadline)
            return
        }
        // Connections that the kernel has already taken are served: closing a listener resets them.
        for index in listeners.indices where !listeners[index].outlivesServer {
            var left = limits.backlog
            while acceptConnections(index), left > 0 { left -= limits.acceptsPerTurnMax }
        }
        unwatchListeners()
        for listener in listeners where !listener.isShared { System.close(listener.descriptor) }
        listeners = []
        acceptResumesAt = nil
        drainDeadline = deadline
        newcomersWaitUntil = now + nanoseconds(limits.drainGraceSeconds)
        for connection in connections {
            guard let connection else { continue }
            switch connection.phase {
            case .reading:
                connection.mayRead = true
                turn(connection)
            case .streaming:
                connection.stream?.end(.finished)
            default:
                break
            }
        }
    }
}
