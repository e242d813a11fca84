internal import Base
import CLinux
import Glibc

extension Worker {
    /// Does all that can be done for a connection now: parse, read, answer, send, set its deadline.
    func turn(_ connection: Connection) {
        requestsLeft = limits.requestsPerTurnMax
        turnEnd = nil
        if connection.phase == .reading, connection.pending.isEmpty, !connection.input.isEmpty {
            parseInput(connection)
        }
        var budget = limits.readBytesPerTurnMax
        while connection.phase == .reading, connection.mayRead, connection.pending.isEmpty, !connection.isBroken,
            !connection.isQueuedForTurn
        {
            guard budget > 0, requestsLeft > 0, !isTurnOver() else {
                queueForTurn(connection)
                break
            }
            budget -= connection.input.isEmpty ? readShared(connection) : readOwn(connection)
        }
        finishTurn(connection)
        boundHeld(connection)
    }

    /// Whether what the connection has sent at once takes too long. The clock is read for pipelines only.
    private func isTurnOver() -> Bool {
        guard requestsLeft < limits.requestsPerTurnMax else { return false }
        let time = SystemClock.monotonicNanoseconds()
        guard let turnEnd else {
            turnEnd = time + nanoseconds(limits.turnSecondsMax)
            return false
        }
        return time >= turnEnd
    }

    private func queueForTurn(_ connection: Connection) {
        guard !connection.isQueuedForTurn else { return }
        connection.isQueuedForTurn = true
        unfinished.append(connection.slot)
    }

    /// Reads into the worker's buffer; only what is left over gets memory of its own.
    private func readShared(_ connection: Connection) -> Int {
        let count = receive(connection, readBuffer)
        guard count > 0, let base = readBuffer.baseAddress else { return 0 }
        let consumed = parse(connection, UnsafeMutableRawBufferPointer(start: base, count: count))
        guard consumed < count,
            connection.phase == .reading || connection.phase == .handling || connection.phase == .streaming
        else { return count }
        let rest = UnsafeRawBufferPointer(start: base + consumed, count: count - consumed)
        if connection.phase == .reading, let gap = connection.parser.closeGap() {
            connection.input.append(UnsafeRawBufferPointer(rebasing: rest[..<gap.lowerBound]))
            connection.input.append(UnsafeRawBufferPointer(rebasing: rest[gap.upperBound...]))
        } else {
            connection.input.append(rest)
        }
        return count
    }

    /// Reads behind the bytes that the connection already has.
    private func readOwn(_ connection: Connection) -> Int {
        let have = connection.input.count
        if let needed = connection.parser.neededCount {
            // The announced length is not believed before the bytes come.
            connection.input.reserve(min(needed, have * 2 + 16_384))
        } else {
            connection.input.reserve(have + max(4_096, min(have, Self.readBufferBytes)))
        }
        let count = receive(connection, connection.input.tail)
        guard count > 0 else { return 0 }
        connection.input.didFill(count)
        parseInput(connection)
        return count
    }

    private func parseInput(_ connection: Connection) {
        let consumed = parse(connection, connection.input.bytes)
        guard connection.phase != .closing else { return connection.input.release() }
        connection.input.remove(0..<consumed)
        if connection.phase == .reading, let gap = connection.parser.closeGap() { connection.input.remove(gap) }
    }

    private func receive(_ connection: Connection, _ target: UnsafeMutableRawBufferPointer) -> Int {
        switch System.call({ clinux_receive(connection.descriptor, target.baseAddress, target.count) }) {
        case .done(0):
            connection.mayRead = false
            connection.peerClosed = true
            if connection.parser.isAtStart {
                connection.phase = .closing
            } else {
                connection.keepsAlive = false
                fail(connection, .incompleteMessage)
            }
            return 0
        case .done(let count):
            // A short read means that the kernel has no more; only an end of the stream would still be there.
            if count < target.count, !connection.sawHalfClose { connection.mayRead = false }
            connection.receivedBytes += count
            counters.bytesIn.increment(by: UInt64(count))
            return count
        case .wouldBlock:
            connection.mayRead = false
            return 0
        case .failed:
            connection.isBroken = true
            return 0
        }
    }

    /// Takes requests out of the bytes until there is none, or one has to wait for its answer.
    /// - Returns: the number of bytes that complete messages took.
    private func parse(_ connection: Connection, _ bytes: UnsafeMutableRawBufferPointer) -> Int {
        var consumed = 0
        while connection.phase == .reading, consumed < bytes.count {
            let message = UnsafeMutableRawBufferPointer(rebasing: bytes[consumed...])
            switch connection.parser.advance(message) {
            case .needMore:
                return consumed
            case .head:
                admit(connection, message)
            case .complete:
                let taken = connection.parser.index
                complete(connection, message)
                connection.parser.reset()
                consumed += taken
                requestsLeft -= 1
                if output.count > Worker.readBufferBytes { flush(connection) }
                // Whoever does not read the answers gets no more of them.
                if !connection.pending.isEmpty || connection.isBroken { return consumed }
                if consumed < bytes.count, requestsLeft <= 0 || isTurnOver() {
                    queueForTurn(connection)
                    return consumed
                }
            case .failed(let code):
                if let refusal = connection.refusal.take(), code == .bodyTooLarge {
                    connection.keepsAlive = false
                    answer(connection, refusal)
                } else {
                    fail(connection, code)
                }
            }
        }
        return consumed
    }

    private func view(_ connection: Connection, _ message: UnsafeMutableRawBufferPointer) -> RequestHead? {
        guard let base = message.baseAddress else { return nil }
        return RequestHead(
            base: UnsafeRawPointer(base), lines: connection.parser.lines, fields: connection.parser.fields)
    }

    private func admit(_ connection: Connection, _ message: UnsafeMutableRawBufferPointer) {
        let lines = connection.parser.lines
        connection.isHead = lines.isHead
        connection.minorVersion = lines.minorVersion
        connection.keepsAlive = lines.keepsAlive
        guard let head = view(connection, message) else { return }
        switch handler.admit(head) {
        case .accept(let bodyBytesMax, let displacesOthers, let route):
            connection.mayDisplace = displacesOthers
            connection.route = route
            connection.parser.bodyBytesMax = bodyBytesMax
            let mayBeWaiting = message.count == connection.parser.headEnd
            switch lines.framing {
            case .length(let length) where length > bodyBytesMax || length == 0: break
            case .none: break
            default:
                if lines.expectsContinue, mayBeWaiting { output.append("HTTP/1.1 100 Continue\r\n\r\n") }
            }
        case .refuse(let response):
            connection.mayDisplace = false
            let canSkip =
                switch lines.framing {
                case .none: true
                case .length(let length): length == 0 || length <= limits.refusedBodyBytesMax && !lines.expectsContinue
                case .chunked: !lines.expectsContinue
                }
            if canSkip {
                connection.refusal = response
                connection.parser.bodyBytesMax = limits.refusedBodyBytesMax
            } else {
                counters.requests.increment()
                connection.keepsAlive = false
                answer(connection, response)
            }
        }
    }

    private func complete(_ connection: Connection, _ message: UnsafeMutableRawBufferPointer) {
        connection.requestCount += 1
        connection.deadlineIsOver = true
        counters.requests.increment()
        if let refusal = connection.refusal.take() { return answer(connection, refusal) }
        guard let head = view(connection, message) else { return }
        nextSerial += 1
        connection.serial = nextSerial
        connection.phase = .handling
        let body = UnsafeRawBufferPointer(rebasing: message[connection.parser.bodyRange])
        currentSerial = nextSerial
        handler.handle(
            Request(head: head, body: body),
            Exchange(worker: self, slot: connection.slot, serial: nextSerial, route: connection.route))
        currentSerial = 0
    }

    /// Answers a request that never reached the handler, and closes.
    func fail(_ connection: Connection, _ code: HTTPError.Code) {
        let error = HTTPError(code)
        counters.errors[code.rawValue].increment()
        var response = handler.protocolError(error)
        if code == .connectNotSupported { response.add("Allow", "GET, HEAD, POST, DELETE, OPTIONS") }
        // The parser is through with a request that a handler has.
        if code != .handlerTimeout {
            connection.isHead = connection.parser.lines.isHead && code != .tooManyConnections
        }
        connection.keepsAlive = false
        answer(connection, response)
    }
}
