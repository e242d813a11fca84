internal import Base
import CLinux
import Glibc
import Synchronization

extension Worker {
    /// Connections that are told 503 at the same time; beyond it they are closed without a word.
    private static let shedMax = 128
    /// Connections that are looked at in search of one that can make room; each may have something to say.
    private static let displacementsTriedMax = 64

    func watchListeners() -> Bool {
        for (index, listener) in listeners.enumerated() {
            var flags = UInt32(CLINUX_EPOLLIN)
            if listener.isShared { flags |= UInt32(CLINUX_EPOLLEXCLUSIVE) }
            let data = UInt64(Self.firstListenerSlot) + UInt64(index)
            guard clinux_epoll_add(epoll, listener.descriptor, flags, data) == 0 else { return false }
        }
        isAccepting = true
        acceptResumesAt = nil
        return true
    }

    func unwatchListeners() {
        guard isAccepting else { return }
        for listener in listeners { _ = clinux_epoll_delete(epoll, listener.descriptor) }
        isAccepting = false
    }

    /// Takes as many connections as one turn may.
    /// - Returns: whether there may be more.
    @discardableResult
    func acceptConnections(_ index: Int) -> Bool {
        guard isAccepting, index < listeners.count else { return false }
        for _ in 0..<limits.acceptsPerTurnMax {
            switch acceptOne(listeners[index].descriptor) {
            case .some(true): continue
            case .some(false): return false
            case .none:
                pauseAccepting()
                return false
            }
        }
        return true
    }

    /// True when there may be another connection, false when there is none, nil when no descriptor is left.
    private func acceptOne(_ listener: Int32) -> Bool? {
        switch accept(listener) {
        case .done(let descriptor):
            counters.accepted.increment()
            open(Int32(descriptor))
            return true
        case .wouldBlock:
            return false
        case .failed(EMFILE), .failed(ENFILE), .failed(ENOMEM), .failed(ENOBUFS):
            return nil
        case .failed:
            // Errors of the connection that was to be accepted (ECONNABORTED, EPROTO, EPERM, …), not of the listener.
            return true
        }
    }

    /// Out of descriptors: without watching, the loop does not spin, and the kernel's queue holds the newcomers.
    private func pauseAccepting() {
        counters.acceptPauses.increment()
        unwatchListeners()
        acceptResumesAt = now + nanoseconds(limits.acceptPauseSeconds)
    }

    func resumeAccepting() {
        acceptResumesAt = nil
        guard !isDraining, !isAccepting else { return }
        if !watchListeners() {
            unwatchListeners()
            acceptResumesAt = now + nanoseconds(limits.acceptPauseSeconds)
        }
    }

    private func open(_ descriptor: Int32) {
        var isOver = shared.connectionsServed >= shared.connectionsMax
        if isOver, displaceOne() { isOver = false }
        if isOver, shedCount >= Self.shedMax {
            counters.shed.increment()
            counters.closed.increment()
            System.close(descriptor)
            return
        }
        let slot = takeSlot()
        let connection = Connection(
            descriptor: descriptor, slot: slot, generation: generations[slot], limits: parserLimits)
        connections[slot] = connection
        openCount += 1
        shared.connectionsOpen.add(1, ordering: .relaxed)
        let flags =
            UInt32(CLINUX_EPOLLIN | CLINUX_EPOLLOUT | CLINUX_EPOLLRDHUP)
            | UInt32(CLINUX_EPOLLET)
        let data = UInt64(connection.generation) << 32 | UInt64(slot)
        if clinux_epoll_add(epoll, descriptor, flags, data) != 0 {
            counters.shed.increment()
            return close(connection)
        }
        if isOver {
            shed(connection)
        } else {
            deadlines.set(slot, .header, now: now)
        }
    }

    /// Makes room for a newcomer: the longest idle connection goes (RFC 9112 section 9.5 allows closing it at any time),
    /// failing that the one that has been at its head the longest, so that a flood of silent connections only displaces
    /// itself.
    private func displaceOne() -> Bool {
        for _ in 0..<Self.displacementsTriedMax {
            guard let slot = deadlines.first(.idle) ?? deadlines.first(.header), let connection = connections[slot]
            else { return false }
            let kind = deadlines.kind(of: slot)
            let received = connection.receivedBytes
            // What it has sent may be in the kernel, and its turn to come: a callback is sent once.
            connection.mayRead = true
            turn(connection)
            if connection.phase == .closed { return true }
            guard connection.receivedBytes == received, deadlines.kind(of: slot) == kind else { continue }
            close(connection)
            return true
        }
        return false
    }

    private func shed(_ connection: Connection) {
        counters.shed.increment()
        shedCount += 1
        shared.connectionsShed.add(1, ordering: .relaxed)
        connection.isShed = true
        fail(connection, .tooManyConnections)
        finishTurn(connection)
    }

    private func takeSlot() -> Int {
        if let slot = freeSlots.popLast() { return slot }
        let slot = connections.count
        connections.append(nil)
        generations.append(0)
        deadlines.makeRoom(slots: connections.count)
        return slot
    }

    func close(_ connection: Connection) {
        guard connection.phase != .closed else { return }
        connection.phase = .closed
        connection.serial = 0
        connection.input.release()
        noteHeld(connection)
        connection.pending.removeAll()
        let slot = connection.slot
        deadlines.set(slot, .none, now: now)
        connections[slot] = nil
        generations[slot] &+= 1
        freeSlots.append(slot)
        openCount -= 1
        if connection.isShed {
            shedCount -= 1
            shared.connectionsShed.subtract(1, ordering: .relaxed)
        }
        shared.connectionsOpen.subtract(1, ordering: .relaxed)
        counters.closed.increment()
        System.close(connection.descriptor)
        connection.stream.take()?.close()
        connection.onPeerClosed.take()?()
        if acceptResumesAt != nil { resumeAccepting() }
    }
}
