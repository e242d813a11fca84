internal import Dispatch
internal import Logging
internal import Synchronization

/// Notices a disk that does not answer: no call fails then, it only does not return.
///
/// `@unchecked Sendable`: the timer is touched by `init` and `deinit` only, the depth on the log's queue.
final class StallWatch: @unchecked Sendable {
    private let nanosecondsMax: UInt64
    private let logger: Logger
    /// When the write under way has begun, on the monotonic clock; 0 for none.
    private let began = Atomic<UInt64>(0)
    private let isReported = Atomic(false)
    private let timer: any DispatchSourceTimer
    private var depth = 0

    /// - Parameter milliseconds: how long a write may take before it counts as stalled.
    init(milliseconds: Int, logger: Logger) {
        nanosecondsMax = UInt64(milliseconds) * 1_000_000
        self.logger = logger
        timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "chargefold.log.stall", qos: .utility))
        let interval = DispatchTimeInterval.milliseconds(max(100, milliseconds))
        timer.schedule(deadline: .now() + interval, repeating: interval, leeway: .milliseconds(100))
        timer.setEventHandler { [weak self] in _ = self?.seconds }
        timer.activate()
    }

    deinit { timer.cancel() }

    /// Around whatever waits for the disk, on the log's queue; what is within it belongs to it.
    func during<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        begin()
        defer { end() }
        return try body()
    }

    private func begin() {
        depth += 1
        if depth == 1 { began.store(DispatchTime.now().uptimeNanoseconds, ordering: .relaxed) }
    }

    private func end() {
        depth -= 1
        guard depth == 0 else { return }
        let seconds = seconds
        began.store(0, ordering: .relaxed)
        guard isReported.exchange(false, ordering: .relaxed) else { return }
        logger.notice("the disk answers again", metadata: ["seconds": "\(seconds ?? 0)"])
    }

    /// For how long the disk has not answered; nil while it does. Says so in the log, once.
    var seconds: Int? {
        let start = began.load(ordering: .relaxed)
        let now = DispatchTime.now().uptimeNanoseconds
        guard start > 0, now > start, now - start >= nanosecondsMax else { return nil }
        let seconds = Int((now - start) / 1_000_000_000)
        if !isReported.exchange(true, ordering: .relaxed) {
            logger.error("the disk does not answer; callbacks wait", metadata: ["seconds": "\(seconds)"])
        }
        return seconds
    }
}
