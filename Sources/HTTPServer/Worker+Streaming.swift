internal import Base

extension Worker {
    func openStreamOnWorker(_ core: StreamCore, _ head: consuming Response) {
        if core.serial == currentSerial, let connection = connections[core.slot], connection.serial == core.serial {
            openStream(connection, core, head)
        } else {
            deferred.append(.openStream(core, head))
        }
    }

    func openStream(_ connection: Connection, _ core: StreamCore, _ head: consuming Response) {
        counters.streams.increment()
        connection.serial = 0
        connection.onPeerClosed = nil
        connection.keepsAlive =
            connection.keepsAlive && !head.closesConnection && !isDraining
            && (connection.minorVersion > 0 || connection.isHead || head.forbidsBody)
        appendHead(connection, head, keepsAlive: connection.keepsAlive, bodyCount: nil)
        guard !connection.isHead, !head.forbidsBody else {
            connection.phase = connection.keepsAlive ? .reading : .closing
            core.close()
            return
        }
        connection.phase = .streaming
        connection.stream = core
        if !head.body.isEmpty { appendChunk(connection, [head.body], head.body.count) }
        if isDraining || core.endsAtHalfClose && connection.sawHalfClose { core.end(.finished) }
    }

    func postStream(_ core: StreamCore) {
        if isCurrentThread {
            deferred.append(.stream(core))
        } else {
            inbox.post(.stream(core))
        }
    }

    /// Brings what was written to a stream on its way.
    func deliver(_ core: StreamCore) {
        guard let connection = connections.indices.contains(core.slot) ? connections[core.slot] : nil,
            connection.stream === core
        else { return core.close() }
        let (pieces, byteCount, end) = core.take()
        guard end != .aborted else { return close(connection) }
        if byteCount > 0 { appendChunk(connection, pieces, byteCount) }
        if end == .finished {
            finishStream(connection)
            core.close()
            return turn(connection)
        }
        flush(connection)
        if !connection.isBroken { core.didSend(unsentBytes: connection.pending.count) }
        finishTurn(connection)
    }

    private func appendChunk(_ connection: Connection, _ pieces: [[UInt8]], _ byteCount: Int) {
        output.reserve(byteCount + 32)
        if connection.minorVersion > 0 {
            output.append(number: byteCount, radix: 16)
            output.append("\r\n")
        }
        for piece in pieces { output.append(piece) }
        if connection.minorVersion > 0 { output.append("\r\n") }
    }

    private func finishStream(_ connection: Connection) {
        if connection.minorVersion > 0 { output.append("0\r\n\r\n") }
        connection.stream = nil
        connection.phase = connection.keepsAlive && !isDraining ? .reading : .closing
    }
}
