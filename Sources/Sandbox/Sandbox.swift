import Base
import Dispatch
import Glibc
package import HTTPServer
import SessionModel

/// The stage environment of the Drive API in a box: its calls over HTTP, sessions that live through their statuses, and
/// signed callbacks.
package final class Sandbox: Sendable {
    private let options: SandboxOptions
    private let world: Locked<World>
    private let sender: CallbackSender
    private let timer: WakeTimer
    private let server: Locked<HTTPServer?> = Locked(nil)
    private let isRefused = Locked(false)
    private let delays = DispatchQueue(label: "chargefold.sandbox.delays")

    package init(_ options: SandboxOptions) {
        self.options = options
        var worldOptions = options.world
        worldOptions.sendsDetailRecords = options.detailRecordCallback != nil
        let clock = SandboxClock(
            speed: options.speed, stamps: options.stamps, monotonic: SystemClock.monotonicNanoseconds(),
            wall: SystemClock.now())
        world = Locked(World(worldOptions, clock: clock))
        sender = CallbackSender(options) { SystemClock.now().rfc3339 }
        timer = WakeTimer()
    }

    /// Listens.
    ///
    /// - Returns: the addresses.
    /// - Throws: `SystemError` when the address can't be listened on.
    package func start() throws -> [BoundAddress] {
        timer.onWake { [weak self] in self?.withWorld { _, _ in } }
        let configuration = ServerConfiguration(
            addresses: [.tcp(host: options.host, port: options.port)], workers: 1)
        let server = HTTPServer(configuration: configuration, handler: SandboxHandler(self, options))
        let addresses = try server.start()
        self.server.withLock { $0 = server }
        return addresses
    }

    /// Ends everything; callbacks that have not left are lost.
    package func stop() {
        timer.stop()
        server.withLock { server in
            server?.drain(deadlineSeconds: 2)
            server = nil
        }
        sender.close()
    }

    /// Brings the world up to now, lets `body` do something in it, and sends what follows.
    func withWorld<Result: Sendable, Failure: Error>(
        _ body: (inout World, Int64) throws(Failure) -> sending Result
    ) throws(Failure) -> Result {
        // Callbacks are queued under the lock, so that they leave in the order in which they were made.
        try world.withLock { world throws(Failure) -> Result in
            let time = world.clock.time(monotonic: SystemClock.monotonicNanoseconds())
            post(&world, by: time)
            defer { postDue(&world) }
            return try body(&world, time)
        }
    }

    /// Another speed, or a jump ahead, in which everything happens that was due.
    func changeClock(speed: Double?, advanceSeconds: Double) {
        withWorld { world, _ in
            world.clock.change(
                speed: speed, advancingMicroseconds: Int64(advanceSeconds * 1e6),
                monotonic: SystemClock.monotonicNanoseconds(),
                wall: SystemClock.now())
        }
    }

    /// Callbacks that wait for the receiver.
    var unfinishedCallbacks: Int { sender.unfinished }

    /// Runs `work` after so many milliseconds of the wall clock.
    func delay(milliseconds: Int, _ work: @escaping @Sendable () -> Void) {
        delays.asyncAfter(deadline: .now() + .milliseconds(milliseconds), execute: work)
    }

    private func postDue(_ world: inout World) {
        post(&world, by: world.clock.time(monotonic: SystemClock.monotonicNanoseconds()))
        timer.wake(
            at: world.nextDue.flatMap { world.clock.monotonic(at: $0) }, now: SystemClock.monotonicNanoseconds())
    }

    private func tellRefusal(of callback: Callback, _ status: Int?) {
        guard callback.secret != .wrong else { return }
        let isRefusal = status.map { !(200..<300).contains($0) } ?? true
        let isNew = isRefused.withLock { isRefused in
            defer { isRefused = isRefusal }
            return isRefusal && !isRefused
        }
        if isNew { options.onRefusal?(status) }
    }

    private func post(_ world: inout World, by time: Int64) {
        for callback in world.advance(to: time) where callback.kind == .detailRecord || options.callback != nil {
            let isTaken = sender.send(callback) { [weak self] callback, status in
                self?.tellRefusal(of: callback, status)
                self?.withWorld { world, time in world.noteAnswer(status, to: callback, at: time) }
            }
            if !isTaken { world.noteAnswer(nil, to: callback, at: time) }
        }
    }
}

/// The one timer of the sandbox.
// @unchecked: a dispatch source may be used from any thread; only its type does not say so.
final class WakeTimer: @unchecked Sendable {
    private let source: any DispatchSourceTimer
    private let setting = Locked<UInt64?>(nil)

    init() {
        source = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "chargefold.sandbox.timer"))
    }

    func onWake(_ work: @escaping @Sendable () -> Void) {
        source.setEventHandler { [weak self] in
            self?.setting.withLock { $0 = nil }
            work()
        }
        source.schedule(deadline: .distantFuture)
        source.activate()
    }

    /// Wakes at that time of the monotonic clock, once; nil: not until it is set again.
    func wake(at time: UInt64?, now: UInt64) {
        setting.withLock { setting in
            guard setting != time else { return }
            setting = time
            guard let time else { return source.schedule(deadline: .distantFuture) }
            let delay = time > now ? min(time - now, 3600 * 1_000_000_000) : 0
            source.schedule(deadline: .now() + .nanoseconds(Int(delay)), leeway: .microseconds(100))
        }
    }

    func stop() {
        source.cancel()
    }
}
