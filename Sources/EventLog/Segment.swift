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
        /// Its damage was told.
        var isTold = false
        /// A power cut has torn its end: a start has told that, and has gone on in another segment.
        var endsTorn = false
    }

    let firstPosition: Int64
    let path: String
    let name: String
    let seed: UInt32
    /// Whose rows may be in it, and where their sequences are about.
    let origins: KnownOrigins
    private let state: Locked<State>
    /// Held by whoever writes over what was written, and by whoever decides whether something is damaged: bytes that are
    /// just being erased are not.
    let overwriting = Locked(())

    /// Bytes between two places of the index.
    private static let indexStride = 64 << 10

    init(
        directory: String, firstPosition: Int64, header: SegmentHeader?, origins: KnownOrigins, seed: UInt32,
        file: ReadFile, limit: Int, lastPosition: Int64
    ) {
        self.origins = origins
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
            state.salvage = nil
        }
    }

    /// Nothing but its header is in it, and that was written anew.
    func replaceHeader(_ header: SegmentHeader) { state.withLock { $0.header = header } }

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

    /// nil also where more was added since it was made.
    var salvage: SegmentSalvage? {
        state.withLock { state in state.salvage.flatMap { $0.limit == state.limit ? $0 : nil } }
    }

    /// Something in it was found not to be as it was written.
    var isSalvaged: Bool { state.withLock { $0.salvage != nil } }

    var endsTorn: Bool { state.withLock { $0.endsTorn } }

    /// Whether anything else than a torn end is wrong with it.
    var isDamaged: Bool {
        state.withLock { state in
            state.header == nil || state.salvage.map { !(state.endsTorn && $0.isTornOnly) } ?? false
        }
    }

    /// - Returns: whether it is the first.
    @discardableResult
    func keep(_ salvage: SegmentSalvage) -> Bool {
        state.withLock { state in
            defer { state.salvage = salvage }
            return state.salvage == nil
        }
    }

    /// It may be sound again: what was half written has been written.
    func forgetSalvage() {
        state.withLock { $0.salvage = nil }
    }

    func noteTornEnd() {
        state.withLock { $0.endsTorn = true }
    }

    /// - Returns: whether nobody has told yet.
    func noteTold() -> Bool {
        state.withLock { state in
            defer { state.isTold = true }
            return !state.isTold
        }
    }
}
