internal import CLinux
internal import Glibc

/// What a load client shall do next.
package enum LoadNext: Sendable {
    /// The request has been appended; the tag comes back with its outcome.
    case request(tag: UInt64)
    /// Nothing yet: ask again after this long.
    case wait(nanoseconds: UInt64)
    /// No more. Requests in flight are still waited for.
    case end
}

/// A response, valid during the call only.
package struct LoadResponse {
    package let tag: UInt64
    package let status: Int
    package let body: UnsafeRawBufferPointer
    /// From the start of sending to the last byte of the response.
    package let latencyNanoseconds: UInt64
    let head: UnsafeRawBufferPointer

    /// The first field of that name (in lower case).
    package func field(_ name: StaticString) -> String? {
        ResponseParser.firstField(name, in: head)
    }
}

/// Where a load client gets its requests, and where the outcomes go. All calls come from the thread that runs it.
package protocol LoadDelegate: AnyObject {
    /// Appends the next request (see ``RequestTemplate``) to `bytes`, which is empty.
    func next(into bytes: inout [UInt8]) -> LoadNext
    func received(_ response: LoadResponse)
    /// No response. Unless nothing was sent the server may have done its work all the same.
    func failed(tag: UInt64, _ error: HTTPClientError)
}

/// Sends requests over many connections at once from one thread: one `epoll` loop, each connection with one request
/// in flight. Two threads need two clients.
package final class LoadClient<Delegate: LoadDelegate> {
    private let endpoint: Endpoint
    private let options: ClientOptions
    private let delegate: Delegate
    private let connectionsMax: Int
    /// How long a server that can't be reached is tried again before `run` gives up.
    private let reconnectSeconds: Double

    private let epoll: Int32
    private let addresses: [SocketAddress]
    private let context: TLSContext?
    private var addressIndex = 0
    private var connections: [LoadConnection?] = []
    private var idle: [Int] = []
    private var inFlightCount = 0
    private var isEnded = false
    private var askAgainAt: UInt64 = 0
    /// Until a connection has been made (again) they are tried one at a time.
    private var isReachable = false
    private var connectingCount = 0
    private var unreachableSince: UInt64?
    private var lastFailure = HTTPClientError(.connectionFailed, "no connection")
    private var nextSweep: UInt64 = 0
    private var request: [UInt8] = []
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    /// - Parameters:
    ///   - connections: requests in flight at most.
    ///   - reconnectSeconds: how long to go on trying when the server can't be reached; 0 gives up at once.
    /// - Throws: when the endpoint has no address, or TLS can't be set up.
    package init(
        _ endpoint: Endpoint, connections: Int, delegate: Delegate, options: ClientOptions = ClientOptions(),
        reconnectSeconds: Double = 0
    ) throws(HTTPClientError) {
        self.endpoint = endpoint
        self.options = options
        self.delegate = delegate
        connectionsMax = max(1, connections)
        self.reconnectSeconds = reconnectSeconds
        addresses = try SocketAddress.resolve(endpoint)
        if case .tls = endpoint.transport {
            if let given = options.tls { context = given } else { context = try TLSContext() }
        } else {
            context = nil
        }
        epoll = clinux_epoll_create()
        guard epoll >= 0 else { throw .system(.ioFailed, "no epoll") }
    }

    deinit {
        close(epoll)
        buffer.deallocate()
    }

    /// Works until the delegate has no more requests and all outcomes are in.
    ///
    /// - Throws: when the server can't be reached for longer than `reconnectSeconds`; requests in flight have been
    ///   reported as failed.
    package func run() throws(HTTPClientError) {
        connections = Array(repeating: nil, count: connectionsMax)
        idle = Array((0..<connectionsMax).reversed())
        var events = [clinux_epoll_event](repeating: clinux_epoll_event(), count: 256)
        defer { connections.removeAll() }
        while true {
            do throws(HTTPClientError) {
                try fill()
            } catch {
                for tag in connections.compactMap({ $0?.tag }) { delegate.failed(tag: tag, error) }
                throw error
            }
            if isEnded, inFlightCount == 0 { return }
            let count = clinux_epoll_wait(epoll, &events, Int32(events.count), waitMilliseconds)
            for index in 0..<max(0, Int(count)) { handle(events[index].data) }
            sweep()
        }
    }

    // MARK: Requests

    /// Gives requests to idle connections, as long as there are both.
    private func fill() throws(HTTPClientError) {
        if let since = unreachableSince, addressIndex == 0, connectingCount == 0,
            Deadline.now - since >= UInt64(reconnectSeconds * 1e9)
        {
            throw lastFailure
        }
        while !isEnded, let slot = idle.last {
            if askAgainAt > 0 {
                guard Deadline.now >= askAgainAt else { return }
                askAgainAt = 0
            }
            // Nothing is pulled for a connection that isn't there: it would be lost.
            if connections[slot] == nil {
                guard isReachable || connectingCount == 0 else { return }
                connect(slot)
                continue
            }
            guard start(slot) else { return }
        }
    }

    /// Pulls a request for a connected slot, the last of the idle ones.
    private func start(_ slot: Int) -> Bool {
        guard let connection = connections[slot] else { return false }
        request.removeAll(keepingCapacity: true)
        switch delegate.next(into: &request) {
        case .end:
            isEnded = true
            return false
        case .wait(let nanoseconds):
            askAgainAt = Deadline.now + max(1, nanoseconds)
            return false
        case .request(let tag):
            idle.removeLast()
            inFlightCount += 1
            do throws(HTTPClientError) {
                // A server that is gone may have left an answer: a failure to send is for `advance` to judge.
                let isSent = try connection.begin(tag: tag, request, seconds: options.responseSeconds)
                if !isSent { advance(slot, connection) }
            } catch {
                fail(slot, connection, error)
            }
            return true
        }
    }

    /// Begins to connect a slot, the last of the idle ones.
    private func connect(_ slot: Int) {
        do throws(HTTPClientError) {
            let connection = try LoadConnection(endpoint, addresses[addressIndex], context, options)
            let mask = UInt32(CLINUX_EPOLLIN | CLINUX_EPOLLOUT | CLINUX_EPOLLRDHUP) | CLINUX_EPOLLET
            guard clinux_epoll_add(epoll, connection.descriptor, mask, UInt64(slot)) == 0 else {
                throw .system(.ioFailed, "no epoll")
            }
            connections[slot] = connection
            idle.removeLast()
            connectingCount += 1
        } catch {
            unreachable(error)
        }
    }

    private func unreachable(_ error: HTTPClientError) {
        lastFailure = HTTPClientError(error.code, "\(endpoint): \(error.detail)")
        let now = Deadline.now
        if unreachableSince == nil { unreachableSince = now }
        isReachable = false
        guard connectingCount == 0 else { return }
        // Other addresses at once, the first one again after a pause.
        addressIndex = (addressIndex + 1) % addresses.count
        askAgainAt = addressIndex == 0 ? now + 50_000_000 : 0
    }

    // MARK: Events

    private func handle(_ data: UInt64) {
        let slot = Int(data)
        guard slot < connections.count, let connection = connections[slot] else { return }
        advance(slot, connection)
    }

    /// Lets a connection do what it can, and reports what came of it.
    private func advance(_ slot: Int, _ connection: LoadConnection) {
        do throws(HTTPClientError) {
            switch try connection.advance(buffer) {
            case .waiting: break
            case .connected:
                unreachableSince = nil
                isReachable = true
                connectingCount -= 1
                idle.append(slot)
            case .response:
                report(connection)
                if connection.keepsAlive {
                    connection.finish()
                } else {
                    connections[slot] = nil
                }
                inFlightCount -= 1
                idle.append(slot)
            }
        } catch {
            fail(slot, connection, error)
        }
    }

    private func report(_ connection: LoadConnection) {
        guard let tag = connection.tag else { return }
        let latency = Deadline.now - connection.startedAt
        connection.parser.withBytes { head, body in
            delegate.received(
                LoadResponse(
                    tag: tag, status: connection.parser.status, body: body, latencyNanoseconds: latency, head: head))
        }
    }

    private func fail(_ slot: Int, _ connection: LoadConnection, _ error: HTTPClientError) {
        connections[slot] = nil
        if let tag = connection.tag {
            inFlightCount -= 1
            delegate.failed(tag: tag, error)
        } else if connection.isReady {
            // An idle connection that the server closed: a new one when it is needed.
            return
        } else {
            connectingCount -= 1
            unreachable(error)
        }
        idle.append(slot)
    }

    // MARK: Time

    private var waitMilliseconds: Int32 {
        guard askAgainAt > 0 else { return 100 }
        let now = Deadline.now
        return askAgainAt <= now ? 0 : Int32(clamping: min(100, (askAgainAt - now + 999_999) / 1_000_000))
    }

    /// Ends what has waited for too long. Deadlines are seconds: looking ten times a second is enough.
    private func sweep() {
        let now = Deadline.now
        guard now >= nextSweep else { return }
        nextSweep = now + 100_000_000
        for (slot, connection) in connections.enumerated() {
            guard let connection, let deadline = connection.deadline, now >= deadline else { continue }
            fail(slot, connection, HTTPClientError(.timedOut, "the server did not answer in time"))
        }
    }
}
