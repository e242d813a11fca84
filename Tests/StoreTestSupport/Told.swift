internal import Base
package import SessionIndex
internal import SessionModel

/// What an observer was told.
package final class Told: Sendable {
    private struct State {
        var changes: [FoldedChange] = []
        var reached: Int64 = 0
    }

    private let state = Locked(State())

    package init() {}

    package var observer: FoldObserver {
        { changes, position, _ in
            self.state.withLock { state in
                state.changes += changes
                state.reached = position
            }
        }
    }

    package var positions: [Int64] { state.withLock { $0.changes.map(\.position) } }
    package var versions: [Int] { state.withLock { $0.changes.map(\.outline.state.version) } }
    package var reached: Int64 { state.withLock { $0.reached } }
}
