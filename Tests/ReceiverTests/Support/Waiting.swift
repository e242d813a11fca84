import Dispatch
import Synchronization

/// A value that comes from another thread.
final class Waiting<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    func give(_ value: Value) {
        self.value.withLock { $0 = value }
        isThere.signal()
    }

    /// nil after half a minute, so that a failing test does not hang.
    func wait() -> Value? {
        guard isThere.wait(timeout: .now() + .seconds(30)) == .success else { return nil }
        return value.withLock { $0 }
    }
}
