internal import Glibc

/// A connected stream, plain or TLS, that waits in `poll` with a deadline.
final class ByteStream {
    private let descriptor: Int32
    private let session: TLSSession?
    private var ciphertext: [UInt8] = []
    private let buffer: UnsafeMutableRawBufferPointer
    /// The stream ended without TLS's own end: anybody on the way may have cut it.
    private(set) var wasCut = false

    /// Connects to the first address that accepts.
    init(_ endpoint: Endpoint, context: TLSContext?, deadline: Deadline) throws(HTTPClientError) {
        let session: TLSSession? =
            if case .tls(let host, _) = endpoint.transport, let context {
                try TLSSession(context: context, host: host)
            } else { nil }
        descriptor = try Self.connect(endpoint, deadline: deadline)
        self.session = session
        buffer = .allocate(byteCount: session == nil ? 0 : 16_384, alignment: 16)
        if let session { try handshake(session, deadline) }
    }

    deinit {
        close(descriptor)
        buffer.deallocate()
    }

    private static func connect(_ endpoint: Endpoint, deadline: Deadline) throws(HTTPClientError) -> Int32 {
        var failure = HTTPClientError(.unresolvable, "\(endpoint) has no address")
        let addresses = try SocketAddress.resolve(endpoint)
        for (index, address) in addresses.enumerated() {
            do throws(HTTPClientError) {
                let descriptor = try Socket.startConnecting(to: address)
                // One that is silent leaves the others their share of the time.
                let share = deadline.share(of: addresses.count - index)
                guard Socket.wait(descriptor, forWriting: true, until: share) else {
                    close(descriptor)
                    throw HTTPClientError(.connectTimedOut, "no connection to \(endpoint) in time")
                }
                let code = Socket.connectionError(descriptor)
                if code == 0 { return descriptor }
                close(descriptor)
                failure = .system(.connectionFailed, "no connection to \(endpoint)", code)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Whether the server has closed, or said something unasked: either way nothing more can be sent.
    var isStale: Bool {
        // What came behind a complete answer is no part of the next one.
        if session?.hasPending ?? false { return true }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) != 0
    }

    func send(_ bytes: UnsafeRawBufferPointer, deadline: Deadline) throws(HTTPClientError) {
        guard let session else { return try sendRaw(bytes, deadline) }
        try session.write(bytes)
        try flush(session, deadline)
    }

    /// - Returns: the number of bytes, 0 at the end of the stream.
    func receive(into output: UnsafeMutableRawBufferPointer, deadline: Deadline) throws(HTTPClientError) -> Int {
        guard let session else { return try receiveRaw(into: output, deadline) }
        while true {
            switch try session.read(into: output) {
            case .done(let count): return count
            case .closed: return 0
            case .needsInput:
                guard try feed(session, deadline) else {
                    wasCut = true
                    return 0
                }
            }
        }
    }

    private func handshake(_ session: TLSSession, _ deadline: Deadline) throws(HTTPClientError) {
        while true {
            let step = try session.handshake()
            try flush(session, deadline)
            if case .done = step { return }
            guard try feed(session, deadline) else {
                throw HTTPClientError(.tlsFailed, "the server closed the connection within the TLS handshake")
            }
        }
    }

    private func flush(_ session: TLSSession, _ deadline: Deadline) throws(HTTPClientError) {
        session.takeOutput(into: &ciphertext)
        defer { ciphertext.removeAll(keepingCapacity: true) }
        let bytes = ciphertext
        try withTypedErrors { try bytes.withUnsafeBytes { try self.sendRaw($0, deadline) } }
    }

    private func feed(_ session: TLSSession, _ deadline: Deadline) throws(HTTPClientError) -> Bool {
        let count = try receiveRaw(into: buffer, deadline)
        session.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        return count > 0
    }

    private func sendRaw(_ bytes: UnsafeRawBufferPointer, _ deadline: Deadline) throws(HTTPClientError) {
        var rest = bytes
        while !rest.isEmpty {
            switch Socket.send(descriptor, rest) {
            case .done(let count): rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            case .wouldBlock:
                guard Socket.wait(descriptor, forWriting: true, until: deadline) else {
                    throw HTTPClientError(.timedOut, "the server did not take the request in time")
                }
            case .failed(let code): throw .system(.ioFailed, "sending failed", code)
            }
        }
    }

    private func receiveRaw(
        into output: UnsafeMutableRawBufferPointer, _ deadline: Deadline
    ) throws(HTTPClientError) -> Int {
        while true {
            switch Socket.receive(descriptor, output) {
            case .done(let count): return count
            case .wouldBlock:
                guard Socket.wait(descriptor, forWriting: false, until: deadline) else {
                    throw HTTPClientError(.timedOut, "the server did not answer in time")
                }
            case .failed(let code): throw .system(.ioFailed, "receiving failed", code)
            }
        }
    }
}

/// For closures through `rethrows`, which loses the type of the error.
func withTypedErrors<Result>(_ body: () throws -> Result) throws(HTTPClientError) -> Result {
    do {
        return try body()
    } catch let error as HTTPClientError {
        throw error
    } catch {
        throw HTTPClientError(.ioFailed, String(describing: error))
    }
}
