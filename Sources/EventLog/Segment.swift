internal import Base
internal import Glibc

/// One file of the log, for reading. From any thread.
final class Segment: Sendable {
    private struct State {
        var file: ReadFile
        /// nil: unsound.
        var header: SegmentHeader?
        /// Nothing is read from here on: the file's size, or where the durable entries end.
        var limit: Int
        /// The position of the last row: of the one before the next segment, or the last durable one.
        var lastPosition: Int64
        /// Where some entries begin, in ascending order; filled by whoever walks by.
        var index: [SegmentWalk.Place] = []
        /// What is sound of it, where not everything is.
        var salvage: SegmentSalvage?
    }

    let firstPosition: Int64
    let path: String
    let name: String
    let seed: UInt32
    private let state: Locked<State>

    /// Bytes between two places of the index.
    private static let indexStride = 64 << 10

    init(
        directory: String, firstPosition: Int64, header: SegmentHeader?, seed: UInt32, file: ReadFile, limit: Int,
        lastPosition: Int64
    ) {
        self.firstPosition = firstPosition
        self.seed = seed
        name = LogFormat.fileName(firstPosition: firstPosition)
        path = directory + "/" + name
        state = Locked(State(file: file, header: header, limit: limit, lastPosition: lastPosition))
    }

    var header: SegmentHeader? { state.withLock { $0.header } }
    var file: ReadFile { state.withLock { $0.file } }
    var lastPosition: Int64 { state.withLock { $0.lastPosition } }
    var limit: Int { state.withLock { $0.limit } }
    var isEmptied: Bool { (header?.emptiedThrough ?? 0) > 0 }

    /// Bytes that it takes on disk.
    var allocatedBytes: Int64 {
        var status = stat()
        return fstat(file.descriptor, &status) == 0 ? Int64(status.st_blocks) * 512 : 0
    }

    /// More of it is durable now.
    func extend(to limit: Int, lastPosition: Int64) {
        state.withLock { state in
            state.limit = limit
            state.lastPosition = lastPosition
        }
    }

    /// Nothing is left of it but its first block.
    func becomeEmptied(_ header: SegmentHeader) {
        state.withLock { state in
            state.header = header
            state.limit = LogFormat.entriesStart
            state.index = []
        }
    }

    /// The same content in another file, which took the place of this one.
    func replaceFile(_ file: ReadFile) {
        state.withLock { $0.file = file }
    }

    // MARK: Walking

    /// A walk that begins at or before `position`.
    func walk(to position: Int64) -> SegmentWalk {
        let (file, limit, start) = state.withLock { state in
            var low = 0
            var high = state.index.count
            while low < high {
                let middle = (low + high) / 2
                if state.index[middle].position <= position { low = middle + 1 } else { high = middle }
            }
            let start = low > 0 ? state.index[low - 1] : first(state.header)
            return (state.file, state.limit, start)
        }
        return SegmentWalk(file, limit: limit, seed: seed, from: start)
    }

    private func first(_ header: SegmentHeader?) -> SegmentWalk.Place {
        SegmentWalk.Place(
            position: firstPosition, previousSeal: header?.previousSeal)
    }

    /// A walk has come to a sound entry.
    func noteEntry(_ place: SegmentWalk.Place) {
        state.withLock { state in
            let last = state.index.last
            guard place.offset >= (last?.offset ?? LogFormat.entriesStart) + Self.indexStride,
                place.position > (last?.position ?? 0)
            else { return }
            state.index.append(place)
        }
    }

    var salvage: SegmentSalvage? { state.withLock { $0.salvage } }

    /// - Returns: whether it is the first.
    @discardableResult
    func keep(_ salvage: SegmentSalvage) -> Bool {
        state.withLock { state in
            defer { state.salvage = salvage }
            return state.salvage == nil
        }
    }
}
