internal import Locks

/// In which parts of the session rows a session may be: a filter for each part.
///
/// It errs on one side only: a part that it does not name has no row of the session. Filters are filled behind the start
/// (`SessionFilterLoader`); a part whose filter is not complete is always named.
final class SessionDirectory: Sendable {
    private struct Part {
        let filter = SessionFilter()
        var isComplete = true
    }

    private struct State {
        var parts: [Part] = []
    }

    let partition: SessionPart
    private let state = Locked(State())

    /// - Parameter last: the highest log position that rows may cover: all parts up to its own are to be filled.
    init(partition: SessionPart, last: Int64) {
        self.partition = partition
        guard last > 0 else { return }
        state.withLock { state in
            state.parts = (0...partition.part(of: last)).map { _ in Part(isComplete: false) }
        }
    }

    /// The number of parts; those that may have rows are below it.
    var count: Int { state.withLock { $0.parts.count } }

    /// The parts that may have a row of the session, the newest first; most often none.
    func candidates(_ hash: UInt64) -> [Int] {
        state.withLock { state in
            var found: [Int] = []
            for index in state.parts.indices.reversed()
            where !state.parts[index].isComplete || state.parts[index].filter.mayContain(hash) {
                found.append(index)
            }
            return found
        }
    }

    func candidates(_ sessionId: String) -> [Int] { candidates(SessionFilter.hash(sessionId.utf8)) }

    /// Takes note of a session whose first delivery has that log position.
    func insert(_ hash: UInt64, number: Int64) {
        let part = partition.part(of: number)
        state.withLock { state in
            while state.parts.count <= part { state.parts.append(Part()) }
            state.parts[part].filter.insert(hash)
        }
    }

    /// Takes note of sessions that have a row.
    /// - Parameter isDone: they are the last ones of the part, besides those that `insert` was told of.
    func learn(_ hashes: [UInt64], part: Int, isDone: Bool) {
        state.withLock { state in
            guard state.parts.indices.contains(part) else { return }
            for hash in hashes { state.parts[part].filter.insert(hash) }
            if isDone { state.parts[part].isComplete = true }
        }
    }
}
