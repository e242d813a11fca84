internal import Base
import CLinux
import Glibc

extension Worker {
    func respondOnWorker(_ slot: Int, _ serial: UInt64, _ response: consuming Response) {
        if serial == currentSerial, let connection = connections[slot], connection.serial == serial {
            answer(connection, response)
        } else {
            deferred.append(.respond(slot, serial, response))
        }
    }

    /// Puts an answer into the turn's output. Sends nothing, unless the body is large.
    func answer(_ connection: Connection, _ response: consuming Response) {
        connection.serial = 0
        connection.onPeerClosed = nil
        let keepsAlive = connection.keepsAlive && !response.closesConnection && !isDraining
        connection.phase = keepsAlive ? .reading : .closing
        appendHead(connection, response, keepsAlive: keepsAlive, bodyCount: response.body.count)
        guard !connection.isHead, !response.forbidsBody, !response.body.isEmpty else { return }
        if response.body.count <= Self.copiedBodyBytesMax {
            output.append(response.body)
        } else {
            flush(connection, followedBy: response.body)
        }
    }

    /// - Parameter bodyCount: the length of the body, or nil for a stream.
    func appendHead(_ connection: Connection, _ response: borrowing Response, keepsAlive: Bool, bodyCount: Int?) {
        output.appendHead(
            response, dateLine: dateLine, minorVersion: connection.minorVersion, keepsAlive: keepsAlive,
            bodyCount: bodyCount)
    }

    /// Sends the turn's output; what the kernel does not take waits in `pending`.
    func flush(_ connection: Connection, followedBy body: [UInt8] = []) {
        let count = output.count
        let total = count + body.count
        guard total > 0 else { return }
        defer { output.clear() }
        guard !connection.isBroken else { return }
        connection.queuedBytes += total
        var sent = 0
        if connection.pending.isEmpty {
            let result = body.withUnsafeBytes { bytes in
                System.call {
                    bytes.isEmpty
                        ? clinux_send(connection.descriptor, output.base, count)
                        : clinux_send_pair(connection.descriptor, output.base, count, bytes.baseAddress, bytes.count)
                }
            }
            switch result {
            case .done(let taken): sent = taken
            case .wouldBlock: sent = 0
            case .failed:
                connection.isBroken = true
                return
            }
            counters.bytesOut.increment(by: UInt64(sent))
            if sent == total { return }
        }
        if sent < count {
            connection.pending.append(
                Array(UnsafeRawBufferPointer(start: output.base + sent, count: count - sent))[...])
            connection.pending.append(body[...])
        } else {
            // Not a copy: many may wait for the same answer.
            connection.pending.append(body[(sent - count)...])
        }
    }

    func sendPending(_ connection: Connection) {
        while !connection.pending.isEmpty, !connection.isBroken {
            let result = connection.pending.withFirst { bytes in
                System.call { clinux_send(connection.descriptor, bytes.baseAddress, bytes.count) }
            }
            switch result {
            case .done(let sent):
                counters.bytesOut.increment(by: UInt64(sent))
                connection.pending.didSend(sent)
            case .wouldBlock, .none:
                connection.stream?.didSend(unsentBytes: connection.pending.count)
                return
            case .failed:
                connection.isBroken = true
            }
        }
        if !connection.isBroken { connection.stream?.didSend(unsentBytes: 0) }
    }

    /// The end of a connection's turn: sends, and decides what it waits for now.
    func finishTurn(_ connection: Connection) {
        defer { noteHeld(connection) }
        guard connection.phase != .closed else { return output.clear() }
        flush(connection)
        if connection.isBroken { return close(connection) }
        guard connection.pending.isEmpty else {
            if !isWaiting(connection, .write) {
                connection.rateMark = deliveredBytes(connection)
                startWaiting(connection, .write)
            }
            return
        }
        switch connection.phase {
        case .reading: waitForRequest(connection)
        case .handling: wait(connection, .handler)
        case .streaming: startWaiting(connection, .none)
        case .closing: startLinger(connection)
        case .lingering: linger(connection)
        case .closed: break
        }
    }

    private func waitForRequest(_ connection: Connection) {
        if connection.parser.isInBody {
            guard !isWaiting(connection, .body) else { return }
            connection.bodyDeadline = now + nanoseconds(limits.bodyTimeoutSeconds)
            connection.rateMark = connection.receivedBytes
            startWaiting(connection, .body)
        } else if connection.requestCount > 0, connection.isSilent {
            if isDraining, !connection.isQueuedForTurn { return close(connection) }
            wait(connection, .idle)
        } else {
            // Its first request may be on its way: a callback is sent once.
            if isDraining, newcomersWaitUntil == nil, connection.isSilent, !connection.isQueuedForTurn {
                return close(connection)
            }
            wait(connection, .header)
        }
    }

    private func wait(_ connection: Connection, _ kind: DeadlineKind) {
        if !isWaiting(connection, kind) { startWaiting(connection, kind) }
    }

    /// Whether the deadline of that kind runs, and not for a request that is complete by now.
    private func isWaiting(_ connection: Connection, _ kind: DeadlineKind) -> Bool {
        !connection.deadlineIsOver && deadlines.kind(of: connection.slot) == kind
    }

    private func startWaiting(_ connection: Connection, _ kind: DeadlineKind) {
        connection.deadlineIsOver = false
        deadlines.set(connection.slot, kind, now: now)
    }

    /// Bytes that the peer's kernel has acknowledged so far.
    func deliveredBytes(_ connection: Connection) -> Int {
        let unacknowledged = Int(clinux_unacknowledged(connection.descriptor))
        return connection.queuedBytes - connection.pending.count - max(0, unacknowledged)
    }

    /// Closes only the sending side and waits for the peer to close too: closing with unread bytes in the kernel
    /// would reset the connection, and the peer could lose the answer (RFC 9112 section 9.6).
    private func startLinger(_ connection: Connection) {
        guard !connection.peerClosed, shutdown(connection.descriptor, Int32(SHUT_WR)) == 0 else {
            return close(connection)
        }
        connection.phase = .lingering
        connection.mayRead = true
        connection.input.release()
        startWaiting(connection, .linger)
        linger(connection)
    }

    private func linger(_ connection: Connection) {
        guard connection.mayRead else { return }
        for _ in 0..<4 {
            let result = System.call {
                clinux_receive(connection.descriptor, readBuffer.baseAddress, readBuffer.count)
            }
            switch result {
            case .done(let count) where count > 0:
                connection.lingerBytes += count
                if connection.lingerBytes > limits.lingerBytesMax { return close(connection) }
            case .wouldBlock:
                connection.mayRead = false
                return
            default:
                return close(connection)
            }
        }
        guard !connection.isQueuedForTurn else { return }
        connection.isQueuedForTurn = true
        unfinished.append(connection.slot)
    }
}
