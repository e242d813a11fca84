internal import Base
internal import Glibc
internal import SessionModel

/// Where deliveries become durable first: a file of fixed size that is written over and over, one write and one sync a
/// batch, in place. From there they are moved to `log.sqlite`, many at a time, without a sync of their own.
///
/// Everything in it that is not durable in `log.sqlite` yet stays until it is: a half is used again only when `settled`
/// has said so of all that it holds. What the file looks like: `JournalLayout`.
///
/// It belongs to the committer's queue.
final class Journal {
    enum Outcome { case written(JournalEntry), noRoom }

    private struct Half {
        /// The last position that was written to it.
        var lastPosition: Int64 = 0
        /// Bytes from its start that have a place on disk and were written once, so that writing them again changes
        /// nothing but data.
        var preparedBytes = 0
        /// Bytes from its start that an earlier process may have written.
        var leftBytes = 0
    }

    let path: String
    private let file: JournalFile
    private let logId: [UInt8]
    private let halfBytes: Int
    private var halves: [Half]
    private var current = 1
    private var offset: Int
    private var generation: UInt64
    /// Everything up to here is durable elsewhere.
    private var settledPosition: Int64 = 0
    /// After a failure: what is on disk of the last entry is not known, so nothing may follow it.
    private var isBroken = false
    /// Something was written since the file was last wiped.
    private var hasContent: Bool
    private var buffer = AlignedBuffer()

    /// A half grows by so much, in bytes.
    private static let preparedStep = 256 << 10

    /// - Parameters:
    ///   - bytes: the size of the file, unless there is one with something that is needed.
    ///   - recovered: what `JournalRecovery` has found in it.
    init(
        path: String, logId: String, bytes: Int, recovered: JournalRecovery, hook: JournalFile.Hook?
    ) throws(JournalError) {
        self.path = path
        self.logId = Array(logId.utf8)
        // What is still needed stays where it is.
        let size = recovered.entries.isEmpty ? bytes : Int(FileSystem.size(path))
        halfBytes = max(size / 2 / JournalLayout.blockBytes, 1) * JournalLayout.blockBytes
        file = try JournalFile(path: path, size: 2 * halfBytes, hook: hook)
        let last = recovered.entries.last?.lastPosition ?? 0
        let prepared = file.allocatedBytes >= 2 * halfBytes ? halfBytes : 0
        // The first entry begins the other half, with a generation of its own, once what was found is settled.
        generation = recovered.lastGeneration
        offset = halfBytes
        halves = [Half](repeating: Half(lastPosition: last, preparedBytes: prepared), count: 2)
        for half in 0..<2 {
            let start = half * halfBytes
            halves[half].leftBytes = file.endOfData(from: start, to: start + halfBytes) - start
        }
        hasContent = halves.contains { $0.leftBytes > 0 }
    }

    /// Makes the deliveries of a batch durable.
    /// - Returns: `noRoom` when they do not fit before something else is `settled`; then nothing was done.
    /// - Throws: when it is not known what is on disk. Nothing can be appended before `restart()`.
    func append(_ batch: [PendingItem], firstPosition: Int64) throws(JournalError) -> Outcome {
        var rowsBytes = 0
        for pending in batch { rowsBytes += JournalEntry.bytes(of: pending.delivery) }
        var header = JournalLayout.Header(
            generation: generation, firstPosition: firstPosition, count: batch.count, rowsBytes: rowsBytes)
        guard !isBroken, try findRoom(header.entryBytes) else { return .noRoom }
        header.generation = generation
        let entry = buffer.reserve(header.entryBytes)
        var end = JournalLayout.headerBytes
        for pending in batch {
            end += JournalEntry.write(
                pending.delivery, to: UnsafeMutableRawBufferPointer(rebasing: entry[end...]))
        }
        UnsafeMutableRawBufferPointer(rebasing: entry[end...]).initializeMemory(as: UInt8.self, repeating: 0)
        JournalLayout.seal(entry, header, logId: logId)
        do throws(JournalError) {
            try file.write(UnsafeRawBufferPointer(entry), at: current * halfBytes + offset)
            try file.sync()
        } catch {
            isBroken = true
            hasContent = true
            throw error
        }
        hasContent = true
        offset += header.entryBytes
        let written = JournalEntry(
            firstPosition: firstPosition, count: batch.count,
            rows: [UInt8](UnsafeRawBufferPointer(rebasing: entry[JournalLayout.headerBytes..<end])))
        halves[current].lastPosition = written.lastPosition
        return .written(written)
    }

    /// Whether an entry of `bytes` fits, in the other half if need be.
    private func findRoom(_ bytes: Int) throws(JournalError) -> Bool {
        guard bytes <= halfBytes else { return false }
        if offset + bytes > halfBytes {
            guard halves[1 - current].lastPosition <= settledPosition else { return false }
            turn()
        }
        guard halves[current].preparedBytes < offset + bytes else { return true }
        return try prepare(through: offset + bytes)
    }

    /// Goes to the other half.
    private func turn() {
        current = 1 - current
        offset = 0
        generation += 1
    }

    /// Gives the half room on disk.
    /// - Returns: whether there was any.
    private func prepare(through end: Int) throws(JournalError) -> Bool {
        let start = halves[current].preparedBytes
        let count = min(
            (end - start + Self.preparedStep - 1) / Self.preparedStep * Self.preparedStep, halfBytes - start)
        let zeros = buffer.reserve(count)
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        do throws(JournalError) {
            try file.write(UnsafeRawBufferPointer(zeros), at: current * halfBytes + start)
            try file.sync()
        } catch {
            if error.isFull { return false }
            isBroken = true
            throw error
        }
        halves[current].preparedBytes += count
        return true
    }

    /// Everything up to `position` is durable in `log.sqlite`.
    func settled(through position: Int64) {
        settledPosition = max(settledPosition, position)
    }

    /// Whether there is anything that only the journal is known to hold.
    var hasUnsettled: Bool { halves.contains { $0.lastPosition > settledPosition } }

    /// It is time to settle: the half in use can be filled, and then the other one must be free.
    var wantsSettling: Bool { halves[1 - current].lastPosition > settledPosition }

    /// After a failure, when everything is settled: begins a new chain, which takes the place of whatever the last entry
    /// has left from its first position on.
    func restart() {
        guard isBroken, !hasUnsettled else { return }
        turn()
        isBroken = false
    }

    /// When everything is settled, at the end: the file goes.
    func remove() {
        guard !hasUnsettled else { return }
        FileSystem.remove(path)
    }

    /// When everything is settled: overwrites all that was ever written, so that nothing of it can be read from the disk.
    /// - Throws: when it is not known what is on disk. Nothing can be appended before `restart()`: a chain whose head was
    ///   overwritten is not read.
    func wipe() throws(JournalError) {
        guard hasContent, !hasUnsettled else { return }
        do throws(JournalError) {
            try overwrite()
        } catch {
            isBroken = true
            throw error
        }
        buffer.release()
        for half in 0..<2 { halves[half].leftBytes = 0 }
        hasContent = false
        turn()
    }

    private func overwrite() throws(JournalError) {
        let zeros = buffer.reserve(Self.preparedStep)
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        for half in 0..<2 {
            let bytes = max(halves[half].preparedBytes, halves[half].leftBytes)
            var start = 0
            while start < bytes {
                let count = min(zeros.count, halfBytes - start)
                try file.write(
                    UnsafeRawBufferPointer(rebasing: zeros[..<count]), at: half * halfBytes + start)
                start += count
            }
        }
        try file.sync()
    }
}

/// Memory that starts at a multiple of a block.
struct AlignedBuffer: ~Copyable {
    private var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private static let keptMax = 1 << 20

    /// At least so much is kept from call to call; what a large batch has needed is given back by the next small one.
    mutating func reserve(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if count > bytes.count || bytes.count > Self.keptMax && count <= Self.keptMax {
            release()
            bytes = .allocate(
                byteCount: max(JournalLayout.roundedUp(count), 64 << 10), alignment: JournalLayout.blockBytes)
        }
        return UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
    }

    mutating func release() {
        bytes.deallocate()
        bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    deinit {
        bytes.deallocate()
    }
}
