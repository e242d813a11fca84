internal import Base

/// In which partitions of the session rows a session may be: a filter for each partition.
///
/// It errs on one side only: a partition that it does not name has no row of the session. Filters are filled behind the start
/// (`PartitionFilterLoader`); a partition whose filter is not complete is always named.
final class PartitionFilters: Sendable {
    private struct Partition {
        var filter = SessionFilter()
        var isComplete = true
        /// Whether the filter is on disk as it is.
        var isSaved = false
    }

    private struct State {
        var partitions: [Partition] = []
    }

    let partitioning: Partitioning
    private let state = Locked(State())

    /// - Parameter last: the highest log position that rows may cover: all partitions up to its own are to be filled.
    init(partitioning: Partitioning, last: Int64) {
        self.partitioning = partitioning
        guard last > 0 else { return }
        state.withLock { state in
            state.partitions = (0...partitioning.partition(of: last)).map { _ in Partition(isComplete: false) }
        }
    }

    /// The number of partitions; those that may have rows are below it.
    var count: Int { state.withLock { $0.partitions.count } }

    /// The partitions that are to be filled, the oldest first.
    var incomplete: [Int] {
        state.withLock { state in state.partitions.indices.filter { !state.partitions[$0].isComplete } }
    }

    /// The partitions that may have a row of the session, the newest first; most often none.
    func candidates(_ hash: UInt64) -> [Int] {
        state.withLock { state in
            var found: [Int] = []
            for index in state.partitions.indices.reversed()
            where !state.partitions[index].isComplete || state.partitions[index].filter.mayContain(hash) {
                found.append(index)
            }
            return found
        }
    }

    func candidates(_ sessionId: String) -> [Int] { candidates(SessionFilter.hash(sessionId.utf8)) }

    /// Takes note of a session whose first delivery has that log position.
    func insert(_ hash: UInt64, number: Int64) {
        let partition = partitioning.partition(of: number)
        state.withLock { state in
            while state.partitions.count <= partition { state.partitions.append(Partition()) }
            state.partitions[partition].filter.insert(hash)
            state.partitions[partition].isSaved = false
        }
    }

    /// Takes note of sessions that have a row.
    /// - Parameter isDone: they are the last ones of the partition, besides those that `insert` was told of.
    func learn(_ hashes: [UInt64], partition: Int, isDone: Bool) {
        state.withLock { state in
            guard state.partitions.indices.contains(partition) else { return }
            for hash in hashes { state.partitions[partition].filter.insert(hash) }
            state.partitions[partition].isSaved = false
            if isDone { state.partitions[partition].isComplete = true }
        }
    }

    // MARK: On disk

    /// Takes a filter that was saved for a partition.
    func restore(_ filter: SessionFilter, partition: Int) {
        state.withLock { state in
            guard state.partitions.indices.contains(partition) else { return }
            state.partitions[partition] = Partition(filter: filter, isComplete: true, isSaved: true)
        }
    }

    /// The next filter to be saved, as bytes, and counts it as saved: a complete one of a partition to which no session will be
    /// added any more, as all rows up to `position` are written.
    func takeUnsaved(upTo position: Int64) -> (partition: Int, filter: [UInt8])? {
        let current = partitioning.partition(of: position + 1)
        return state.withLock { state in
            let closed = state.partitions.indices.prefix(current)
            guard
                let partition = closed.first(where: { state.partitions[$0].isComplete && !state.partitions[$0].isSaved }
                )
            else {
                return nil
            }
            state.partitions[partition].isSaved = true
            return (partition, state.partitions[partition].filter.encoded)
        }
    }

    /// Saving did not succeed.
    func returnUnsaved(_ partition: Int) {
        state.withLock { $0.partitions[partition].isSaved = false }
    }
}
