internal import Base
internal import CLinux
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Writes commits to the end of the log: one direct write in place and one sync each. It belongs to the log's queue.
///
/// The end of the log seldom lies at the end of a block. What the last block holds is kept in memory, and is written again
/// with what follows it: the same bytes, so that a torn write cannot harm what was durable.
final class LogAppender {
    private let directory: String
    private let identity: Identity
    private let seed: UInt32
    private let options: LogOptions
    private let preparer: LogPreparer
    private var file: PreparedFile
    /// Where the entries end.
    private(set) var offset: Int
    private(set) var lastPosition: Int64
    private(set) var lastSeal: UInt64
    private(set) var origin: Identity
    private(set) var table: OriginTable
    /// Of the segment in use.
    private(set) var header: SegmentHeader
    /// A segment that was begun, until somebody knows of it who reads.
    private(set) var unlisted: NewSegment?
    /// Begins with what the last block holds.
    private var buffer = AlignedBuffer()
    /// After a failure: up to where something may have been written.
    private var doubtfulEnd = 0
    /// Of the largest commit for which no room could be made since the last proof.
    private var unplacedBytes = 0
    /// Of a usual commit, many deliveries together: as much room is there before the log counts as writable again.
    private static let usualCommitBytes = 256 << 10
    private var seals: SystemRandomNumberGenerator

    /// Where a log ends.
    struct End {
        var position: Int64
        var seal: UInt64
        var origin: Identity
        var places: LogPlaces
    }

    /// Items of one origin with consecutive sequences: they become one entry.
    struct Run {
        let items: ArraySlice<any LogItem>
        let origin: Identity
        let firstSequence: Int64
        let flags: EntryHeader.Flags
        /// Of the entry.
        let bytes: Int

        init(_ items: ArraySlice<any LogItem>, _ origin: Identity, from sequence: Int64, _ flags: EntryHeader.Flags) {
            self.items = items
            self.origin = origin
            firstSequence = sequence
            self.flags = flags
            bytes = items.reduce(EntryHeader.bytes) { $0 + RowHeader.bytes + $1.body.count }
        }

        var nextSequence: Int64 { firstSequence + Int64(items.count) }
    }

    /// Goes on in a segment that ends soundly.
    init(
        directory: String, options: LogOptions, file: PreparedFile, header: SegmentHeader, offset: Int, end: End
    ) throws(LogFileError) {
        self.directory = directory
        identity = header.identity
        self.options = options
        self.file = file
        self.offset = offset
        self.header = header
        seed = LogFormat.seed(identity)
        lastPosition = end.position
        lastSeal = end.seal
        origin = end.origin
        table = end.places.table
        preparer = LogPreparer(directory: directory, options: options)
        seals = SystemRandomNumberGenerator()
        let start = offset & ~(LogFormat.blockBytes - 1)
        let block = buffer.reserve(LogFormat.blockBytes)
        try readBlock(start, offset - start, into: block)
        preparer.prepare(file, ahead: offset, segmentBytes: options.segmentBytes)
    }

    private func readBlock(
        _ start: Int, _ count: Int, into block: UnsafeMutableRawBufferPointer
    ) throws(LogFileError) {
        var done = 0
        while done < count {
            // Whole blocks, as the descriptor is direct.
            let result = pread(file.descriptor, block.baseAddress, LogFormat.blockBytes, off_t(start))
            if result < 0 && errno == EINTR { continue }
            guard result >= count else {
                throw LogFileError(code: result < 0 ? errno : EIO, action: "reading the end of the log")
            }
            done = result
        }
    }

    struct NewSegment {
        let header: SegmentHeader
        let path: String
    }

    /// Begins a new segment where a batch has no room in this one, or where this one is to be left as it is.
    func makeRoom(for runs: [Run], leavingSegment isLeaving: Bool) throws(LogFileError) {
        guard offset > LogFormat.entriesStart else { return }
        let bytes = Self.bytes(of: runs)
        guard isLeaving || offset + bytes > options.segmentBytes else { return }
        do throws(LogFileError) {
            try beginSegment(origin)
        } catch {
            unplacedBytes = max(unplacedBytes, bytes)
            throw error
        }
    }

    private static func bytes(of runs: [Run]) -> Int { runs.reduce(0) { $0 + LogFormat.aligned($1.bytes) } }

    /// What is received here from now on is of another origin: a segment begins with it.
    func begin(_ origin: Identity) throws(LogFileError) {
        guard table.hasRoom(for: origin) else { throw LogFileError(code: ENOSPC, action: "taking another origin") }
        if offset > LogFormat.entriesStart { return try beginSegment(origin) }
        // Nothing is in this one: its header is written anew, one copy after the other.
        var changed = header
        changed.origin = origin
        changed.table.advance(origin, to: 1)
        var buffer = AlignedBuffer()
        let block = buffer.reserve(LogFormat.blockBytes)
        for first in [header, changed] {
            block.initializeMemory(as: UInt8.self, repeating: 0)
            first.write(to: block, before: changed)
            try file.file.write(UnsafeRawBufferPointer(block), at: 0)
            try file.file.sync()
        }
        adopt(changed)
    }

    private func adopt(_ header: SegmentHeader) {
        self.header = header
        origin = header.origin
        table.merge(header.table)
    }

    /// Whoever reads knows of the segment that was begun.
    func noteListed() { unlisted = nil }

    /// Makes a batch durable, after `makeRoom`: an entry a run, in one write.
    /// - Parameter announce: called once there is room for it, right before it is written.
    /// - Throws: `isFull` where there was no room: then nothing was written, or announced. Otherwise nobody knows what is on
    ///   disk, and `prove` must come first.
    func append(_ runs: [Run], announcing announce: () -> Void) throws(LogFileError) -> [CommittedBatch.Entry] {
        let end = offset + Self.bytes(of: runs)
        do throws(LogFileError) {
            try file.reserve(through: LogFormat.wholeBlocks(end))
        } catch {
            unplacedBytes = max(unplacedBytes, end - offset)
            throw error
        }

        let start = offset & ~(LogFormat.blockBytes - 1)
        let kept = offset - start
        let blocks = buffer.reserve(LogFormat.wholeBlocks(end) - start, keeping: kept)
        var entries: [CommittedBatch.Entry] = []
        entries.reserveCapacity(runs.count)
        var place = kept
        var position = lastPosition
        var seal = lastSeal
        for run in runs {
            let bytes = run.bytes
            let header = fill(
                blocks.slice(place, bytes), with: run, behind: position, seal, rowsBefore: Int(position - lastPosition))
            let padding = place + bytes
            place += header.stride
            blocks.slice(padding, place - padding).initializeMemory(as: UInt8.self, repeating: 0)
            position = header.lastPosition
            seal = header.seal
            entries.append(
                CommittedBatch.Entry(
                    items: run.items, firstPosition: header.firstPosition, origin: run.origin,
                    firstSequence: run.firstSequence, seal: seal, isOwn: run.flags.contains(.own),
                    isLate: run.flags.contains(.late)))
        }
        blocks.slice(place, blocks.count - place).initializeMemory(as: UInt8.self, repeating: 0)
        announce()
        do throws(LogFileError) {
            try file.file.write(UnsafeRawBufferPointer(blocks), at: start)
            try file.file.sync()
        } catch {
            doubtfulEnd = max(doubtfulEnd, start + blocks.count)
            throw error
        }
        offset = end
        lastPosition = position
        lastSeal = seal
        for run in runs { table.advance(run.origin, to: run.firstSequence + Int64(run.items.count)) }
        let newStart = offset & ~(LogFormat.blockBytes - 1)
        if newStart > start, offset > newStart {
            blocks.slice(0, offset - newStart).copyMemory(
                from: UnsafeRawBufferPointer(blocks.slice(newStart - start, offset - newStart)))
        }
        preparer.prepare(file, ahead: offset, segmentBytes: options.segmentBytes)
        return entries
    }

    private func fill(
        _ entry: UnsafeMutableRawBufferPointer, with run: Run, behind last: Int64, _ seal: UInt64, rowsBefore: Int
    ) -> EntryHeader {
        var rows = RowsChecksum(seed: seed)
        var start = EntryHeader.bytes
        let tag = RowHeader.tag(run.origin)
        var position = last
        var sequence = run.firstSequence
        for item in run.items {
            position += 1
            let body = item.body
            let row = entry.slice(start, RowHeader.bytes + body.count)
            body.withUnsafeBytes { row.slice(RowHeader.bytes, body.count).copyMemory(from: $0) }
            rows.add(
                RowHeader.seal(
                    row, RowHeader.Name(position: position, originTag: tag, sequence: sequence),
                    receivedMicroseconds: item.receivedMicroseconds, source: item.source, seed: seed))
            start += row.count
            sequence += 1
        }
        let header = EntryHeader(
            entryBytes: entry.count, firstPosition: last + 1, count: run.items.count, rowsChecksum: rows.value,
            seal: seals.next() | 1, previousSeal: seal, origin: run.origin, firstSequence: run.firstSequence,
            rowsBefore: rowsBefore, flags: run.flags)
        header.write(to: entry, seed: seed)
        return header
    }

    /// Goes on in a new file.
    private func beginSegment(_ origin: Identity) throws(LogFileError) {
        var table = table
        table.advance(origin, to: 1)
        let header = SegmentHeader(
            identity: identity, origin: origin, table: table, firstPosition: lastPosition + 1, previousSeal: lastSeal,
            previousFirstPosition: self.header.firstPosition)
        file = try preparer.makeSegment(header)
        offset = LogFormat.entriesStart
        adopt(header)
        unlisted = NewSegment(
            header: header, path: directory + "/" + LogFormat.fileName(firstPosition: header.firstPosition))
    }

    /// Something may stand behind the end.
    var isEndDoubtful: Bool { doubtfulEnd > 0 }

    /// After a failure: writes the end anew, with nothing behind it, so that what was answered as failed is not there, and
    /// what is written is known to stay.
    func proveEnd() throws(LogFileError) {
        let start = offset & ~(LogFormat.blockBytes - 1)
        let end = max(doubtfulEnd, start + LogFormat.blockBytes)
        try file.reserve(through: end)
        let kept = offset - start
        let blocks = buffer.reserve(end - start, keeping: kept)
        blocks.slice(kept, blocks.count - kept).initializeMemory(as: UInt8.self, repeating: 0)
        try file.file.write(UnsafeRawBufferPointer(blocks), at: start)
        try file.file.sync()
        doubtfulEnd = 0
    }

    /// After a failure: makes room for a usual commit, and for any that had none, wherever the next one may go: here, and in
    /// the next segment where it would not fit. What is prepared already is no proof: on a full disk the log would count as
    /// writable again, and fail with the next commit, again and again.
    func proveRoom() throws(LogFileError) {
        let bytes = LogFormat.wholeBlocks(max(unplacedBytes, Self.usualCommitBytes))
        let end = LogFormat.wholeBlocks(offset) + bytes
        let mayLeave = end > options.segmentBytes && offset > LogFormat.entriesStart
        try file.reserve(through: mayLeave ? max(LogFormat.wholeBlocks(offset), options.segmentBytes) : end)
        if mayLeave { try preparer.reserveSpare(through: LogFormat.entriesStart + bytes) }
        unplacedBytes = 0
    }

    /// Writes over a piece of what is in the file already, and syncs nothing. Needed for the file that is appended to,
    /// because its last block is in memory.
    func overwrite(_ bytes: UnsafeRawBufferPointer, at position: Int) {
        let start = offset & ~(LogFormat.blockBytes - 1)
        let end = min(position + bytes.count, offset)
        guard end > start else { return }
        let from = max(position, start)
        buffer.bytes.slice(from - start, end - from).copyMemory(from: bytes.slice(from - position, end - from))
    }

    /// The same content in another file, from here on.
    func replaceFile(_ replacement: PreparedFile) {
        file = replacement
    }

    /// Waits for what is prepared beside the commits.
    func close() {
        preparer.close()
    }
}

/// A segment that is written to, and how much of it is prepared.
///
/// `@unchecked Sendable`: the file is only written to, each place by one side: below `prepared` by the log's queue, from it
/// on with `lock` held.
final class PreparedFile: @unchecked Sendable {
    let file: LogFile
    /// Up to here there are zeros on disk, or what was written over them.
    private let prepared: Atomic<Int>
    private let lock = Locked(())

    init(_ file: consuming LogFile, prepared: Int) {
        self.file = file
        self.prepared = Atomic(prepared)
    }

    var descriptor: Int32 { file.descriptor }
    var preparedBytes: Int { prepared.load(ordering: .acquiring) }

    private static let stepBytes = 1 << 20
    /// What a commit prepares for itself where nobody has done it.
    private static let leastStepBytes = 256 << 10

    /// Before a commit writes up to `end`.
    func reserve(through end: Int) throws(LogFileError) {
        guard preparedBytes < end else { return }
        do throws(LogFileError) {
            try prepare(through: end, stepBytes: max(Self.leastStepBytes, end - preparedBytes))
        } catch {
            guard error.isFull else { throw error }
            // There may be room for what is needed, though not for more.
            try prepare(through: end, stepBytes: LogFormat.blockBytes)
        }
    }

    /// Writes zeros ahead, in steps, until that much is prepared.
    func prepare(through end: Int, stepBytes: Int = stepBytes) throws(LogFileError) {
        while preparedBytes < end {
            try lock.withLock { (_) throws(LogFileError) in
                let start = preparedBytes
                guard start < end else { return }
                var zeros = AlignedBuffer()
                let count = LogFormat.wholeBlocks(min(stepBytes, max(end - start, LogFormat.blockBytes)))
                let bytes = zeros.reserve(count)
                bytes.initializeMemory(as: UInt8.self, repeating: 0)
                try file.write(UnsafeRawBufferPointer(bytes), at: start, .prepare(bytes: count))
                try file.sync()
                prepared.store(start + count, ordering: .releasing)
            }
        }
    }
}

/// Prepares room beside the commits, on a queue of its own: the rest of the segment in use, then the first part of the next.
final class LogPreparer: Sendable {
    private let queue = DispatchQueue(label: "chargefold.log.prepare", qos: .utility)
    private let directory: String
    private let options: LogOptions
    private let isRunning = Atomic(false)
    private let isClosed = Atomic(false)
    private let spare = Locked<PreparedFile?>(nil)

    private static let firstBytes = 256 << 10

    init(directory: String, options: LogOptions) {
        self.directory = directory
        self.options = options
    }

    private var sparePath: String { directory + "/" + LogFormat.spareName }

    /// Sees to it that there is room ahead of an offset, soon.
    func prepare(_ file: PreparedFile, ahead offset: Int, segmentBytes: Int) {
        guard options.preparedBytes > 0, !isClosed.load(ordering: .relaxed) else { return }
        let end = min(offset + options.preparedBytes, segmentBytes)
        let missing = end - file.preparedBytes
        let needsMore = missing > 0 && (missing > options.preparedBytes / 2 || end == segmentBytes)
        let needsSpare = end == segmentBytes && !hasSpare
        guard needsMore || needsSpare, !isRunning.exchange(true, ordering: .acquiringAndReleasing) else { return }
        queue.async { [self] in
            // What fails here fails for the commit that needs it, which tells.
            do throws(LogFileError) {
                try file.prepare(through: end)
                if needsSpare { try makeSpare() }
            } catch {}
            isRunning.store(false, ordering: .releasing)
        }
    }

    private var hasSpare: Bool { spare.withLock { $0 != nil } }

    private func makeSpare() throws(LogFileError) {
        _ = try spareFile { (file) throws(LogFileError) in
            try file.prepare(through: min(options.preparedBytes, options.segmentBytes))
        }
    }

    /// Makes room in the next segment now. Waits for what is under way; blocks.
    func reserveSpare(through end: Int) throws(LogFileError) {
        try onQueue { () throws(LogFileError) in
            _ = try spareFile { (file) throws(LogFileError) in try file.reserve(through: end) }
        }
    }

    /// The file for the next segment. What could not be prepared for want of room stays, and the next try goes on behind it.
    private func spareFile(
        _ prepare: (PreparedFile) throws(LogFileError) -> Void
    ) throws(LogFileError) -> PreparedFile {
        let file: PreparedFile
        if let ready = spare.withLock({ $0 }) { file = ready } else { file = try create() }
        spare.withLock { $0 = file }
        do throws(LogFileError) {
            try prepare(file)
        } catch {
            if !error.isFull { spare.withLock { $0 = nil } }
            throw error
        }
        return file
    }

    private func onQueue<Value>(_ body: () throws(LogFileError) -> Value) throws(LogFileError) -> Value {
        try queue.sync { Result { () throws(LogFileError) in try body() } }.get()
    }

    private func create() throws(LogFileError) -> PreparedFile {
        unlink(sparePath)
        return PreparedFile(try LogFile(path: sparePath, .create, hook: options.writeHook), prepared: 0)
    }

    /// A new segment with its header, durable and under its name.
    func makeSegment(_ header: SegmentHeader) throws(LogFileError) -> PreparedFile {
        // Nobody makes the spare file meanwhile.
        let file = try onQueue { () throws(LogFileError) in
            let file = try spareFile { (file) throws(LogFileError) in
                try file.prepare(through: Self.firstBytes, stepBytes: Self.firstBytes)
            }
            spare.withLock { $0 = nil }
            return file
        }
        var buffer = AlignedBuffer()
        let block = buffer.reserve(LogFormat.blockBytes)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        header.write(to: block)
        try file.file.write(UnsafeRawBufferPointer(block), at: 0)
        guard fsync(file.descriptor) == 0 else { throw LogFileError(code: errno, action: "making a segment") }
        let path = directory + "/" + LogFormat.fileName(firstPosition: header.firstPosition)
        guard !FileSystem.exists(path), rename(sparePath, path) == 0 else {
            throw LogFileError(code: EEXIST, action: "naming \(path)")
        }
        do throws(LogFileError) {
            try LogFile.syncDirectory(directory)
        } catch {
            // The next try needs the name.
            rename(path, sparePath)
            throw error
        }
        return file
    }

    /// Waits for what is under way.
    func close() {
        isClosed.store(true, ordering: .relaxed)
        queue.sync {}
        spare.withLock { $0 = nil }
        unlink(sparePath)
    }
}
