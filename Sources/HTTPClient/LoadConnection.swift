internal import Glibc

/// One of a load client's connections: connects, shakes hands, then carries one request after the other.
final class LoadConnection {
    enum Progress {
        case waiting
        /// Ready for the first request.
        case connected
        /// The response is complete, in the parser.
        case response
    }

    private enum State {
        case connecting, handshaking, ready
    }

    let descriptor: Int32
    private(set) var parser: ResponseParser
    private(set) var tag: UInt64?
    private(set) var startedAt: UInt64 = 0
    /// When to give up, in nanoseconds of the monotonic clock; `nil`: nothing is waited for.
    private(set) var deadline: UInt64?
    private let session: TLSSession?
    private var state: State
    private var output: [UInt8] = []
    private var sent = 0
    private var hasFailedToSend = false
    /// The stream ended without TLS's own end.
    private var wasCut = false

    init(
        _ endpoint: Endpoint, _ address: SocketAddress, _ context: TLSContext?, _ options: ClientOptions
    ) throws(HTTPClientError) {
        if case .tls(let host, _) = endpoint.transport, let context {
            session = try TLSSession(context: context, host: host)
        } else {
            session = nil
        }
        parser = ResponseParser(headBytesMax: options.headBytesMax, bodyBytesMax: options.bodyBytesMax)
        descriptor = try Socket.startConnecting(to: address)
        state = .connecting
        deadline = Deadline(inSeconds: options.connectSeconds).nanoseconds
    }

    deinit {
        // Takes it out of the epoll as well.
        close(descriptor)
    }

    /// Whether it is connected.
    var isReady: Bool { state == .ready }
    var keepsAlive: Bool { parser.keepsAlive && !hasFailedToSend }

    /// Takes a request and sends what can be sent at once.
    ///
    /// - Returns: `false` when the server does not take any more: it is for ``advance(_:)`` to see what it has left.
    func begin(tag: UInt64, _ request: [UInt8], seconds: Double) throws(HTTPClientError) -> Bool {
        self.tag = tag
        startedAt = Deadline.now
        deadline = startedAt &+ UInt64(seconds * 1e9)
        parser.reset()
        if let session {
            try withTypedErrors { try request.withUnsafeBytes { try session.write($0) } }
            session.takeOutput(into: &output)
        } else {
            output.append(contentsOf: request)
        }
        try flush()
        return !hasFailedToSend
    }

    /// Makes it ready for the next request.
    func finish() {
        tag = nil
        deadline = nil
    }

    /// Sends and receives what can be without waiting.
    ///
    /// - Parameter buffer: scratch space.
    func advance(_ buffer: UnsafeMutableRawBufferPointer) throws(HTTPClientError) -> Progress {
        if state == .connecting {
            guard try isConnected() else { return .waiting }
            state = session == nil ? .ready : .handshaking
            if session == nil {
                deadline = nil
                return .connected
            }
        }
        if state == .handshaking, let session {
            guard try handshake(session, buffer) else { return .waiting }
            state = .ready
            deadline = nil
            return .connected
        }
        if sent < output.count { try flush() }
        return try receive(buffer)
    }

    private func isConnected() throws(HTTPClientError) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&entry, 1, 0) > 0 else { return false }
        let code = Socket.connectionError(descriptor)
        guard code == 0 else { throw .system(.connectionFailed, "no connection", code) }
        return true
    }

    private func handshake(
        _ session: TLSSession, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(HTTPClientError) -> Bool {
        while true {
            let step = try session.handshake()
            session.takeOutput(into: &output)
            try flush()
            if case .done = step { return true }
            guard let count = try receiveRaw(buffer) else { return false }
            guard count > 0 else {
                throw HTTPClientError(.tlsFailed, "the server closed the connection within the TLS handshake")
            }
            session.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private func flush() throws(HTTPClientError) {
        while sent < output.count {
            let outcome = output.withUnsafeBytes {
                Socket.send(descriptor, UnsafeRawBufferPointer(rebasing: $0[sent...]))
            }
            switch outcome {
            case .done(let count): sent += count
            case .wouldBlock: return
            case .failed(let code):
                // The server may have answered before it closed: what it said is read first.
                if tag == nil { throw .system(.ioFailed, "sending failed", code) }
                hasFailedToSend = true
                sent = output.count
            }
        }
        output.removeAll(keepingCapacity: true)
        sent = 0
    }

    private func receive(_ buffer: UnsafeMutableRawBufferPointer) throws(HTTPClientError) -> Progress {
        while let count = try receivePlain(buffer) {
            guard tag != nil else {
                throw HTTPClientError(.closedBeforeResponse, "the server closed an idle connection")
            }
            guard count > 0 else {
                try parser.end(wasCut: wasCut)
                return .response
            }
            let taken = try parser.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            if parser.isComplete {
                guard taken == count else { throw malformed("something follows the answer that nobody asked for") }
                return .response
            }
        }
        return .waiting
    }

    /// - Returns: the number of bytes, 0 at the end, `nil` when there are none now.
    private func receivePlain(_ buffer: UnsafeMutableRawBufferPointer) throws(HTTPClientError) -> Int? {
        guard let session else { return try receiveRaw(buffer) }
        while true {
            switch try session.read(into: buffer) {
            case .done(let count): return count
            case .closed: return 0
            case .needsInput:
                guard let count = try receiveRaw(buffer) else { return nil }
                guard count > 0 else {
                    wasCut = true
                    return 0
                }
                session.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }

    private func receiveRaw(_ buffer: UnsafeMutableRawBufferPointer) throws(HTTPClientError) -> Int? {
        switch Socket.receive(descriptor, buffer) {
        case .done(let count): return count
        case .wouldBlock: return nil
        case .failed(let code): throw .system(.ioFailed, "receiving failed", code)
        }
    }
}

extension ResponseParser {
    /// Lends head and body.
    func withBytes(_ use: (_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) -> Void) {
        head.withUnsafeBytes { head in body.withUnsafeBytes { use(head, $0) } }
    }
}
