import Base
import Dispatch
import SessionIndex
import SessionStore

/// An answer of the store that a background queue waits for.
final class Answer<Value: Sendable>: Sendable {
    private let result = Locked<Result<Value, StoreError>?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    func give(_ result: Result<Value, StoreError>) {
        self.result.withLock { $0 = result }
        isThere.signal()
    }

    func wait() throws(StoreError) -> Value {
        isThere.wait()
        guard let result = result.withLock({ $0 }) else { throw StoreError(.unavailable, "no answer") }
        return try result.get()
    }
}
