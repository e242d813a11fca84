internal import Base
import SessionIndex

/// Changes on their way from the fold to the hub, of one period of listening.
///
/// The fold never waits for who listens: what would make the queue larger than its bound is dropped, with everything in
/// it, and the hub is told that there is a gap, which the log has.
final class LiveInbox: Sendable {
    struct Content: Sendable {
        /// In the order of the log.
        var changes: [FoldedChange] = []
        /// How far the log was folded behind them.
        var cursor = LogCursor.start
        /// Of the changes.
        var bytes = 0
        /// Changes have been dropped: what follows is not all.
        var hasGap = false
    }

    private struct State: Sendable {
        var content: Content?
        /// Nothing is taken any more: the hub begins anew.
        var isOver = false
    }

    private let bytesMax: Int
    private let state = Locked(State())

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    /// - Returns: whether the inbox was empty, so that somebody must be told.
    func add(_ changes: [FoldedChange], _ cursor: LogCursor) -> Bool {
        let bytes = changes.reduce(0) { $0 + $1.bytes }
        return state.withLock { state in
            guard !state.isOver else { return false }
            let isFirst = state.content == nil
            // Moved out and in, so that nothing is copied.
            var content = state.content.take() ?? Content()
            content.cursor = cursor
            content.bytes += bytes
            if content.hasGap || content.bytes > bytesMax {
                content = Content(cursor: cursor, hasGap: true)
            } else {
                content.changes += changes
            }
            state.content = content
            return isFirst
        }
    }

    /// Everything that has come since the last call. After a gap nothing comes any more.
    func take() -> Content? {
        state.withLock { state in
            guard let content = state.content.take() else { return nil }
            if content.hasGap { state.isOver = true }
            return content
        }
    }
}
