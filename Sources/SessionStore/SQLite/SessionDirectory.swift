internal import Base

/// In which parts of the session rows a session may be: a filter for each part.
///
/// It errs on one side only: a part that it does not name has no row of the session. Filters are filled behind the start
/// (`SessionFilterLoader`); a part whose filter is not complete is always named.
final class SessionDirectory: Sendable {
    private struct Part {
        var filter = SessionFilter()
        var isComplete = true
        /// Whether the filter is on disk as it is.
        var isSaved = false
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

    /// The parts that are to be filled, the oldest first.
    var incomplete: [Int] { state.withLock { state in state.parts.indices.filter { !state.parts[$0].isComplete } } }

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
            state.parts[part].isSaved = false
        }
    }

    /// Takes note of sessions that have a row.
    /// - Parameter isDone: they are the last ones of the part, besides those that `insert` was told of.
    func learn(_ hashes: [UInt64], part: Int, isDone: Bool) {
        state.withLock { state in
            guard state.parts.indices.contains(part) else { return }
            for hash in hashes { state.parts[part].filter.insert(hash) }
            state.parts[part].isSaved = false
            if isDone { state.parts[part].isComplete = true }
        }
    }

    // MARK: On disk

    /// Takes a filter that was saved for a part.
    func restore(_ filter: SessionFilter, part: Int) {
        state.withLock { state in
            guard state.parts.indices.contains(part) else { return }
            state.parts[part] = Part(filter: filter, isComplete: true, isSaved: true)
        }
    }

    /// The next filter to be saved, as bytes, and counts it as saved: a complete one of a part to which no session will be
    /// added any more, as all rows up to `position` are written.
    func takeUnsaved(upTo position: Int64) -> (part: Int, filter: [UInt8])? {
        let current = partition.part(of: position + 1)
        return state.withLock { state in
            let closed = state.parts.indices.prefix(current)
            guard let part = closed.first(where: { state.parts[$0].isComplete && !state.parts[$0].isSaved }) else {
                return nil
            }
            state.parts[part].isSaved = true
            return (part, state.parts[part].filter.encoded)
        }
    }

    /// Saving did not succeed.
    func returnUnsaved(_ part: Int) {
        state.withLock { $0.parts[part].isSaved = false }
    }
}
