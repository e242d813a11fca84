import Base
import CLinux
import Glibc

/// Work for a worker from another thread.
enum InboxItem: Sendable {
    case respond(Int, UInt64, Response)
    case openStream(StreamCore, Response)
    case stream(StreamCore)
    /// Stop accepting and end when nothing is left, at that monotonic time at the latest.
    case drain(UInt64)
}

/// The way into a worker. The eventfd is written only when the worker sleeps and nobody has woken it yet.
final class Inbox: Sendable {
    private struct State {
        var items: [InboxItem] = []
        var isAsleep = false
        var isClosed = false
    }

    private let state = Locked(State())
    /// Owned by the worker, which closes the inbox before the descriptor.
    let wakeDescriptor: Int32

    init(wakeDescriptor: Int32) {
        self.wakeDescriptor = wakeDescriptor
    }

    /// - Returns: false when the worker has ended.
    @discardableResult
    func post(_ item: InboxItem) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.items.append(item)
            wake(&state)
            return true
        }
    }

    /// The array given is empty afterwards.
    func post(contentsOf items: inout [InboxItem]) {
        state.withLock { state in
            guard !state.isClosed else { return }
            if state.items.isEmpty {
                swap(&state.items, &items)
            } else {
                state.items.append(contentsOf: items)
            }
            wake(&state)
        }
        items.removeAll(keepingCapacity: true)
    }

    /// Under the lock, so that the descriptor cannot be closed in between.
    private func wake(_ state: inout State) {
        guard state.isAsleep else { return }
        state.isAsleep = false
        var one: UInt64 = 1
        _ = System.call { write(wakeDescriptor, &one, 8) }
    }

    /// Whether the worker may sleep; from then on a post wakes it.
    func mayFallAsleep() -> Bool {
        state.withLock { state in
            guard state.items.isEmpty else { return false }
            state.isAsleep = true
            return true
        }
    }

    /// Runs `body` while the worker sleeps and cannot wake up.
    /// - Returns: false where it does not sleep, or has something to do; otherwise what `body` returns.
    func whileAsleep(_ body: () -> Bool) -> Bool {
        state.withLock { state in
            guard state.isAsleep, state.items.isEmpty, !state.isClosed else { return false }
            return body()
        }
    }

    /// Exchanges what has come for the empty array given, whose memory is used again.
    func take(_ items: inout [InboxItem]) {
        state.withLock { state in
            state.isAsleep = false
            swap(&state.items, &items)
        }
    }

    /// - Returns: what nobody will do any more.
    func close() -> [InboxItem] {
        state.withLock { state in
            state.isClosed = true
            state.isAsleep = false
            defer { state.items = [] }
            return state.items
        }
    }
}
