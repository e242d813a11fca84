import CLinux
import Dispatch

/// Gives memory back to the kernel that a flood has left behind: the C library keeps what was freed between what is in use.
///
/// `@unchecked Sendable`: the timer is made by `init`, and cancelling it is allowed anywhere.
final class MemoryTrimmer: @unchecked Sendable {
    private let timer: any DispatchSourceTimer
    private static let seconds = 30
    /// Less is not worth walking through the heap.
    private static let freeBytesMin = 64 << 20

    init() {
        timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "chargefold.trim", qos: .utility))
        timer.schedule(
            deadline: .now() + .seconds(Self.seconds), repeating: .seconds(Self.seconds), leeway: .seconds(5))
        // What was given back counts as free all the same.
        var known = 0
        timer.setEventHandler {
            let free = clinux_free_heap_bytes()
            known = min(known, free)
            guard free - known >= Self.freeBytesMin else { return }
            clinux_trim_heap()
            known = clinux_free_heap_bytes()
        }
        timer.activate()
    }

    func cancel() { timer.cancel() }
}
