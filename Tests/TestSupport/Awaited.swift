import Base
import Dispatch

/// What asynchronous work comes to, for tests that are not async: most of them talk to a server over sockets, and block for
/// its answers. Nothing of it needs a thread of Swift's own pool.
package func awaited<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
    let result = Locked<Result<Value, any Error>?>(nil)
    let isThere = DispatchSemaphore(value: 0)
    Task(executorPreference: BackgroundExecutor.shared) {
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
        result.withLock { $0 = outcome }
        isThere.signal()
    }
    isThere.wait()
    guard let outcome = result.withLock({ $0 }) else { fatalError("no result") }
    return try outcome.get()
}
