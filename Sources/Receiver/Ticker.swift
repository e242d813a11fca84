import Dispatch

/// Does something again and again on a queue, until it is cancelled.
///
/// `@unchecked Sendable`: the timer is made by `init`, and cancelling it is allowed anywhere.
final class Ticker: @unchecked Sendable {
    private let timer: any DispatchSourceTimer

    init(on queue: DispatchQueue, after seconds: Int = 0, every interval: Int, _ body: @escaping @Sendable () -> Void) {
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(
            deadline: .now() + .seconds(seconds), repeating: .seconds(interval), leeway: .milliseconds(200))
        timer.setEventHandler(handler: body)
        timer.activate()
    }

    deinit { timer.cancel() }

    func cancel() { timer.cancel() }
}
