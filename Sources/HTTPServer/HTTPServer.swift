import Base
import CLinux
import Dispatch
import Glibc

/// An HTTP/1.1 server on POSIX sockets: one event loop for each worker, each a block on a Dispatch queue of its own.
package final class HTTPServer: Sendable {
    private struct State {
        var workers: [Worker] = []
        var sharedListeners: [Int32] = []
        var unixPaths: [String] = []
        var isStarted = false
        var last: ServerStatistics?
    }

    private let configuration: ServerConfiguration
    private let handler: any RequestHandler
    private let state = Locked(State())
    private let group = DispatchGroup()

    private let accept: AcceptCall

    package init(configuration: ServerConfiguration, handler: any RequestHandler) {
        self.configuration = configuration
        self.handler = handler
        accept = systemAccept
    }

    init(configuration: ServerConfiguration, handler: any RequestHandler, accept: @escaping AcceptCall) {
        self.configuration = configuration
        self.handler = handler
        self.accept = accept
    }

    /// Binds all addresses and starts the workers.
    /// - Returns: the addresses in the order of the configuration; a host name may stand for several.
    /// - Throws: `SystemError` when an address cannot be listened on; nothing is left open then.
    package func start() throws(SystemError) -> [BoundAddress] {
        var limits = configuration.limits
        let workerCount = configuration.workerCount
        limits.connectionsMax = configuration.connectionsMax

        var binder = Binder(backlog: Int32(clamping: limits.backlog))
        do throws(SystemError) {
            for address in configuration.addresses {
                try binder.bind(address, workers: workerCount, all: configuration.addresses)
            }
        } catch {
            binder.closeAll()
            throw error
        }
        let shared = SharedState(connectionsMax: limits.connectionsMax)
        var workers: [Worker] = []
        for number in 0..<workerCount {
            let listeners = binder.takeListeners(worker: number)
            do throws(SystemError) {
                workers.append(
                    try Worker(
                        listeners: listeners, limits: limits, workerCount: workerCount, handler: handler,
                        shared: shared, accept: accept))
            } catch {
                for worker in workers { worker.closeDescriptors() }
                binder.closeAll()
                throw error
            }
        }
        state.withLock { state in
            precondition(!state.isStarted, "a server is started once")
            state.isStarted = true
            state.workers = workers
            state.sharedListeners = binder.sharedListeners
            state.unixPaths = binder.unixPaths
        }
        for (number, worker) in workers.enumerated() {
            // Without a quality of service. Dispatch makes a nice value below zero of a high one where it may, and then
            // each packet has the sender's thread make way for a worker that finds one request.
            DispatchQueue(label: "chargefold.http.\(number)").async(group: group) { worker.run() }
        }
        return binder.bound
    }

    /// Stops accepting, lets requests in flight finish, ends streams and idle connections. Blocks until all workers have
    /// ended and every descriptor is closed. May be called more than once, and with a shorter deadline meanwhile.
    /// - Parameter deadlineSeconds: when what is left is closed all the same.
    /// - Returns: whether everything had ended before the deadline.
    @discardableResult
    package func drain(deadlineSeconds: Double) -> Bool {
        let deadline = SystemClock.monotonicNanoseconds() + nanoseconds(deadlineSeconds)
        for worker in state.withLock({ $0.workers }) { worker.inbox.post(.drain(deadline)) }
        group.wait()
        let isInTime = SystemClock.monotonicNanoseconds() < deadline
        state.withLock { state in
            state.last = ServerStatistics(state.workers.map(\.counters))
            for descriptor in state.sharedListeners { System.close(descriptor) }
            for path in state.unixPaths { unlink(path) }
            state.sharedListeners = []
            state.unixPaths = []
            state.workers = []
        }
        return isInTime
    }

    /// Closes everything now.
    package func stop() {
        drain(deadlineSeconds: 0)
    }

    package var statistics: ServerStatistics {
        state.withLock { state in state.last ?? ServerStatistics(state.workers.map(\.counters)) }
    }
}
