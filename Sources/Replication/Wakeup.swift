internal import Base

/// Something to do, told by many to one who waits for it. Told often while nobody waits, it is told once.
final class Wakeup: Sendable {
    private struct State {
        var isRaised = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Locked(State())

    /// From any thread.
    func raise() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            state.isRaised = state.waiter == nil
            return state.waiter
        }
        waiter?.resume()
    }

    /// Until it is raised, or was since the last wait, or the task is cancelled. One at a time.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    guard !state.isRaised else { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady {
                    state.withLock { $0.isRaised = false }
                    continuation.resume()
                }
            }
        } onCancel: {
            raise()
        }
    }
}

/// How long to wait before the next try: longer from time to time, never long, and not all receivers at once.
struct Pause {
    private static let millisecondsMin = 50
    private static let millisecondsMax = 1_000
    private var milliseconds = millisecondsMin

    mutating func sleep() async {
        let now = Int.random(in: milliseconds / 2...milliseconds)
        milliseconds = min(milliseconds * 2, Self.millisecondsMax)
        try? await Task.sleep(for: .milliseconds(now))
    }

    mutating func reset() { milliseconds = Self.millisecondsMin }
}
