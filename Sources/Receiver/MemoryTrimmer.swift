import Base
import CLinux

/// Gives memory back to the kernel that a flood has left behind: the C library keeps what was freed between what is in use.
final class MemoryTrimmer: Sendable {
    private static let seconds = 30
    /// Less is not worth walking through the heap.
    private static let freeBytesMin = 64 << 20

    private let repeated = RepeatedTask()
    /// What was given back counts as free all the same.
    private let known = Locked(0)

    func start() {
        repeated.start(after: .seconds(Self.seconds), every: .seconds(Self.seconds)) { [weak self] in self?.trim() }
    }

    func cancel() { repeated.cancel() }

    private func trim() {
        known.withLock { known in
            let free = clinux_free_heap_bytes()
            known = min(known, free)
            guard free - known >= Self.freeBytesMin else { return }
            clinux_trim_heap()
            known = clinux_free_heap_bytes()
        }
    }
}
